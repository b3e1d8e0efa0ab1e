/* SPDX-License-Identifier: MIT
 *
 * bench/core: connections in TIME_WAIT by the million, and what is remembered in bytes.
 */
#include <stdbool.h>

#include "bench/core.h"
#include "core/destinations.h"
#include "core/port_space.h"
#include "core/time_wait.h"

#define MANY 10000000u

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

/* count enter, 60 s apart in all, and then all leave. Returns the time. */
static uint64_t fill_and_empty(struct berth_time_wait *table, uint32_t count, uint64_t now, double spent[2])
{
	uint64_t step = 60 * SECOND / count, start = core_cpu_ns(), between;

	for (uint32_t i = 0; i < count; i++) {
		struct berth_tuple connection = tuple(i);

		berth_time_wait_enter(table, &connection, now += step);
	}
	between = core_cpu_ns();
	if (leave_all(table, now += 121 * SECOND) != count)
		core_fail("not all have left TIME_WAIT");
	spent[0] += (double)(between - start);
	spent[1] += (double)(core_cpu_ns() - between);
	return now;
}

/* count stay in it while as many come and go. */
static void time_traffic(struct berth_time_wait *table, uint32_t count, uint64_t now, double rounds[ROUNDS])
{
	uint32_t n = 0, at_least = core_load->time_wait / 10;
	uint64_t step = 120 * SECOND / count;

	while (n < count) {
		struct berth_tuple connection = tuple(n++);

		berth_time_wait_enter(table, &connection, now += step);
	}
	for (unsigned r = 0; r < core_load->rounds; r++) {
		uint64_t start = core_cpu_ns();

		for (uint32_t i = 0; i < at_least; i++) {
			struct berth_tuple connection = tuple(n++);

			now += step;
			if (i % BERTH_EXPIRE_BATCH == 0)
				leave_all(table, now);
			berth_time_wait_enter(table, &connection, now);
		}
		rounds[r] = (double)(core_cpu_ns() - start) / at_least;
	}
}

static void time_table(struct report *report, uint32_t count)
{
	const uint8_t key[16] = { 1 };
	/* Room for those whose time is over but that leave in a batch. */
	uint32_t capacity = count + count / 8;
	size_t bytes = berth_time_wait_size(capacity, false);
	struct berth_time_wait *table = berth_time_wait_init(core_map(bytes), bytes, capacity, false, key);
	const struct report_row into = BY_COUNT("TIME_WAIT: enter", "libberth", count,
						"connections in TIME_WAIT"),
				out = BY_COUNT("TIME_WAIT: leave", "libberth", count,
					       "connections in TIME_WAIT"),
				both = BY_COUNT("TIME_WAIT: one enters, one leaves", "libberth", count,
						"connections in TIME_WAIT");
	uint32_t at_least = core_load->time_wait / 10, turns = count < at_least ? at_least / count : 1;
	double enter[ROUNDS], leave[ROUNDS], traffic[ROUNDS];
	uint64_t now = 0;

	for (unsigned r = 0; r < core_load->rounds; r++) {
		double spent[2] = { 0 };

		for (uint32_t i = 0; i < turns; i++)
			now = fill_and_empty(table, count, now, spent);
		enter[r] = spent[0] / turns / count;
		leave[r] = spent[1] / turns / count;
	}
	time_traffic(table, count, now, traffic);
	core_report(report, &into, enter);
	core_report(report, &out, leave);
	core_report(report, &both, traffic);
}

void core_bench_time_wait(struct report *report)
{
	static const uint32_t counts[] = { 10000, 100000, 1000000, MANY };

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]) && counts[i] <= core_load->time_wait; i++)
		time_table(report, counts[i]);
}

static void report_bytes(struct report *report, const char *what, double bytes)
{
	const struct report_row row = { .name = what,
					.side = "libberth",
					.fill = NAN,
					.count = NAN,
					.median = bytes,
					.least = bytes,
					.greatest = bytes,
					.unit = "bytes" };

	report_add(report, &row);
}

/* A space that remembers so many destinations, and four connections in TIME_WAIT for each. */
static void report_space(struct report *report, uint32_t destinations)
{
	const struct berth_space_limits limits = { .destinations = destinations,
						   .bitmaps = 1,
						   .time_wait = 4 * destinations };
	double bytes = (double)berth_space_size(&limits);
	const struct report_row row = {
		.name = "memory, a port space, four in TIME_WAIT for each destination",
		.side = "libberth",
		.fill = NAN,
		.count = destinations,
		.of = "destinations",
		.median = bytes,
		.least = bytes,
		.greatest = bytes,
		.unit = "bytes"
	};

	report_add(report, &row);
}

void core_bench_memory(struct report *report)
{
	const uint32_t n = 100000;

	report_bytes(report, "memory, a connection in TIME_WAIT, IPv4, index included",
		     (double)berth_time_wait_size(MANY, false) / MANY);
	report_bytes(report, "memory, a connection in TIME_WAIT, IPv6, index included",
		     (double)berth_time_wait_size(MANY, true) / MANY);
	report_bytes(report, "memory, a destination with up to 16 connections, index included",
		     (double)(berth_destinations_size(2 * n, 1) - berth_destinations_size(n, 1)) / n);
	report_bytes(report, "memory, a destination with more",
		     (double)(berth_destinations_size(1, 1001) - berth_destinations_size(1, 1)) / 1000);
	for (uint32_t destinations = 100; destinations <= 1000000; destinations *= 10)
		report_space(report, destinations);
}
