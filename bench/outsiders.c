/* SPDX-License-Identifier: MIT
 *
 * What programs outside of Berth notice of kernel mode: a port that eBPF has bound is skipped by the kernel's own choice, as
 * long as the socket lives or is in TIME_WAIT. A holder keeps a part of the range connected to one destination, or in TIME_WAIT
 * with it, on stock Linux and in kernel mode, and somebody outside connects to another destination.
 *
 *	build/bench/outsiders [--json]
 *
 * Needs root. All of it is in a network namespace of its own, over loopback, with a range of 4,000 ports: stock Linux
 * fills a larger one slowly, and keeps only so many connections in TIME_WAIT (tcp_max_tw_buckets). The time is that of
 * connect() alone, whether it succeeds or not; each connection is closed at once, with a reset.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORTS	    4000u
#define RANGE	    "32768 36767"
#define HELD_PORT   7001
#define OTHERS_PORT 7002
#define SAMPLES	    300u

static const struct fill {
	unsigned percent;
	const char *state;
} fills[] = { { 0, "live" },  { 50, "live" },	   { 90, "live" },
	      { 99, "live" }, { 99, "TIME_WAIT" }, { 100, "TIME_WAIT" } };
#define FILLS (sizeof(fills) / sizeof(fills[0]))

struct measured {
	unsigned succeeded; /* of SAMPLES */
	double median_us;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench/outsiders: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int try_connect(int fd, unsigned port)
{
	struct sockaddr_in to = loopback(port);

	return connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

static void allow_files(void)
{
	const struct rlimit files = { 2 * PORTS, 2 * PORTS };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("the limit of files");
}

/* ---- the holder, a process of its own: reads how many and in which state, and says when it has them ---- */

static int holder(void)
{
	static int fds[PORTS];
	unsigned held = 0, wanted;
	char state[16];

	allow_files();
	while (scanf("%u %15s", &wanted, state) == 2) {
		for (; held < wanted; held++) {
			fds[held] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (try_connect(fds[held], HELD_PORT) < 0)
				die("the holder's connect");
		}
		for (unsigned i = 0; strcmp(state, "live") != 0 && i < held; i++) {
			close(fds[i]);
			fds[i] = -1;
		}
		puts("held");
		fflush(stdout);
	}
	return 0;
}

/* ---- the parent ---- */

static void enter_namespace(void)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_local_port_range";
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) < 0 || (fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
	    ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		die("a network namespace (be root)");
	close(fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, RANGE, strlen(RANGE)) < 0)
		die(path);
	close(fd);
}

/* Accepts, and closes what the other side has closed. */
static _Noreturn void serve(int listener)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
	int all = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(all, EPOLL_CTL_ADD, listener, &event);
	while (epoll_wait(all, &event, 1, -1) == 1) {
		if (event.data.fd != listener) {
			close(event.data.fd);
			continue;
		}
		event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		event.events = EPOLLIN;
		epoll_ctl(all, EPOLL_CTL_ADD, event.data.fd, &event);
	}
	die("the server");
}

static pid_t start_server(unsigned port)
{
	struct sockaddr_in at = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0)
		die("the server");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		allow_files();
		serve(fd);
	}
	close(fd);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct measured measure(void)
{
	const struct linger reset = { .l_onoff = 1 };
	struct measured measured = { 0 };
	double samples[SAMPLES];

	for (unsigned i = 0; i < SAMPLES; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		uint64_t start = now_ns();

		measured.succeeded += try_connect(fd, OTHERS_PORT) == 0;
		samples[i] = (double)(now_ns() - start) / 1000;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	measured.median_us = samples[SAMPLES / 2];
	return measured;
}

static void run_side(char *const argv[], struct measured *ret_measured)
{
	pid_t pid, servers[2];
	int to[2], from[2];
	char said[16];
	FILE *out, *in;

	enter_namespace();
	servers[0] = start_server(HELD_PORT);
	servers[1] = start_server(OTHERS_PORT);
	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		die("the holder");
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execv(argv[0], argv);
		die(argv[0]);
	}
	close(to[0]);
	close(from[1]);
	out = fdopen(to[1], "w");
	in = fdopen(from[0], "r");
	for (size_t i = 0; i < FILLS; i++) {
		fprintf(out, "%u %s\n", PORTS / 100 * fills[i].percent, fills[i].state);
		fflush(out);
		if (!fgets(said, sizeof(said), in))
			die("the holder has ended");
		ret_measured[i] = measure();
	}
	fclose(out);
	fclose(in);
	waitpid(pid, NULL, 0);
	end(servers[0]);
	end(servers[1]);
}

static double percent(const struct measured *measured)
{
	return 100.0 * measured->succeeded / SAMPLES;
}

static void print_table(const struct measured *stock, const struct measured *berth)
{
	puts("connect() outside of Berth, to another destination than the holder's");
	printf("%-22s %14s %14s %16s %14s\n", "held of the range", "stock: succeed", "p50 us",
	       "kernel: succeed", "p50 us");
	for (size_t i = 0; i < FILLS; i++)
		printf("%3u %% %-16s %12.1f %% %14.2f %14.1f %% %14.2f\n", fills[i].percent, fills[i].state,
		       percent(&stock[i]), stock[i].median_us, percent(&berth[i]), berth[i].median_us);
}

static void print_json(const struct measured *stock, const struct measured *berth)
{
	puts("[");
	for (size_t i = 0; i < FILLS; i++)
		printf("  {\"held_percent\": %u, \"state\": \"%s\", \"stock_succeed_percent\": %.1f, \"stock_median_us\": %.3f, "
		       "\"kernel_succeed_percent\": %.1f, \"kernel_median_us\": %.3f}%s\n",
		       fills[i].percent, fills[i].state, percent(&stock[i]), stock[i].median_us,
		       percent(&berth[i]), berth[i].median_us, i + 1 < FILLS ? "," : "");
	puts("]");
}

int main(int argc, char **argv)
{
	struct measured stock[FILLS], berth[FILLS];
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	char self[4096] = { 0 }, program[4096 + 16];

	if (argc == 2 && strcmp(argv[1], "--holder") == 0)
		return holder();
	if (argc > 1 && !json) {
		fprintf(stderr, "bench/outsiders: unknown argument \"%s\"; usage: bench/outsiders [--json]\n",
			argv[1]);
		return 2;
	}
	if (geteuid() != 0) {
		fputs("bench/outsiders: skipped: kernel mode needs root\n", stderr);
		return 0;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("/proc/self/exe");
	/* BUILD/bench/outsiders, and BUILD/berth */
	snprintf(program, sizeof(program), "%.*s/berth", (int)(strstr(self, "/bench/outsiders") - self),
		 self);
	run_side((char *[]){ self, "--holder", NULL }, stock);
	run_side((char *[]){ program, "run", "--mode=kernel", "--", self, "--holder", NULL }, berth);
	if (json)
		print_json(stock, berth);
	else
		print_table(stock, berth);
	return 0;
}
