/* SPDX-License-Identifier: MIT
 *
 * What programs outside of Berth notice of kernel mode: a port that eBPF has bound is skipped by the kernel's own choice, as
 * long as the socket lives or is in TIME_WAIT. A holder keeps a part of the range connected to one destination, or in TIME_WAIT
 * with it, on stock Linux and in kernel mode, and somebody outside connects to another destination.
 *
 *	build/bench/outsiders [--json[=FILE]] [--quick|--smoke]
 *
 * Needs root. All of it is in a network namespace of its own, over loopback, with a range of 4,000 ports: stock Linux
 * fills a larger one slowly, and keeps only so many connections in TIME_WAIT (tcp_max_tw_buckets). The time is that of
 * connect() alone, whether it succeeds or not; each connection is closed at once, with a reset.
 */
#include <sys/epoll.h>

#include "bench/report.h"

#define PORTS	    4000u /* at most */
#define FIRST_PORT  32768u
#define HELD_PORT   7001
#define OTHERS_PORT 7002
#define SAMPLES	    300u

static const struct fill {
	unsigned percent;
	const char *state;
} fills[] = { { 0, "live" },  { 50, "live" },	   { 90, "live" },
	      { 99, "live" }, { 99, "TIME_WAIT" }, { 100, "TIME_WAIT" } };
#define FILLS (sizeof(fills) / sizeof(fills[0]))

/* Ports in the range, and connections by which is measured. */
static const struct load {
	unsigned ports, samples;
} loads[] = {
	[EFFORT_FULL] = { PORTS, SAMPLES }, [EFFORT_QUICK] = { 1000, SAMPLES }, [EFFORT_SMOKE] = { 100, 20 }
};
static const struct load *load = loads;

struct measured {
	double succeeded_percent, median_ns;
};

static int try_connect(int fd, unsigned port)
{
	struct sockaddr_in to = loopback(1, port);

	return connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

/* ---- the holder, a process of its own: reads how many and in which state, and says when it has them ---- */

static int holder(void)
{
	static int fds[PORTS];
	unsigned held = 0, wanted;
	char state[16];

	allow_files(2 * PORTS);
	while (scanf("%u %15s", &wanted, state) == 2) {
		for (; held < wanted; held++) {
			fds[held] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (try_connect(fds[held], HELD_PORT) < 0)
				fail("the holder's connect");
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
	fail("the server");
}

static pid_t start_server(unsigned port)
{
	const struct sockaddr_in at = loopback(1, port);
	int fd = start_listener((const struct sockaddr *)&at, sizeof(at));
	pid_t pid;

	pid = fork_child(SIGKILL);
	if (pid == 0) {
		allow_files(2 * PORTS);
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

static struct measured measure(void)
{
	unsigned succeeded = 0;
	double samples[SAMPLES];

	for (unsigned i = 0; i < load->samples; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		double start = now_us();

		succeeded += try_connect(fd, OTHERS_PORT) == 0;
		samples[i] = now_us() - start;
		abort_connection(fd);
	}
	return (struct measured){ 100.0 * succeeded / load->samples, median(samples, load->samples) * 1e3 };
}

static void run_side(char *const argv[], struct measured *ret_measured)
{
	pid_t pid, servers[2];
	int to[2], from[2];
	char said[16], range[32];
	FILE *out, *in;

	enter_namespace();
	snprintf(range, sizeof(range), "%u %u", FIRST_PORT, FIRST_PORT + load->ports - 1);
	set_port_range(range);
	servers[0] = start_server(HELD_PORT);
	servers[1] = start_server(OTHERS_PORT);
	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		fail("the holder");
	pid = fork_child(SIGKILL);
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execv(argv[0], argv);
		fail(argv[0]);
	}
	close(to[0]);
	close(from[1]);
	out = fdopen(to[1], "w");
	in = fdopen(from[0], "r");
	for (size_t i = 0; i < FILLS; i++) {
		fprintf(out, "%u %s\n", load->ports / 100 * fills[i].percent, fills[i].state);
		fflush(out);
		if (!fgets(said, sizeof(said), in))
			fail("the holder has ended");
		ret_measured[i] = measure();
	}
	fclose(out);
	fclose(in);
	end(servers[0]);
	end(servers[1]);
	/* Until there is no child left: who has attached the hooks is ours, too, when the holder has ended. */
	while (wait(NULL) > 0)
		;
}

/* "Outside" is a program that Berth does not steer. */
#define CONNECTS "outside, to another destination than that of connections which "

/* The rows of one state in which the held connections are. */
static void add_state(struct report *report, const char *state, const struct measured *stock,
		      const struct measured *steered)
{
	const char *names[2] = { strcmp(state, "live") == 0 ? CONNECTS "live: succeeded"
							    : CONNECTS "are in TIME_WAIT: succeeded",
				 strcmp(state, "live") == 0 ? CONNECTS "live: p50"
							    : CONNECTS "are in TIME_WAIT: p50" };

	for (size_t i = 0; i < FILLS; i++) {
		const struct measured *sides[2] = { &stock[i], &steered[i] };

		for (int side = 0; side < 2 && strcmp(fills[i].state, state) == 0; side++) {
			const char *who = side == 0 ? "stock" : "kernel";
			double percent = sides[side]->succeeded_percent, ns = sides[side]->median_ns;

			report_add(report, &(struct report_row){ names[0], who, fills[i].percent, NAN, NULL,
								 percent, percent, percent, "%", NULL });
			report_add(report, &(struct report_row){ names[1], who, fills[i].percent, NAN, NULL,
								 ns, ns, ns, "ns", NULL });
		}
	}
}

int main(int argc, char **argv)
{
	static struct report report;
	struct measured stock[FILLS], steered[FILLS];
	char *self = find_self(), *berth = find_berth();
	struct bench_options options;

	if (argc == 2 && strcmp(argv[1], "--holder") == 0)
		return holder();
	options = take_options(argc, argv);
	load = &loads[options.effort];
	need_root();
	check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	run_side((char *[]){ self, "--holder", NULL }, stock);
	run_side((char *[]){ berth, "run", "--mode=kernel", "--", self, "--holder", NULL }, steered);
	add_state(&report, "live", stock, steered);
	add_state(&report, "TIME_WAIT", stock, steered);
	report_finish(&report, "outsiders", &options);
	return 0;
}
