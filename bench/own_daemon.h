/* SPDX-License-Identifier: MIT
 *
 * A berth daemon for the measurements alone: in a mount namespace with a bpf filesystem of its own, steering an empty
 * cgroup. Needs root. Whatever fails ends the program.
 *
 * Between the program and the daemon is a keeper, which ends the daemon and removes the cgroup when the program has ended,
 * in whatever way: it waits for the end of a pipe.
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
	pid_t keeper, web;
	int held; /* the pipe */
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

/* Asks, and reads the answer to its end. */
static inline void ask_web(const char *path)
{
	int fd = check(connect_to_web(), "the daemon's port");
	char buffer[65536];
	ssize_t got;

	dprintf(fd, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	got = read(fd, buffer, sizeof(buffer));
	if (got < 12 || memcmp(buffer, "HTTP/1.1 200", 12) != 0) {
		fprintf(stderr, "bench/%s: the daemon does not serve %s\n", program_invocation_short_name,
			path);
		exit(1);
	}
	while (got > 0)
		got = read(fd, buffer, sizeof(buffer));
	close(fd);
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

/* In a mount namespace of our own, whose bpf filesystem has nobody's pins. */
static inline void hide_other_daemons(void)
{
	check(unshare(CLONE_NEWNS), "a mount namespace");
	check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	check(mount("bpf", BPF_FS, "bpf", 0, "mode=0700"), "a bpf filesystem");
}

/* The keeper. SIGINT from a terminal is for all of us, and it has still to do then. */
static inline _Noreturn void keep_daemon(const char *berth, int end)
{
	char parent[PATH_MAX], name[32], option[PATH_MAX + 16], byte;
	struct cgroup cgroup;
	pid_t pid;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	check(cgroup_own(parent), "cgroup v2");
	snprintf(name, sizeof(name), "berth-bench-%d", getpid());
	check(cgroup_make(parent, name, &cgroup), "a cgroup");
	snprintf(option, sizeof(option), "--cgroup=%s", cgroup.path);
	pid = fork_child(SIGTERM);
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		dup2(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"), STDERR_FILENO);
		execl(berth, berth, "daemon", option, NULL);
		fail(berth);
	}
	while (read(end, &byte, 1) < 0)
		;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	cgroup_remove(&cgroup);
	_exit(0);
}

/* After hide_other_daemons(). Returns when the daemon serves. */
static inline void start_own_daemon(const char *berth)
{
	int ends[2], fd;

	check(pipe2(ends, O_CLOEXEC), "pipe");
	own_daemon.keeper = check(fork(), "fork");
	if (own_daemon.keeper == 0) {
		close(ends[1]);
		keep_daemon(berth, ends[0]);
	}
	close(ends[0]);
	own_daemon.held = ends[1];
	for (int tries = 0; (fd = connect_to_web()) < 0; tries++) {
		if (tries == 300) {
			fprintf(stderr, "bench/%s: the daemon does not start\n",
				program_invocation_short_name);
			exit(1);
		}
		poll(NULL, 0, 100);
	}
	close(fd);
	ask_web("/healthz"); /* the answer is of the child's, which may have come after the port */
	own_daemon.web = child_of(child_of(own_daemon.keeper));
}

/* What it has attached goes with the mount namespace. */
static inline void end_own_daemon(void)
{
	close(own_daemon.held);
	waitpid(own_daemon.keeper, NULL, 0);
}

#endif
