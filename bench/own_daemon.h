/* SPDX-License-Identifier: MIT
 *
 * A berth daemon for the measurements alone: in a mount namespace with a bpf filesystem of its own, steering an empty
 * cgroup. Needs root. Whatever fails ends the program.
 */
#ifndef BERTH_BENCH_OWN_DAEMON_H
#define BERTH_BENCH_OWN_DAEMON_H

#include <poll.h>
#include <sys/mount.h>

#include "bench/bench.h"
#include "host/bpf_fs.h"
#include "host/cgroup.h"

#define WEB_PORT 4227

static struct own_daemon {
	struct cgroup cgroup;
	pid_t pid, web;
} own_daemon;

static inline int connect_to_web(void)
{
	struct sockaddr_in address = loopback(1, WEB_PORT);
	int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Asks, reads the answer to its end, and returns how many bytes it had. */
static inline size_t ask_web(const char *path)
{
	int fd = check(connect_to_web(), "the daemon's port");
	char buffer[65536];
	size_t size = 0;
	ssize_t got;

	dprintf(fd, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		size += (size_t)got;
	close(fd);
	return size;
}

/* The only child. */
static inline pid_t child_of(pid_t pid)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	fd = check(open(path, O_RDONLY | O_CLOEXEC), path);
	check((int)read(fd, text, sizeof(text) - 1), path);
	close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

/* CPU time of the process that serves the page, in milliseconds. */
static inline double web_cpu_ms(void)
{
	char path[64], text[96] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", own_daemon.web);
	fd = check(open(path, O_RDONLY | O_CLOEXEC), path);
	check((int)read(fd, text, sizeof(text) - 1), path);
	close(fd);
	return strtod(text, NULL) / 1e6;
}

static inline void start_own_daemon(const char *berth)
{
	char parent[PATH_MAX], name[32], option[PATH_MAX + 16];
	int fd;

	check(unshare(CLONE_NEWNS), "a mount namespace");
	check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	check(mount("bpf", BPF_FS, "bpf", 0, "mode=0700"), "a bpf filesystem");
	check(cgroup_root(parent), "cgroup v2");
	snprintf(name, sizeof(name), "berth-bench-%d", getpid());
	check(cgroup_make(parent, name, &own_daemon.cgroup), "a cgroup");
	snprintf(option, sizeof(option), "--cgroup=%s", own_daemon.cgroup.path);
	own_daemon.pid = check(fork(), "fork");
	if (own_daemon.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"), STDERR_FILENO);
		execl(berth, berth, "daemon", option, NULL);
		fail(berth);
	}
	for (int tries = 0; (fd = connect_to_web()) < 0; tries++) {
		if (tries == 300) {
			fprintf(stderr, "%s: the daemon does not start\n", program_invocation_name);
			exit(1);
		}
		poll(NULL, 0, 100);
	}
	close(fd);
	own_daemon.web = child_of(own_daemon.pid);
}

/* What it has attached goes with the mount namespace. */
static inline void end_own_daemon(void)
{
	kill(own_daemon.pid, SIGTERM);
	waitpid(own_daemon.pid, NULL, 0);
	cgroup_remove(&own_daemon.cgroup);
}

#endif
