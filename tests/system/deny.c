/* SPDX-License-Identifier: MIT
 *
 * Runs a program on a poorer kernel: a seccomp filter around it makes some calls fail as they would there.
 *
 *   deny WHAT ERRNO PROGRAM ...
 *   deny WHAT KILL PROGRAM ...    kills it there
 *
 *   port-range      setsockopt and getsockopt of IP_LOCAL_PORT_RANGE: Linux before 6.3 (ENOPROTOOPT)
 *   listener        seccomp() with NEW_LISTENER: no user notification (EINVAL, EPERM)
 *   wait-killable   seccomp() with WAIT_KILLABLE_RECV: before 5.19 (EINVAL)
 *   seccomp         seccomp() altogether (ENOSYS)
 *   pidfd-thread    pidfd_open() with PIDFD_THREAD: before 6.9 (EINVAL)
 *   pidfd-getfd     pidfd_getfd(): a container's filter or yama (EPERM)
 *   sock-destroy    a request of 72 bytes to sock_diag, which is that to end one socket: no CONFIG_INET_DIAG_DESTROY (EOPNOTSUPP)
 *   bpf-attach      bpf() that attaches a program where there is none: a kernel without room for one more (ENOMEM)
 *   bpf-update      bpf() that writes into a map (ENOMEM)
 *   sock-diag       socket(AF_NETLINK, ...): no sock_diag (EPROTONOSUPPORT)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_KILLABLE_RECV (1u << 5) /* linux/seccomp.h since 5.19; PIDFD_THREAD is O_EXCL */

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

/* What the filter does, or SCMP_ACT_ALLOW: there is no such ERRNO. */
static unsigned action_by_name(const char *name)
{
	for (int number = 1; number < 256; number++)
		if (strerrorname_np(number) && strcmp(strerrorname_np(number), name) == 0)
			return SCMP_ACT_ERRNO(number);
	return strcmp(name, "KILL") == 0 ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW;
}

/* WHAT, the call, and the arguments that are denied. */
static const struct denial {
	const char *what;
	int call;
	unsigned arguments;
	struct scmp_arg_cmp argument[2];
} denials[] = {
	{ "port-range",
	  SCMP_SYS(setsockopt),
	  2,
	  { { 1, SCMP_CMP_EQ, SOL_IP, 0 }, { 2, SCMP_CMP_EQ, IP_LOCAL_PORT_RANGE, 0 } } },
	{ "port-range",
	  SCMP_SYS(getsockopt),
	  2,
	  { { 1, SCMP_CMP_EQ, SOL_IP, 0 }, { 2, SCMP_CMP_EQ, IP_LOCAL_PORT_RANGE, 0 } } },
	{ "listener",
	  SCMP_SYS(seccomp),
	  1,
	  { { 1, SCMP_CMP_MASKED_EQ, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER } } },
	{ "wait-killable",
	  SCMP_SYS(seccomp),
	  1,
	  { { 1, SCMP_CMP_MASKED_EQ, WAIT_KILLABLE_RECV, WAIT_KILLABLE_RECV } } },
	{ "pidfd-thread", SCMP_SYS(pidfd_open), 1, { { 1, SCMP_CMP_MASKED_EQ, O_EXCL, O_EXCL } } },
	{ "seccomp", SCMP_SYS(seccomp), 0, { { 0 } } },
	{ "pidfd-getfd", SCMP_SYS(pidfd_getfd), 0, { { 0 } } },
	{ "sock-destroy", SCMP_SYS(sendto), 1, { { 2, SCMP_CMP_EQ, 72, 0 } } },
	{ "bpf-attach", SCMP_SYS(bpf), 1, { { 0, SCMP_CMP_EQ, BPF_LINK_CREATE, 0 } } },
	{ "bpf-attach", SCMP_SYS(bpf), 1, { { 0, SCMP_CMP_EQ, BPF_RAW_TRACEPOINT_OPEN, 0 } } },
	{ "bpf-update", SCMP_SYS(bpf), 1, { { 0, SCMP_CMP_EQ, BPF_MAP_UPDATE_ELEM, 0 } } },
	{ "sock-diag", SCMP_SYS(socket), 1, { { 0, SCMP_CMP_EQ, AF_NETLINK, 0 } } },
};

static int add_rules(scmp_filter_ctx filter, const char *what, unsigned action)
{
	int error = -1;

	for (size_t i = 0; i < sizeof(denials) / sizeof(denials[0]); i++)
		if (strcmp(what, denials[i].what) == 0)
			error = seccomp_rule_add_array(filter, action, denials[i].call, denials[i].arguments,
						       denials[i].argument);
	return error;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	unsigned action = argc > 3 ? action_by_name(argv[2]) : SCMP_ACT_ALLOW;

	if (!filter || action == SCMP_ACT_ALLOW || add_rules(filter, argv[1], action) ||
	    seccomp_load(filter)) {
		fputs("usage: deny WHAT ERRNO PROGRAM ...; no such WHAT or ERRNO, or no seccomp\n", stderr);
		return 2;
	}
	seccomp_release(filter);
	if (action == SCMP_ACT_KILL_PROCESS)
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 127;
}
