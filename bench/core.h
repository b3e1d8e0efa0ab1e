/* SPDX-License-Identifier: MIT
 *
 * What the files of bench/core share: its parts, and how they measure.
 *
 * Each time is processor time, the median of nine rounds, and the least and the greatest beside it: on a machine that
 * others use too, the least is nearer to what the code costs. Large memory has the advice MADV_HUGEPAGE and was
 * touched before.
 */
#ifndef BERTH_BENCH_CORE_H
#define BERTH_BENCH_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "bench/report.h"
#include "core/address.h"

/* Linux's range of ports. */
#define FIRST  32768u
#define LAST   60999u
#define PORTS  (LAST - FIRST + 1)
#define ROUNDS 9u /* at most */
#define SECOND 1000000000ull

/* Percent of the ports in use, ascending. At the last there is none left. */
#define FILLS 8u
extern const double core_fills[FILLS];

/* How much is measured. */
struct core_load {
	unsigned rounds; /* 1 .. ROUNDS */
	unsigned picks;	 /* and lives, of a round */
	uint32_t destinations, time_wait;
	double lwip_fill;  /* percent: beyond, its picks take long */
	unsigned least_ns; /* of a round that is measured by time */
};
extern const struct core_load *core_load;

/* The parts. Each adds its rows. */
void core_bench_space(struct report *report);
void core_bench_destinations(struct report *report);
void core_bench_time_wait(struct report *report);
void core_bench_memory(struct report *report);
void core_bench_policies(struct report *report);
void core_bench_lwip(struct report *report);

/* Processor time of this thread, in nanoseconds. */
uint64_t core_cpu_ns(void);

/* Ends the program, as what was to be measured is not what happened. */
_Noreturn void core_fail(const char *what);

/* Zero-filled, never given back. */
void *core_map(size_t bytes);

/* A row of core_load->rounds values in nanoseconds; row has the rest. Sorts them. */
void core_report(struct report *into, const struct report_row *row, double rounds[ROUNDS]);

/* The n-th destination. */
static inline struct berth_endpoint core_destination(uint32_t n)
{
	return (struct berth_endpoint){ berth_address_v4(0x0a000000 + n), 443 };
}

/* By how full the range is; by how many there are of something. */
#define BY_FILL(what, who, percent)                                                          \
	{                                                                                    \
		.name = (what), .side = (who), .fill = (percent), .count = NAN, .unit = "ns" \
	}
#define BY_COUNT(what, who, number, things)                                                                 \
	{                                                                                                   \
		.name = (what), .side = (who), .fill = NAN, .count = (number), .of = (things), .unit = "ns" \
	}

#endif
