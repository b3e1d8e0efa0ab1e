/* SPDX-License-Identifier: MIT */
#include "supervise/notification.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/port_steering.h"
#include "supervise/shared.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* linux/seccomp.h since 5.19 */
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0) /* linux/seccomp.h since 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	   SECCOMP_IOW(4, __u64)
#endif

#define LONGEST_FILTER 256u /* instructions; ours has about 30 */

bool notification_supervised(void)
{
	return syscall(SYS_getsockname, -1, NULL, (unsigned long)SUPERVISED_QUESTION) == 0;
}

/* The address length tells AF_UNIX apart, whose addresses have every length up to 110 but seldom
 * these. */
static const struct scmp_arg_cmp address_lengths[] = {
	{ 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, sizeof(struct sockaddr_in) },
	{ 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, sizeof(struct sockaddr_in6) },
	{ 2, SCMP_CMP_GT, sizeof(struct sockaddr_un), 0 },
};

/* Options that mean something else once a socket has a port: IPV6_V6ONLY is refused then, and the
 * other two are too late to touch the port that it has. */
static const struct scmp_arg_cmp settling_options[][2] = {
	{ { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, IPPROTO_IPV6 },
	  { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, IPV6_V6ONLY } },
	{ { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, IPPROTO_IP },
	  { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, IP_BIND_ADDRESS_NO_PORT } },
	{ { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, IPPROTO_IP },
	  { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, IP_LOCAL_PORT_RANGE } },
};

/* What puts the program's sockets out of the reach of a supervisor that is not root's. */
static const struct scmp_arg_cmp hiding[] = {
	{ 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, PR_SET_DUMPABLE },
	{ 1, SCMP_CMP_EQ, 0, 0 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int add_rules(scmp_filter_ctx filter)
{
	static const int whole_calls[] = { SCMP_SYS(listen), SCMP_SYS(getsockname),
					   SCMP_SYS(landlock_restrict_self) };
	int error = 0;

	for (size_t i = 0; i < COUNT(whole_calls) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, whole_calls[i], 0);
	for (size_t i = 0; i < COUNT(address_lengths) && !error; i++) {
		error = seccomp_rule_add_array(filter, SCMP_ACT_NOTIFY, SCMP_SYS(bind), 1,
					       &address_lengths[i]);
		if (!error)
			error = seccomp_rule_add_array(filter, SCMP_ACT_NOTIFY, SCMP_SYS(connect), 1,
						       &address_lengths[i]);
	}
	for (size_t i = 0; i < COUNT(settling_options) && !error; i++)
		error = seccomp_rule_add_array(filter, SCMP_ACT_NOTIFY, SCMP_SYS(setsockopt), 2,
					       settling_options[i]);
	if (!error)
		error = seccomp_rule_add_array(filter, SCMP_ACT_NOTIFY, SCMP_SYS(prctl), COUNT(hiding),
					       hiding);
	return error;
}

/* Fills code with the filter. Its length in instructions, or negative errno. */
static int build_filter(struct sock_filter code[LONGEST_FILTER])
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int file = memfd_create("filter", MFD_CLOEXEC);
	ssize_t size = -ENOMEM;
	int error = filter && file >= 0 ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW)
					: -ENOMEM;

	if (!error)
		error = add_rules(filter);
	if (!error)
		error = seccomp_export_bpf(filter, file);
	if (!error) {
		size = pread(file, code, LONGEST_FILTER * sizeof(code[0]), 0);
		error = size < 0 ? -errno : 0;
	}
	if (filter)
		seccomp_release(filter);
	if (file >= 0)
		close(file);
	return error ? error : (int)((size_t)size / sizeof(code[0]));
}

static int load_filter(const struct sock_fprog *program, unsigned long flags)
{
	int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);

	return listener < 0 ? -errno : listener;
}

/* libseccomp of Debian 12 cannot ask for WAIT_KILLABLE_RECV, so it builds the filter and we load
 * it. Without the flag (before Linux 5.19) a signal can interrupt a call that we have begun to
 * answer, and it is notified again. */
static int load_with_best_flags(const struct sock_fprog *program)
{
	const unsigned long listen = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int listener = load_filter(program, listen | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	return listener == -EINVAL ? load_filter(program, listen) : listener;
}

int notification_install(const char **ret_step)
{
	struct sock_filter code[LONGEST_FILTER];
	struct sock_fprog program = { .filter = code };
	int length = build_filter(code);
	int listener;

	*ret_step = "build the seccomp filter";
	if (length < 0)
		return length;
	program.len = (unsigned short)length;
	*ret_step = "load the seccomp filter";
	listener = load_with_best_flags(&program);
	if (listener == -EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		listener = load_with_best_flags(&program);
	return listener;
}

int notification_receive(int listener, struct seccomp_notif *ret_call)
{
	/* The kernel refuses to write into anything but zeros. */
	*ret_call = (struct seccomp_notif){ 0 };
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret_call) < 0 ? -errno : 0;
}

int notification_send(int listener, uint64_t id, const struct answer *answer)
{
	struct seccomp_notif_resp response = { .id = id };

	if (answer->by_kernel)
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (answer->result < 0)
		response.error = answer->result;
	else
		response.val = answer->result;
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 ? -errno : 0;
}

bool notification_is_pending(int listener, uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void notification_set_sync_wake_up(int listener)
{
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}
