/* SPDX-License-Identifier: MIT
 *
 * What the programs of bench/ share: to fail, to tell the time, to be in a network namespace of one's own, to sum up.
 *
 * Whatever goes wrong ends the program, with one line. Times are microseconds of CLOCK_MONOTONIC.
 */
#ifndef BERTH_BENCH_BENCH_H
#define BERTH_BENCH_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench/%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

/* `result`, which is not an error. */
static inline int check(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

/* How much is measured. */
enum effort {
	EFFORT_FULL,  /* minutes: what the documents quote */
	EFFORT_QUICK, /* seconds: the same rows of smaller loads in fewer rounds */
	EFFORT_SMOKE, /* as little as shows that it works; the numbers mean nothing */
};

struct bench_options {
	bool json;	       /* on stdout, instead of the text */
	const char *json_path; /* beside it; or NULL */
	enum effort effort;
};

/* All the options there are. Anything else ends the program. */
static inline struct bench_options take_options(int argc, char **argv)
{
	struct bench_options options = { 0 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			options.json = true;
		} else if (strncmp(argv[i], "--json=", 7) == 0) {
			options.json_path = argv[i] + 7;
		} else if (strcmp(argv[i], "--quick") == 0) {
			options.effort = EFFORT_QUICK;
		} else if (strcmp(argv[i], "--smoke") == 0) {
			options.effort = EFFORT_SMOKE;
		} else {
			fprintf(stderr,
				"bench/%s: unknown argument \"%s\"; usage: bench/%s [--json[=FILE]] [--quick|--smoke]\n",
				program_invocation_short_name, argv[i], program_invocation_short_name);
			exit(2);
		}
	}
	return options;
}

static inline void need_root(void)
{
	if (geteuid() == 0)
		return;
	fprintf(stderr, "bench/%s: skipped: kernel mode needs root\n", program_invocation_short_name);
	exit(0);
}

/* What is done just now, on a terminal; end_progress() takes it away. */
static inline __attribute__((format(printf, 1, 2))) void say_progress(const char *format, ...)
{
	va_list arguments;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
}

static inline void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static inline double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static inline int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Sorts the values. Of none: 0. */
static inline double median(double *values, unsigned count)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), ascending);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* 127.0.0.NUMBER */
static inline struct sockaddr_in loopback(unsigned number, unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + number),
	};
}

/* A reset leaves no TIME_WAIT. */
static inline void abort_connection(int fd)
{
	const struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static inline void write_file(const char *path, const char *text)
{
	int fd = check(open(path, O_WRONLY | O_CLOEXEC), path);

	check((int)write(fd, text, strlen(text)), path);
	close(fd);
}

/* With its loopback, and the longest queues of connections that nobody has accepted. */
static inline void enter_namespace(void)
{
	unsigned uid = geteuid();
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	char map[32];
	int fd;

	check(unshare(CLONE_NEWNET | (uid ? CLONE_NEWUSER : 0)), "a network namespace");
	if (uid) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
	}
	fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	check(ioctl(fd, SIOCSIFFLAGS, &lo), "lo");
	close(fd);
	write_file("/proc/sys/net/core/somaxconn", "65535");
}

static inline void set_port_range(const char *range)
{
	write_file("/proc/sys/net/ipv4/ip_local_port_range", range);
}

static inline void allow_files(unsigned count)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = count;
	if (files.rlim_max < count)
		files.rlim_max = count;
	check(setrlimit(RLIMIT_NOFILE, &files), "the limit of files");
}

static inline int start_listener(const struct sockaddr *at, socklen_t size)
{
	int fd = check(socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(fd, at, size), "the listener's bind");
	check(listen(fd, 65535), "listen");
	return fd;
}

/* A fork(), or the end. The child is sent the signal when the parent ends. */
static inline pid_t fork_child(int signal_at_end)
{
	pid_t parent = getpid(), pid = check(fork(), "fork");

	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, signal_at_end);
	if (getppid() != parent) /* which was quicker */
		_exit(1);
	return 0;
}

/* The path of this program. */
static inline char *find_self(void)
{
	static char path[4096];

	check((int)readlink("/proc/self/exe", path, sizeof(path) - 1), "/proc/self/exe");
	return path;
}

/* BUILD/berth, where this program is BUILD/bench/NAME; or another, which BERTH names. */
static inline char *find_berth(void)
{
	static char path[4096 + 16];
	const char *self = find_self();

	if (getenv("BERTH"))
		return getenv("BERTH");
	snprintf(path, sizeof(path), "%.*s/../berth", (int)(strrchr(self, '/') - self), self);
	return path;
}

#endif
