/* SPDX-License-Identifier: MIT
 *
 * What kernel mode costs: stock Linux against `berth run --mode=kernel`, in one run.
 *
 *	build/bench/kernel [--json]
 *
 * Needs root. Each part is measured by a new process in new network namespaces (kernel_worker.h), on one side and then on the
 * other, round by round. During a round of stock Linux nothing of kernel mode is attached by us: its tracepoint sees the whole
 * machine. A number is the median of the rounds, in brackets the least and the greatest; a ratio is that of two numbers that
 * were measured by turns. BERTH names another binary than the one beside this one.
 */
#include <jansson.h>

#include "bench/bench.h"
#include "bench/kernel_worker.h"

#define ROUNDS_MAX 9
#define NUMBERS	   16

enum part {
	CONNECT,
	BOUND,
	ADDED,
	TUPLE,
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
	[CONNECT] = { "connect", measure_fills, NUMBERS, 3, true, false },
	[BOUND] = { "bound", measure_bound_fills, NUMBERS, 2, true, false },
	[ADDED] = { "added", measure_added, 3, ROUNDS_MAX, false, true },
	[TUPLE] = { "tuples", measure_tuples, 2, 3, false, false },
	[CLOSED] = { "closed", measure_closed, 1, 1, true, false },
	[MEMORY] = { "memory", measure_memory, 1, 1, false, false },
};

/* What measure_fills() prints: a pair for each fill, and one more. */
#define AT(fill) (2 * (fill))
#define AT_99	 AT(5)
#define AT_99_9	 AT(6)
#define FAILING	 AT(FILLS)
_Static_assert(FAILING + 2 == NUMBERS, "pairs");

static double measured[PARTS][SIDES][NUMBERS][ROUNDS_MAX];

/* ---- measuring ---- */

static int work(const char *name)
{
	allow_files(4 * HELD_MAX);
	pin_to_last_cpu();
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
	int ends[2];
	FILE *numbers;
	pid_t pid;

	check(pipe2(ends, O_CLOEXEC), "pipe");
	pid = check(fork(), "fork");
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		if (side == STOCK || parts[part].itself)
			execl(self, self, "--work", name, NULL);
		else
			execl(berth, berth, "run", "--mode=kernel", "--", self, "--work", name, NULL);
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

static void run_part(enum part part)
{
	for (unsigned round = 0; round < parts[part].rounds; round++) {
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r\033[K%s, round %u of %u", parts[part].name, round + 1,
				parts[part].rounds);
		if (parts[part].stock)
			run_round(part, STOCK, round);
		run_round(part, KERNEL, round);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* ---- summing up ---- */

struct summary {
	double median, least, greatest;
};

static struct summary sum_up(const double *values, unsigned count)
{
	double sorted[ROUNDS_MAX] = { 0 };

	memcpy(sorted, values, count * sizeof(*values));
	return (struct summary){ median(sorted, count), sorted[0], sorted[count - 1] };
}

static struct summary number(enum part part, enum side side, unsigned which)
{
	return sum_up(measured[part][side][which], parts[part].rounds);
}

/* Of two numbers of the same rounds. */
static struct summary ratio(enum part part, enum side side, unsigned which, unsigned to)
{
	double ratios[ROUNDS_MAX] = { 0 };

	for (unsigned round = 0; round < parts[part].rounds; round++)
		ratios[round] = measured[part][side][which][round] / measured[part][side][to][round];
	return sum_up(ratios, parts[part].rounds);
}

/* One line of what was promised. */
struct promise {
	const char *what, *unit;
	struct summary stock, kernel;
	double bound;
	bool at_least, no_stock;
};

#define PROMISES 9

static void make_promises(struct promise promises[PROMISES])
{
	const struct summary none = { 0, 0, 0 };
	const double mebi = 1 << 20;
	struct summary bytes = number(MEMORY, KERNEL, 0);

#define FLAT(part, which) ratio(part, STOCK, which, (which) + 1), ratio(part, KERNEL, which, (which) + 1)
#define FAILS		  ratio(CONNECT, STOCK, FAILING, AT_99_9 + 1), ratio(CONNECT, KERNEL, FAILING, AT_99_9 + 1)
	const struct promise all[PROMISES] = {
		{ "connect() at 99 % / on an empty range", "x", FLAT(CONNECT, AT_99), 1.1, 0, 0 },
		{ "connect() at 99.9 % / on an empty range", "x", FLAT(CONNECT, AT_99_9), 1.1, 0, 0 },
		{ "the same with bind(addr, 0) first, 99 %", "x", FLAT(BOUND, AT_99), 1.2, 0, 0 },
		{ "the same with bind(addr, 0) first, 99.9 %", "x", FLAT(BOUND, AT_99_9), 1.2, 0, 0 },
		{ "connect() that must fail / that succeeds", "x", FAILS, 3, 0, 0 },
		{ "connect() on an empty range / stock", "x", none, number(ADDED, KERNEL, 2), 1.05, 0, true },
		{ "99 % of 225,856 tuples: churn / empty range", "x", none, ratio(TUPLE, KERNEL, 0, 1), 0.95,
		  true, true },
		{ "bind(0) + connect, 3000 closed: fail", "", number(CLOSED, STOCK, 0),
		  number(CLOSED, KERNEL, 0), 0, 0, 0 },
		{ "memory of the maps",
		  "MiB",
		  none,
		  { bytes.median / mebi, bytes.least / mebi, bytes.greatest / mebi },
		  32,
		  0,
		  true },
	};
#undef FAILS
#undef FLAT
	memcpy(promises, all, sizeof(all));
}

/* ---- for people ---- */

static void print_summary(struct summary summary)
{
	char spread[64];

	snprintf(spread, sizeof(spread), "(%.2f-%.2f)", summary.least, summary.greatest);
	printf(" %9.2f %-20s", summary.median, spread);
}

static void print_fills(enum part part, const char *title)
{
	printf("%s: p50 in microseconds, by how many of a destination's %u ports are taken\n", title, PORTS);
	printf("  %-24s %9s %20s %9s\n", "", "stock", "", "kernel mode");
	for (unsigned i = 0; i <= FILLS; i++) {
		printf("  %-5g %-18s", i < FILLS ? fills[i] : 100, i < FILLS ? "%" : "%, fails");
		print_summary(number(part, STOCK, AT(i)));
		print_summary(number(part, KERNEL, AT(i)));
		putchar('\n');
	}
	printf("  %-24s", "100   %, fails: mean");
	print_summary(number(part, STOCK, FAILING + 1));
	print_summary(number(part, KERNEL, FAILING + 1));
	putchar('\n');
}

static void print_promises(void)
{
	struct promise promises[PROMISES];

	make_promises(promises);
	printf("%-46s %9s %20s %9s %21s %s\n", "what was asked", "stock", "", "kernel", "", "asked");
	for (unsigned i = 0; i < PROMISES; i++) {
		const struct promise *promise = &promises[i];

		printf("%-46s", promise->what);
		if (promise->no_stock)
			printf(" %9s %20s", "-", "");
		else
			print_summary(promise->stock);
		print_summary(promise->kernel);
		printf(" at %s %g %s\n", promise->at_least ? "least" : "most", promise->bound, promise->unit);
	}
}

static void print_tables(void)
{
	print_fills(CONNECT, "connect()");
	print_fills(BOUND, "bind(addr, 0) and connect()");
	print_promises();
}

/* ---- for programs ---- */

static json_t *summary_json(struct summary summary)
{
	return json_pack("{s:f, s:f, s:f}", "median", summary.median, "least", summary.least, "greatest",
			 summary.greatest);
}

static json_t *fills_json(enum part part)
{
	json_t *all = json_array(), *last;

	for (unsigned i = 0; i <= FILLS; i++)
		json_array_append_new(all, json_pack("{s:f, s:b, s:o, s:o}", "filled_percent",
						     i < FILLS ? fills[i] : 100.0, "fails", i == FILLS,
						     "stock_us", summary_json(number(part, STOCK, AT(i))),
						     "kernel_us", summary_json(number(part, KERNEL, AT(i)))));
	last = json_array_get(all, FILLS);
	json_object_set_new(last, "stock_mean_us", summary_json(number(part, STOCK, FAILING + 1)));
	json_object_set_new(last, "kernel_mean_us", summary_json(number(part, KERNEL, FAILING + 1)));
	return all;
}

static void print_json(void)
{
	struct promise promises[PROMISES];
	json_t *asked = json_array(), *all;

	make_promises(promises);
	for (unsigned i = 0; i < PROMISES; i++)
		json_array_append_new(
			asked, json_pack("{s:s, s:s, s:o, s:o, s:f}", "what", promises[i].what, "unit",
					 promises[i].unit, "stock",
					 promises[i].no_stock ? json_null() : summary_json(promises[i].stock),
					 "kernel", summary_json(promises[i].kernel),
					 promises[i].at_least ? "at_least" : "at_most", promises[i].bound));
	all = json_pack("{s:o, s:o, s:o}", "connect", fills_json(CONNECT), "bind_and_connect",
			fills_json(BOUND), "asked", asked);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

int main(int argc, char **argv)
{
	bool json;

	if (argc == 3 && strcmp(argv[1], "--work") == 0)
		return work(argv[2]);
	json = wants_json(argc, argv);
	need_root();
	check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	for (enum part part = 0; part < PARTS; part++)
		run_part(part);
	if (json)
		print_json();
	else
		print_tables();
	return 0;
}
