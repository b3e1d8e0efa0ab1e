/* SPDX-License-Identifier: MIT
 *
 * What kernel mode costs where nothing is scarce, and what bench/grid is too small for: 225,856 connections, TIME_WAIT, memory.
 *
 *	build/bench/kernel [--json[=FILE]] [--quick|--smoke]
 *
 * Needs root. Each part is measured by a new process in new network namespaces (kernel_worker.h), on one side and then on the
 * other, round by round. During a round of stock Linux nothing of kernel mode is attached by us: its tracepoint sees the whole
 * machine. A number is the median of the rounds, in brackets the least and the greatest; a ratio is that of two numbers that
 * were measured by turns. BERTH names another binary than the one beside this one.
 */
#include "bench/kernel_worker.h"
#include "bench/report.h"

#define ROUNDS_MAX 9
#define NUMBERS	   3

enum part {
	ADDED,
	TUPLES,
	CLOSED,
	MEMORY,
	PARTS
};

enum side {
	STOCK,
	KERNEL,
	SIDES
};

static const struct {
	const char *name;
	void (*measure)(void);
	unsigned numbers, rounds;
	bool stock;  /* there is something to measure on stock Linux */
	bool itself; /* attaches the hooks itself */
} parts[PARTS] = {
	[ADDED] = { "added", measure_added, 3, ROUNDS_MAX, false, true },
	[TUPLES] = { "tuples", measure_tuples, 2, 3, false, false },
	[CLOSED] = { "closed", measure_closed, 1, 1, true, false },
	[MEMORY] = { "memory", measure_memory, 1, 1, false, false },
};

static double measured[PARTS][SIDES][NUMBERS][ROUNDS_MAX];
static enum effort effort;

/* ---- measuring ---- */

static int work(const char *name, const char *number)
{
	load = &worker_loads[atoi(number)];
	allow_files(4 * HELD_MAX);
	pin_to_last_cpus(1);
	for (enum part part = 0; part < PARTS; part++)
		if (strcmp(name, parts[part].name) == 0)
			parts[part].measure();
	return 0;
}

/* Ends when there is no child left: who holds connections, or the hooks, is ours, too, when its parents have ended. */
static void wait_for_all(pid_t worker)
{
	int status = 0, of_other;

	waitpid(worker, &status, 0);
	while (wait(&of_other) > 0)
		;
	if (status == 0)
		return;
	fprintf(stderr, "bench/kernel: the measured process failed\n");
	exit(1);
}

static void run_round(enum part part, enum side side, unsigned round)
{
	const char *name = parts[part].name, *self = find_self(), *berth = find_berth();
	char number[16];
	int ends[2];
	FILE *numbers;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", effort);
	check(pipe2(ends, O_CLOEXEC), "pipe");
	pid = fork_child(SIGTERM);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		if (side == STOCK || parts[part].itself)
			execl(self, self, "--work", name, number, NULL);
		else
			execl(berth, berth, "run", "--mode=kernel", "--", self, "--work", name, number, NULL);
		fail(berth);
	}
	close(ends[1]);
	numbers = fdopen(ends[0], "r");
	for (unsigned i = 0; i < parts[part].numbers; i++)
		if (fscanf(numbers, "%lf", &measured[part][side][i][round]) != 1)
			fail("the measured process ended early");
	fclose(numbers);
	wait_for_all(pid);
}

static unsigned rounds_of(enum part part)
{
	return effort == EFFORT_FULL ? parts[part].rounds : 1;
}

static void run_part(enum part part)
{
	for (unsigned round = 0; round < rounds_of(part); round++) {
		say_progress("%s, round %u of %u", parts[part].name, round + 1, rounds_of(part));
		if (parts[part].stock)
			run_round(part, STOCK, round);
		run_round(part, KERNEL, round);
	}
	end_progress();
}

/* ---- the report ---- */

static struct report report;

static void add_values(const char *name, const char *side, double fill, const double *values, enum part part,
		       const char *unit, const char *note)
{
	struct report_row row = { name, side, fill, NAN, NULL, 0, 0, 0, unit, note };
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, rounds_of(part) * sizeof(*values));
	row.median = median(sorted, rounds_of(part));
	row.least = sorted[0];
	row.greatest = sorted[rounds_of(part) - 1];
	report_add(&report, &row);
}

static void scale(double values[ROUNDS_MAX], double by)
{
	for (unsigned i = 0; i < ROUNDS_MAX; i++)
		values[i] *= by;
}

static void make_report(void)
{
	double(*added)[ROUNDS_MAX] = measured[ADDED][KERNEL],
	(*tuples)[ROUNDS_MAX] = measured[TUPLES][KERNEL];
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < ROUNDS_MAX; i++)
		ratios[i] = tuples[0][i] / tuples[1][i];
	scale(added[0], 1e3);
	scale(added[1], 1e3);
	scale(measured[MEMORY][KERNEL][0], 1.0 / (1 << 20));
	add_values("connect() on an empty range: p50", "stock", NAN, added[1], ADDED, "ns", NULL);
	add_values("connect() on an empty range: p50", "kernel", NAN, added[0], ADDED, "ns", NULL);
	add_values("connect() on an empty range: p50 against stock", "kernel", NAN, added[2], ADDED, "x",
		   "at most 1.05 is asked");
	add_values("8 destinations: connections a second", "kernel", 0, tuples[1], TUPLES, "1/s", NULL);
	add_values("8 destinations: connections a second", "kernel", 99, tuples[0], TUPLES, "1/s", NULL);
	add_values("8 destinations: connections a second against an empty range", "kernel", 99, ratios,
		   TUPLES, "x", "at least 0.95 is asked");
	for (enum side side = 0; side < SIDES; side++)
		add_values("4 destinations, bind(0) + connect() and close, three times the ports: failed",
			   side == STOCK ? "stock" : "kernel", NAN, measured[CLOSED][side][0], CLOSED,
			   "calls", side == STOCK ? NULL : "0 is asked");
	add_values("memory of the maps", "kernel", NAN, measured[MEMORY][KERNEL][0], MEMORY, "MiB",
		   "at most 32 is asked");
}

int main(int argc, char **argv)
{
	struct bench_options options;

	if (argc == 4 && strcmp(argv[1], "--work") == 0)
		return work(argv[2], argv[3]);
	options = take_options(argc, argv);
	effort = options.effort;
	need_root();
	check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	for (enum part part = 0; part < PARTS; part++)
		run_part(part);
	make_report();
	report_finish(&report, "kernel", &options);
	return 0;
}
