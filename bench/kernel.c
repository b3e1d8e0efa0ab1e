/* SPDX-License-Identifier: MIT
 *
 * What connect() without bind costs by how full one destination's ports are: stock Linux against
 * `berth run --mode=kernel`, each filling the default range of 28,232 ports by itself, in one run.
 *
 *	build/bench/kernel [--json]
 *
 * Needs root. All of it is in a network namespace of its own, over loopback. The time of a call is that of connect()
 * alone; at a fill of f % it is that of the calls that follow when f % of the ports are taken. `churn` is a connection
 * that is closed at once (with a reset, so that no TIME_WAIT is left), at that fill. The worker prints a line of samples
 * for each figure, in nanoseconds, which the parent reads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORTS	 28232u /* 32768 to 60999 */
#define SERVER	 7001
#define SAMPLES	 400u
#define HELD	 500u
/* What came before a figure, and its processes, have come to rest. */
#define PAUSE_MS 200

static const struct figure {
	const char *what;
	double fill; /* percent */
	unsigned samples;
	bool churn;
} figures[] = {
	{ "connect", 2, SAMPLES, false },
	/* not 0: caches are to be warm */ { "connect", 50, SAMPLES, false },
	{ "connect", 90, SAMPLES, false },
	{ "churn", 90, SAMPLES, true },
	{ "connect", 99, 200, false },
	{ "churn", 99.8, SAMPLES, true },
	{ "connect", 99.9, 25, false },
	{ "connect that fails", 100, 50, false },
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

struct measured {
	double median_us, mean_us;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench/kernel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in server_address(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(SERVER),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* More connections than a process may have files open: every HELD of them go to a child that does nothing but hold
 * them, and ends when its parent does. Called for each new descriptor. */
static void hold(int first_fd)
{
	static unsigned count;

	if (++count % HELD != 0)
		return;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	close_range((unsigned)first_fd, ~0u, 0);
}

/* ---- the worker ---- */

/* One connection. The nanoseconds of connect(); *ret_fd is -1 if it failed. */
static uint64_t timed_connect(int *ret_fd)
{
	struct sockaddr_in to = server_address();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t start = now_ns(), end;
	int result = connect(fd, (const struct sockaddr *)&to, sizeof(to));

	end = now_ns();
	if (result < 0)
		close(fd);
	*ret_fd = result < 0 ? -1 : fd;
	return end - start;
}

static void close_at_once(int fd)
{
	const struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void measure(const struct figure *figure, unsigned *open_connections)
{
	unsigned wanted = (unsigned)(PORTS * figure->fill / 100);
	int fd;

	while (*open_connections < wanted) {
		timed_connect(&fd);
		if (fd < 0)
			die("the range could not be filled: connect");
		++*open_connections;
		hold(3);
	}
	poll(NULL, 0, PAUSE_MS);
	for (unsigned i = 0; i < figure->samples; i++) {
		uint64_t took = timed_connect(&fd);

		if ((fd < 0) != (figure->fill == 100))
			die("a call failed that should not, or the other way round: connect");
		printf("%llu ", (unsigned long long)took);
		if (figure->churn) {
			close_at_once(fd);
		} else if (fd >= 0) {
			++*open_connections;
			hold(3);
		}
	}
	putchar('\n');
}

static int worker(void)
{
	unsigned open_connections = 0;

	for (size_t i = 0; i < FIGURES; i++)
		measure(&figures[i], &open_connections);
	return 0;
}

/* ---- the parent ---- */

static void enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) < 0 || (fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
	    ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		die("a network namespace (be root)");
	close(fd);
}

/* Accepts for ever. */
static pid_t start_server(void)
{
	struct sockaddr_in at = server_address();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0)
		die("the server");
	pid = fork();
	if (pid == 0) {
		for (;;)
			if (accept4(fd, NULL, NULL, SOCK_CLOEXEC) >= 0)
				hold(fd + 1);
	}
	close(fd);
	return pid;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct measured read_samples(FILE *from, unsigned count)
{
	double samples[SAMPLES] = { 0 }, sum = 0;

	for (unsigned i = 0; i < count; i++) {
		if (fscanf(from, "%lf", &samples[i]) != 1)
			die("the worker ended early");
		sum += samples[i];
	}
	qsort(samples, count, sizeof(samples[0]), compare);
	return (struct measured){ samples[count / 2] / 1000, sum / count / 1000 };
}

/* Each side has its own server, and starts on an empty range. */
static void run_side(char *const argv[], struct measured *ret_measured)
{
	int out[2];
	pid_t pid, server;
	FILE *from;

	enter_namespace();
	server = start_server();
	if (pipe2(out, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		die("the worker");
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execv(argv[0], argv);
		die(argv[0]);
	}
	close(out[1]);
	from = fdopen(out[0], "r");
	for (size_t i = 0; i < FIGURES; i++)
		ret_measured[i] = read_samples(from, figures[i].samples);
	fclose(from);
	waitpid(pid, NULL, 0);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void print_table(const struct measured *stock, const struct measured *berth)
{
	printf("%-20s %7s %12s %12s %8s %12s %12s %10s\n", "microseconds", "filled", "stock p50",
	       "kernel p50", "ratio", "stock mean", "kernel mean", "p50 / 2 %");
	for (size_t i = 0; i < FIGURES; i++)
		printf("%-20s %5.1f %% %12.2f %12.2f %8.3f %12.2f %12.2f %10.2f\n", figures[i].what,
		       figures[i].fill, stock[i].median_us, berth[i].median_us,
		       berth[i].median_us / stock[i].median_us, stock[i].mean_us, berth[i].mean_us,
		       berth[i].median_us / berth[0].median_us);
}

static void print_json(const struct measured *stock, const struct measured *berth)
{
	printf("[\n");
	for (size_t i = 0; i < FIGURES; i++)
		printf("  {\"what\": \"%s\", \"filled_percent\": %g, \"stock_median_us\": %.3f, "
		       "\"kernel_median_us\": %.3f, \"stock_mean_us\": %.3f, \"kernel_mean_us\": %.3f}%s\n",
		       figures[i].what, figures[i].fill, stock[i].median_us, berth[i].median_us,
		       stock[i].mean_us, berth[i].mean_us, i + 1 < FIGURES ? "," : "");
	printf("]\n");
}

int main(int argc, char **argv)
{
	struct measured stock[FIGURES], berth[FIGURES];
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	char self[4096] = { 0 }, program[4096 + 16];

	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return worker();
	if (argc > 1 && !json) {
		fprintf(stderr, "bench/kernel: unknown argument \"%s\"; usage: bench/kernel [--json]\n",
			argv[1]);
		return 2;
	}
	if (geteuid() != 0) {
		fputs("bench/kernel: skipped: kernel mode needs root\n", stderr);
		return 0;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("/proc/self/exe");
	/* BUILD/bench/kernel, and BUILD/berth */
	snprintf(program, sizeof(program), "%.*s/berth", (int)(strstr(self, "/bench/kernel") - self), self);
	run_side((char *[]){ self, "--worker", NULL }, stock);
	run_side((char *[]){ program, "run", "--mode=kernel", "--", self, "--worker", NULL }, berth);
	if (json)
		print_json(stock, berth);
	else
		print_table(stock, berth);
	return 0;
}
