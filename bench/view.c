/* SPDX-License-Identifier: MIT
 *
 * What a look at the port space costs on a host with 100,000 sockets: the CPU time, user and system, of a whole process.
 *
 *	build/bench/view [--json[=FILE]] [--quick|--smoke]
 *
 * Half of the sockets are in the port range; the other half, the far ends, are not. Medians of ROUNDS processes. BERTH
 * names another binary than the one beside this one.
 */
#include "bench/many_sockets.h"
#include "bench/report.h"

enum {
	ROUNDS = 15,
	PORT = 7001,
};

static const char *berth;

static const struct {
	const char *title;
	const char *argument[5];
} rows[] = {
	{ "an empty run (berth --version)", { "--version" } },
	{ "berth status", { "status" } },
	{ "berth status --json", { "status", "--json" } },
	{ "berth status --interval=0.1, two looks", { "status", "--interval=0.1" } },
	{ "berth explain --interval=0", { "explain", "--interval=0", "127.0.0.2:7001" } },
	{ "berth map", { "map" } },
	{ "the same sockets, ss -tan", { NULL } },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static double cpu_ms(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

/* CPU time of one process that does what the row says. */
static double run_once(size_t row)
{
	struct rusage usage;
	int status;
	pid_t pid = check(fork(), "fork");

	if (pid == 0) {
		char *arguments[6] = { (char *)berth };

		for (unsigned i = 0; i < 5; i++)
			arguments[i + 1] = (char *)rows[row].argument[i];
		dup2(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"), STDOUT_FILENO);
		if (rows[row].argument[0])
			execv(berth, arguments);
		else
			execlp("ss", "ss", "-tan", NULL);
		fail(rows[row].title);
	}
	if (wait4(pid, &status, 0, &usage) != pid || status != 0) {
		fprintf(stderr, "bench/view: %s failed\n", rows[row].title);
		exit(1);
	}
	return cpu_ms(&usage);
}

int main(int argc, char **argv)
{
	const unsigned held[] = { [EFFORT_FULL] = HELD, [EFFORT_QUICK] = HELD / 5, [EFFORT_SMOKE] = 10 };
	const unsigned rounds[] = { [EFFORT_FULL] = ROUNDS, [EFFORT_QUICK] = 5, [EFFORT_SMOKE] = 1 };
	const struct bench_options options = take_options(argc, argv);
	static struct report report;
	double times[ROUNDS], middle;
	unsigned count = rounds[options.effort], sockets = 2 * HOLDERS * held[options.effort];

	berth = find_berth();
	enter_namespace();
	fill_host(PORT, held[options.effort]);
	for (size_t row = 0; row < ROWS; row++) {
		for (unsigned round = 0; round < count; round++)
			times[round] = run_once(row);
		middle = median(times, count);
		report_add(&report, &(struct report_row){ "CPU time of a look at all sockets",
							  rows[row].title, NAN, sockets, "sockets", middle,
							  times[0], times[count - 1], "ms", NULL });
	}
	report_finish(&report, "view", &options);
	return 0;
}
