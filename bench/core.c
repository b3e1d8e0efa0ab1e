/* SPDX-License-Identifier: MIT
 *
 * What the core costs, by how full the range is and by how much is remembered, beside other systems' algorithms.
 *
 *	build/bench/core [--json[=FILE]] [--quick|--smoke]
 */
#include "bench/core.h"

#include <stdbool.h>
#include <sys/mman.h>

const double core_fills[FILLS] = { 0, 50, 60, 75, 90, 99, 99.9, 100 };

static const struct core_load loads[] = {
	[EFFORT_FULL] = { ROUNDS, 200000, 1000000, 10000000, 100, 5000000 },
	[EFFORT_QUICK] = { 3, 100000, 1000000, 10000000, 100, 1000000 },
	[EFFORT_SMOKE] = { 1, 1000, 1000, 10000, 50, 1000 },
};

const struct core_load *core_load;

static struct report report;

uint64_t core_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

void core_fail(const char *what)
{
	fprintf(stderr, "bench/core: %s\n", what);
	exit(1);
}

void *core_map(size_t bytes)
{
	const size_t huge = 2 << 20;
	char *memory = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		core_fail("no memory");
	memory += huge - (uintptr_t)memory % huge;
	madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

void core_report(struct report *into, const struct report_row *row, double rounds[ROUNDS])
{
	struct report_row whole = *row;

	whole.median = median(rounds, core_load->rounds); /* sorts them */
	whole.least = rounds[0];
	whole.greatest = rounds[core_load->rounds - 1];
	report_add(into, &whole);
}

int main(int argc, char **argv)
{
	const struct bench_options options = take_options(argc, argv);

	core_load = &loads[options.effort];
	core_bench_space(&report);
	core_bench_destinations(&report);
	core_bench_time_wait(&report);
	core_bench_memory(&report);
	core_bench_policies(&report);
	core_bench_lwip(&report);
	report_finish(&report, "core", &options);
	return 0;
}
