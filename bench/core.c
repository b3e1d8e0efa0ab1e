/* SPDX-License-Identifier: MIT
 *
 * What the core costs: a pick by how full the range is, connections in TIME_WAIT by the million, memory.
 *
 *	build/bench/core [--json]
 *
 * Each time is processor time, the median of nine rounds, and the fastest beside it: on a machine that others
 * use too, the fastest is nearer to what the code costs. All memory has the advice MADV_HUGEPAGE and was touched before.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/berth.h"

#define FIRST  32768u
#define LAST   60999u
#define PORTS  (LAST - FIRST + 1)
#define ROUNDS 9u
#define PICKS  200000u
#define MANY   10000000u
#define SECOND 1000000000ull

struct result {
	const char *what;
	double fill; /* percent of the ports in use; -1: not about a range */
	double median;
	double best;
	const char *unit;
};

static struct result results[32];
static unsigned result_count;

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void *map(size_t bytes)
{
	const size_t huge = 2 << 20;
	char *memory = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("bench/core: mmap");
		exit(1);
	}
	memory += huge - (uintptr_t)memory % huge;
	madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, double fill, double *rounds, const char *unit)
{
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	results[result_count++] = (struct result){ what, fill, rounds[ROUNDS / 2], rounds[0], unit };
}

static void report_one(const char *what, double value, const char *unit)
{
	results[result_count++] = (struct result){ what, -1, value, value, unit };
}

static struct berth_endpoint destination(uint32_t n)
{
	return (struct berth_endpoint){ berth_address_v4(0x0a000000 + n), 443 };
}

/* Takes ports towards one destination until percent of all are in use. */
static void fill(struct berth_space *space, const struct berth_endpoint *towards, double percent)
{
	struct berth_destination_counts counts;
	unsigned port;

	berth_space_count_destination(space, towards, &counts);
	while (counts.live++ < PORTS * percent / 100)
		if (berth_verdict_has_port(berth_space_pick(space, towards, 0, &port)))
			berth_space_connect(space, port, towards, 0);
}

static void time_picks(struct berth_space *space, const struct berth_endpoint *towards, const char *what,
		       enum berth_verdict wanted, double percent)
{
	double rounds[ROUNDS];

	for (unsigned r = 0; r < ROUNDS; r++) {
		uint64_t start = cpu_ns();

		for (unsigned i = 0; i < PICKS; i++) {
			unsigned port;

			if (berth_space_pick(space, towards, 0, &port) != wanted) {
				fprintf(stderr, "bench/core: a pick was not %s\n",
					berth_verdict_name(wanted));
				exit(1);
			}
		}
		rounds[r] = (double)(cpu_ns() - start) / PICKS;
	}
	report(what, percent, rounds, "ns");
}

static void bench_picks(void)
{
	static const double percents[] = { 0, 50, 90, 99, 99.9 };
	const struct berth_space_limits limits = { .destinations = 1000, .bitmaps = 4, .time_wait = 100000 };
	const uint8_t key[BERTH_SEED_BYTES] = { 1 };
	struct berth_endpoint a = destination(1), b = destination(2);
	size_t bytes = berth_space_size(&limits);
	struct berth_space *space = berth_space_init(map(bytes), bytes, &limits, key);

	berth_space_set_range(space, FIRST, LAST, NULL);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fill(space, &a, percents[i]);
		time_picks(space, &a, "pick, fresh", BERTH_FRESH, percents[i]);
	}
	fill(space, &a, 100);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fill(space, &b, percents[i]);
		time_picks(space, &b, "pick, shared", BERTH_SHARED, percents[i]);
	}
	time_picks(space, &a, "pick, exhausted", BERTH_EXHAUSTED, 100);
	for (unsigned port = FIRST; port <= LAST; port++)
		berth_space_close(space, port, &a, 0);
	time_picks(space, &a, "pick, waiting", BERTH_WAITING, 100);
}

/* Connections to 4,000 destinations, 3 ms apart and closed at once: 40,000 are in TIME_WAIT, and for each new
 * one the oldest leaves. */
static void bench_lives(void)
{
	const struct berth_space_limits limits = { .destinations = 5000, .bitmaps = 1, .time_wait = 50000 };
	const uint8_t key[BERTH_SEED_BYTES] = { 1 };
	const uint64_t step = 3 * SECOND / 1000;
	size_t bytes = berth_space_size(&limits);
	struct berth_space *space = berth_space_init(map(bytes), bytes, &limits, key);
	double rounds[ROUNDS];
	uint64_t now = 0;
	uint32_t n = 0;

	berth_space_set_range(space, FIRST, LAST, NULL);
	for (int r = -1; r < (int)ROUNDS; r++) {
		uint64_t start = cpu_ns();

		for (unsigned i = 0; i < PICKS; i++) {
			struct berth_endpoint towards = destination(n++ % 4000);
			unsigned port;

			now += step;
			if (!berth_verdict_has_port(berth_space_pick(space, &towards, now, &port)) ||
			    berth_space_connect(space, port, &towards, now) != BERTH_CONNECTED ||
			    !berth_space_close(space, port, &towards, now)) {
				fprintf(stderr, "bench/core: a connection could not be made\n");
				exit(1);
			}
		}
		/* The first round only fills. */
		if (r >= 0)
			rounds[r] = (double)(cpu_ns() - start) / PICKS;
	}
	report("a connection's life: pick, connect, close, expiry", -1, rounds, "ns");
}

/* Connections that do not come twice. */
static struct berth_tuple tuple(uint32_t n)
{
	return (struct berth_tuple){ { berth_address_v4(n * 2654435761u), 443 },
				     (uint16_t)(FIRST + n % PORTS) };
}

static uint32_t leave_all(struct berth_time_wait *table, uint64_t now)
{
	struct berth_tuple gone[BERTH_EXPIRE_BATCH];
	uint32_t left = 0;
	unsigned count;

	do {
		count = berth_time_wait_expire(table, now, gone);
		left += count;
	} while (count == BERTH_EXPIRE_BATCH);
	return left;
}

static void bench_time_wait(void)
{
	const uint32_t share = MANY / ROUNDS;
	const uint8_t key[16] = { 1 };
	size_t bytes = berth_time_wait_size(MANY, false);
	struct berth_time_wait *table = berth_time_wait_init(map(bytes), bytes, MANY, false, key);
	double enter[ROUNDS], leave[ROUNDS], both[ROUNDS];
	uint64_t now = 0, start;

	for (unsigned r = 0; r < ROUNDS; r++) {
		start = cpu_ns();
		for (uint32_t i = 0; i < MANY; i++) {
			struct berth_tuple connection = tuple(i);

			berth_time_wait_enter(table, &connection, now += 6000);
		}
		enter[r] = (double)(cpu_ns() - start) / MANY;
		start = cpu_ns();
		if (leave_all(table, now += 121 * SECOND) != MANY) {
			fprintf(stderr, "bench/core: not all have left TIME_WAIT\n");
			exit(1);
		}
		leave[r] = (double)(cpu_ns() - start) / MANY;
	}
	report("TIME_WAIT, 10 million: enter", -1, enter, "ns");
	report("TIME_WAIT, 10 million: leave", -1, leave, "ns");

	/* 10 million stay in it while as many come and go, 12 us apart. */
	for (uint32_t i = 0; i < MANY; i++) {
		struct berth_tuple connection = tuple(i);

		berth_time_wait_enter(table, &connection, now += 12000);
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		start = cpu_ns();
		for (uint32_t i = 0; i < share; i++) {
			struct berth_tuple connection = tuple(MANY + r * share + i);

			now += 12000;
			if (i % BERTH_EXPIRE_BATCH == 0)
				leave_all(table, now);
			berth_time_wait_enter(table, &connection, now);
		}
		both[r] = (double)(cpu_ns() - start) / share;
	}
	report("TIME_WAIT, 10 million: one enters, one leaves", -1, both, "ns");
}

static void bench_memory(void)
{
	const uint32_t n = 100000;

	report_one("memory, a connection in TIME_WAIT, IPv4, index included",
		   (double)berth_time_wait_size(MANY, false) / MANY, "bytes");
	report_one("memory, a connection in TIME_WAIT, IPv6, index included",
		   (double)berth_time_wait_size(MANY, true) / MANY, "bytes");
	report_one("memory, a destination with up to 16 connections, index included",
		   (double)(berth_destinations_size(2 * n, 1) - berth_destinations_size(n, 1)) / n, "bytes");
	report_one("memory, a destination with more",
		   (double)(berth_destinations_size(1, 1001) - berth_destinations_size(1, 1)) / 1000,
		   "bytes");
}

static void print_table(void)
{
	double lowest = 0, highest = 0;

	printf("%-64s %8s %10s %10s\n", "", "filled", "median", "fastest");
	for (unsigned i = 0; i < result_count; i++) {
		const struct result *r = &results[i];
		char filled[16] = "";

		if (r->fill >= 0)
			snprintf(filled, sizeof(filled), "%.4g %%", r->fill);
		printf("%-64s %8s %10.2f %10.2f %s\n", r->what, filled, r->median, r->best, r->unit);
		if (strcmp(r->what, "pick, fresh") != 0)
			continue;
		lowest = lowest == 0 || r->median < lowest ? r->median : lowest;
		highest = r->median > highest ? r->median : highest;
	}
	printf("%-64s %8s %10.2f\n", "pick, fresh: slowest fill / fastest fill", "", highest / lowest);
}

static void print_json(void)
{
	printf("[\n");
	for (unsigned i = 0; i < result_count; i++) {
		const struct result *r = &results[i];

		printf("  {\"what\": \"%s\", ", r->what);
		if (r->fill >= 0)
			printf("\"filled_percent\": %g, ", r->fill);
		printf("\"median\": %.3f, \"fastest\": %.3f, \"unit\": \"%s\"}%s\n", r->median, r->best,
		       r->unit, i + 1 < result_count ? "," : "");
	}
	printf("]\n");
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

	if (argc > 1 && !json) {
		fprintf(stderr, "bench/core: unknown argument \"%s\"; usage: bench/core [--json]\n", argv[1]);
		return 2;
	}
	bench_picks();
	bench_lives();
	bench_time_wait();
	bench_memory();
	if (json)
		print_json();
	else
		print_table();
	return 0;
}
