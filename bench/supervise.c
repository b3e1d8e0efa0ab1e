/* SPDX-License-Identifier: MIT
 *
 * What `berth run --mode=supervise` adds to a call, and that a host with many sockets does not make it more.
 *
 *	build/bench/supervise [--json]
 *
 * The same calls are timed in a process of its own on stock Linux and under Berth, in turn, all in one network
 * namespace; a time is the median of 2,000 calls, and of that the median of seven rounds. Then again with
 * 100,000 sockets of others in the namespace. BERTH names another binary than the one beside this one.
 */
#include "bench/bench.h"
#include "bench/many_sockets.h"

enum {
	CALLS = 2000,
	ROUNDS = 7,
	PORT = 7001,
};

enum timed {
	BIND,
	GETSOCKNAME,
	CONNECT_BOUND,
	CONNECT,
	CONNECT_NONBLOCKING,
	LISTEN,
	BIND_EXPLICIT,
	GETPEERNAME,
	TIMED
};

static const char *const timed_names[TIMED] = {
	"bind, port 0",		 "getsockname after it", "connect after bind",	    "connect, not bound",
	"connect, non-blocking", "listen, port 0",	 "bind, a port of its own", "getpeername (passes)",
};

enum way {
	STOCK,
	BERTH,
	WAYS
};

/* ---- the process that is measured ---- */

/* Makes one socket ready for the call, times the call, and takes all down again. */
static double time_one(enum timed timed, int listener, unsigned number)
{
	struct sockaddr_in any = loopback(1, 0), to = loopback(1, PORT), own = loopback(1, 10000 + number);
	struct sockaddr_in name;
	socklen_t length = sizeof(name);
	int flags = timed == CONNECT_NONBLOCKING ? SOCK_NONBLOCK : 0, result = 0;
	int fd = check(socket(AF_INET, SOCK_STREAM | flags, 0), "socket");
	bool connects = timed == CONNECT_BOUND || timed == CONNECT || timed == CONNECT_NONBLOCKING;
	double begun;

	if (timed == GETSOCKNAME || timed == CONNECT_BOUND || timed == LISTEN)
		check(bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
	begun = now_us();
	if (timed == BIND)
		result = bind(fd, (struct sockaddr *)&any, sizeof(any));
	else if (timed == BIND_EXPLICIT)
		result = bind(fd, (struct sockaddr *)&own, sizeof(own));
	else if (timed == GETSOCKNAME)
		result = getsockname(fd, (struct sockaddr *)&name, &length);
	else if (timed == LISTEN)
		result = listen(fd, 1);
	else if (timed == GETPEERNAME)
		getpeername(fd, (struct sockaddr *)&name, &length);
	else
		result = connect(fd, (struct sockaddr *)&to, sizeof(to));
	begun = now_us() - begun;
	if (result < 0 && errno != EINPROGRESS)
		fail(timed_names[timed]);
	if (connects)
		close(check(accept(listener, NULL, NULL), "accept"));
	abort_connection(fd);
	return begun;
}

/* Prints the median of each kind, one a line. */
static int measure(void)
{
	static double times[CALLS];
	struct sockaddr_in address = loopback(1, PORT);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket"), on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	check(listen(listener, 16), "listen");
	for (enum timed timed = 0; timed < TIMED; timed++) {
		for (unsigned i = 0; i < CALLS; i++)
			times[i] = time_one(timed, listener, i);
		printf("%.3f\n", median(times, CALLS));
	}
	return 0;
}

/* ---- the one that measures ---- */

static const char *self, *berth;

/* Runs measure() in a process of its own and reads its lines. */
static void run_round(enum way way, double result[TIMED])
{
	int pipe_fds[2], status;
	FILE *lines;
	pid_t pid;

	check(pipe2(pipe_fds, O_CLOEXEC), "pipe");
	pid = check(fork(), "fork");
	if (pid == 0) {
		dup2(pipe_fds[1], STDOUT_FILENO);
		if (way == BERTH)
			execl(berth, berth, "run", "--mode=supervise", "--", self, "--measure", NULL);
		else
			execl(self, self, "--measure", NULL);
		fail(way == BERTH ? berth : self);
	}
	close(pipe_fds[1]);
	lines = fdopen(pipe_fds[0], "r");
	for (enum timed timed = 0; timed < TIMED; timed++) {
		char line[64];

		result[timed] = lines && fgets(line, sizeof(line), lines) ? strtod(line, NULL) : 0;
	}
	if (lines)
		fclose(lines);
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "bench/supervise: the measured process failed\n");
		exit(1);
	}
}

static void run_rounds(double result[WAYS][TIMED])
{
	static double rounds[WAYS][TIMED][ROUNDS];
	double one[TIMED];

	for (int round = 0; round < ROUNDS; round++) {
		for (enum way way = STOCK; way < WAYS; way++) {
			run_round(way, one);
			for (enum timed timed = 0; timed < TIMED; timed++)
				rounds[way][timed][round] = one[timed];
		}
	}
	for (enum way way = STOCK; way < WAYS; way++)
		for (enum timed timed = 0; timed < TIMED; timed++)
			result[way][timed] = median(rounds[way][timed], ROUNDS);
}

static void print_table(const char *title, double result[WAYS][TIMED])
{
	printf("%s\n  %-26s %10s %10s %10s %8s\n", title, "p50, microseconds", "stock", "Berth", "added",
	       "ratio");
	for (enum timed timed = 0; timed < TIMED; timed++)
		printf("  %-26s %10.2f %10.2f %10.2f %7.1fx\n", timed_names[timed], result[STOCK][timed],
		       result[BERTH][timed], result[BERTH][timed] - result[STOCK][timed],
		       result[BERTH][timed] / result[STOCK][timed]);
}

static void print_json(unsigned sockets, double result[WAYS][TIMED], bool last)
{
	printf(" {\"sockets\": %u, \"unit\": \"us\", \"p50\": {", sockets);
	for (enum timed timed = 0; timed < TIMED; timed++)
		printf("%s\n  \"%s\": {\"stock\": %.3f, \"berth\": %.3f, \"added\": %.3f}", timed ? "," : "",
		       timed_names[timed], result[STOCK][timed], result[BERTH][timed],
		       result[BERTH][timed] - result[STOCK][timed]);
	printf("}}%s\n", last ? "" : ",");
}

int main(int argc, char **argv)
{
	double empty[WAYS][TIMED], full[WAYS][TIMED];
	bool json;

	if (argc == 2 && strcmp(argv[1], "--measure") == 0)
		return measure();
	json = wants_json(argc, argv);
	self = find_self();
	berth = find_berth();
	enter_namespace();
	run_rounds(empty);
	fill_host(PORT + 1);
	run_rounds(full);
	if (json) {
		puts("[");
		print_json(0, empty, false);
		print_json(2 * HOLDERS * HELD, full, true);
		puts("]");
	} else {
		print_table("what supervise adds to a call", empty);
		print_table("the same on a host with 100,000 other sockets", full);
	}
	return 0;
}
