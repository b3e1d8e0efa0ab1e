/* SPDX-License-Identifier: MIT
 *
 * What supervise mode needs, each tried as it will be used.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor_report.h"
#include "host/guest.h"
#include "host/port_steering.h"
#include "host/socket_table.h"
#include "supervise/notification.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* linux/seccomp.h since 5.19 */
#endif

#define GROUP DOCTOR_SUPERVISE

/* Does it succeed in a child, whom it may change? */
static bool in_child(bool (*attempt)(void))
{
	pid_t child = fork();
	int status = 1;

	if (child == 0)
		_exit(attempt() ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool install_filter(void)
{
	const char *step;

	return notification_install(&step) >= 0;
}

static bool install_killable(void)
{
	struct sock_filter allow = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW };
	const struct sock_fprog program = { .len = 1, .filter = &allow };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		       &program) >= 0;
}

static void look_at_seccomp(struct doctor_report *report)
{
	if (notification_supervised()) {
		doctor_add(report, GROUP, "seccomp notification", DOCTOR_YES,
			   "this very program is under berth run, which is how it can be known");
		return;
	}
	doctor_add_feature(
		report, GROUP, "seccomp notification", in_child(install_filter), DOCTOR_NO,
		"a program's bind() and connect() can be intercepted, by any user",
		"calls cannot be intercepted: the kernel is too old, a container forbids seccomp(), or another "
		"listener is there");
	doctor_add_feature(
		report, GROUP, "WAIT_KILLABLE_RECV", in_child(install_killable), DOCTOR_LESS,
		"a call that is being answered is not interrupted by signals",
		"a signal may interrupt a call that is being answered, which is then answered once more (Linux "
		"5.19 has it)");
}

/* A child that waits until it is killed. */
static pid_t start_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return child;
}

static void look_at_guest(struct doctor_report *report)
{
	static const long word = 4231;
	struct guest_cache cache = { .own_label = "" };
	pid_t child = start_child();
	long copy = 0;
	int fd;

	if (child < 0)
		return;
	fd = guest_take_fd(&cache, child, STDERR_FILENO);
	doctor_add_feature(
		report, GROUP, "pidfd_getfd", fd >= 0, DOCTOR_NO, "a child's sockets can be reached",
		"a child's sockets cannot be reached: kernel.yama.ptrace_scope is above 1, or a container "
		"forbids pidfd_getfd()");
	doctor_add_feature(report, GROUP, "process_vm_readv",
			   guest_read(child, (unsigned long)&word, &copy, sizeof(copy)) == 0 && copy == word,
			   DOCTOR_NO, "a child's memory can be read",
			   "a child's memory cannot be read: see kernel.yama.ptrace_scope");
	if (fd >= 0)
		close(fd);
	guest_forget(&cache);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void look_at_yama(struct doctor_report *report)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (!file || fscanf(file, "%d", &scope) != 1)
		doctor_add(report, GROUP, "yama", DOCTOR_YES,
			   "not there: a user may reach all of his own processes");
	else
		doctor_add(report, GROUP, "yama", scope < 2 ? DOCTOR_YES : DOCTOR_LESS,
			   "kernel.yama.ptrace_scope is %d: %s", scope,
			   scope < 2	? "an ancestor may reach a program, and berth run is one"
			   : scope == 2 ? "CAP_SYS_PTRACE is needed"
					: "nobody may reach another process");
	if (file)
		fclose(file);
}

static bool has_port_range(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && steer_local_port_range(fd, 40000, 40000) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/* ---- the socket table ---- */

static void note_any(void *context, const struct socket_entry *entry)
{
	(void)entry;
	*(bool *)context = true;
}

/* Does a dump show a socket that is bound to the port and nothing else? 1 or 0, or negative errno. */
static int dump_shows(unsigned port)
{
	struct socket_table table = { 0 };
	char piece[SOCKET_TABLE_PIECE];
	bool listed = false;
	int status = socket_table_open(&table);

	if (status < 0)
		return status;
	status = socket_table_dump(&table, AF_INET, port, port);
	while (status >= 0) {
		status = socket_table_receive(&table, piece, sizeof(piece));
		if (status >= 0)
			status = socket_table_read(piece, (size_t)status, note_any, &listed);
		if (status == 0)
			break;
	}
	socket_table_close(&table);
	return status < 0 ? status : listed;
}

static int shows_bound_socket(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int shows = -1;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&name, &size) == 0)
		shows = dump_shows(ntohs(name.sin_port));
	if (fd >= 0)
		close(fd);
	return shows;
}

static void look_at_socket_table(struct doctor_report *report)
{
	int shows = shows_bound_socket();

	doctor_add_feature(
		report, GROUP, "sock_diag", shows >= 0, DOCTOR_LESS,
		"the kernel's table of sockets can be read",
		"the kernel's table of sockets cannot be read (CONFIG_INET_DIAG): which ports others use is learned "
		"by trying");
	doctor_add_feature(
		report, GROUP, "TCP_BOUND_INACTIVE", shows > 0, DOCTOR_LESS,
		"sockets that are bound and nothing else are seen",
		"sockets that are bound and nothing else are not seen: their ports are tried in vain (Linux 6.8 "
		"shows them)");
}

void doctor_look_at_supervise(struct doctor_report *report)
{
	look_at_seccomp(report);
	look_at_guest(report);
	look_at_yama(report);
	doctor_add_feature(report, GROUP, "SO_NETNS_COOKIE", own_netns_cookie() != 0, DOCTOR_NO,
			   "whose network a socket belongs to can be known",
			   "whose network a socket belongs to cannot be known (Linux 5.14 has it)");
	doctor_add_feature(report, GROUP, "IP_LOCAL_PORT_RANGE", has_port_range(), DOCTOR_LESS,
			   "one port can be asked for, and the kernel's check of the connection stays atomic",
			   "ports are bound explicitly, each after a look-up (Linux 6.3 has it)");
	look_at_socket_table(report);
}
