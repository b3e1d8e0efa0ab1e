/* SPDX-License-Identifier: MIT
 *
 * What `berth run --mode=supervise` adds to a call, and that a host with many sockets does not make it more.
 *
 *	build/bench/supervise [--json[=FILE]] [--quick|--smoke]
 *
 * The same calls are timed in a process of its own on stock Linux and under Berth, in turn, all in one network
 * namespace; a time is the median of 2,000 calls, and of that the median of seven rounds. Then again with
 * 100,000 sockets of others in the namespace. BERTH names another binary than the one beside this one.
 */
#include "bench/many_sockets.h"
#include "bench/report.h"

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
static int measure(unsigned calls)
{
	static double times[CALLS];
	struct sockaddr_in address = loopback(1, PORT);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket"), on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	check(listen(listener, 16), "listen");
	for (enum timed timed = 0; timed < TIMED; timed++) {
		for (unsigned i = 0; i < calls; i++)
			times[i] = time_one(timed, listener, i);
		printf("%.3f\n", median(times, calls));
	}
	return 0;
}

/* ---- the one that measures ---- */

static const struct load {
	unsigned rounds;
	const char *calls;
	unsigned held; /* sockets of others, by each holder */
} loads[] = {
	[EFFORT_FULL] = { ROUNDS, "2000", HELD },
	[EFFORT_QUICK] = { 3, "500", HELD / 5 },
	[EFFORT_SMOKE] = { 1, "5", 10 },
};

static const char *self, *berth;
static const struct load *load;
static struct report report;

/* Runs measure() in a process of its own and reads its lines. */
static void run_round(enum way way, double result[TIMED])
{
	int pipe_fds[2], status;
	FILE *lines;
	pid_t pid;

	check(pipe2(pipe_fds, O_CLOEXEC), "pipe");
	pid = fork_child(SIGKILL);
	if (pid == 0) {
		dup2(pipe_fds[1], STDOUT_FILENO);
		if (way == BERTH)
			execl(berth, berth, "run", "--mode=supervise", "--", self, "--measure", load->calls,
			      NULL);
		else
			execl(self, self, "--measure", load->calls, NULL);
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

static void add_row(enum timed timed, const char *side, unsigned sockets, double values[ROUNDS])
{
	double middle = median(values, load->rounds); /* sorts them */

	report_add(&report, &(struct report_row){ timed_names[timed], side, NAN, sockets, "other sockets",
						  middle, values[0], values[load->rounds - 1], "ns", NULL });
}

static void run_rounds(unsigned sockets)
{
	static double rounds[WAYS][TIMED][ROUNDS], added[TIMED][ROUNDS];
	double one[TIMED];

	for (unsigned round = 0; round < load->rounds; round++)
		for (enum way way = STOCK; way < WAYS; way++) {
			say_progress("%u other sockets, round %u", sockets, round + 1);
			run_round(way, one);
			for (enum timed timed = 0; timed < TIMED; timed++)
				rounds[way][timed][round] = one[timed] * 1e3;
		}
	end_progress();
	for (enum timed timed = 0; timed < TIMED; timed++) {
		for (unsigned i = 0; i < load->rounds; i++)
			added[timed][i] = rounds[BERTH][timed][i] - rounds[STOCK][timed][i];
		add_row(timed, "stock", sockets, rounds[STOCK][timed]);
		add_row(timed, "supervise", sockets, rounds[BERTH][timed]);
		add_row(timed, "added", sockets, added[timed]);
	}
}

int main(int argc, char **argv)
{
	struct bench_options options;

	if (argc == 3 && strcmp(argv[1], "--measure") == 0)
		return measure((unsigned)atoi(argv[2]));
	options = take_options(argc, argv);
	load = &loads[options.effort];
	self = find_self();
	berth = find_berth();
	enter_namespace();
	run_rounds(0);
	fill_host(PORT + 1, load->held);
	run_rounds(2 * HOLDERS * load->held);
	report_finish(&report, "supervise", &options);
	return 0;
}
