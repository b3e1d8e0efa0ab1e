/* SPDX-License-Identifier: MIT
 *
 * What the core costs, by how full the range is and by how much is remembered, beside other systems' algorithms.
 *
 *	build/bench/core [--json]
 */
#include "bench/core.h"

#include <stdbool.h>
#include <sys/mman.h>

const double core_fills[FILLS] = { 0, 50, 60, 75, 90, 99, 99.9, 100 };

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

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void core_report(struct report *into, const struct report_row *row, double rounds[ROUNDS])
{
	struct report_row whole = *row;

	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	whole.median = rounds[ROUNDS / 2];
	whole.least = rounds[0];
	whole.greatest = rounds[ROUNDS - 1];
	report_add(into, &whole);
}

static void print_row(const struct report_row *row)
{
	char at[32] = "";

	if (!isnan(row->fill))
		snprintf(at, sizeof(at), "%g %%", row->fill);
	else if (!isnan(row->count))
		snprintf(at, sizeof(at), "%.0f", row->count);
	printf("%-64s %-17s %8s ", row->name, row->side, at);
	if (isnan(row->median))
		printf("%s\n", row->note);
	else
		printf("%12.2f %12.2f %12.2f %s%s%s\n", row->median, row->least, row->greatest, row->unit,
		       row->note == NULL ? "" : "; ", row->note == NULL ? "" : row->note);
}

static void print_table(void)
{
	printf("%-64s %-17s %8s %12s %12s %12s\n", "", "", "at", "median", "least", "greatest");
	for (unsigned i = 0; i < report.rows; i++)
		print_row(&report.row[i]);
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

	if (argc > 1 && !json) {
		fprintf(stderr, "bench/core: unknown argument \"%s\"; usage: bench/core [--json]\n", argv[1]);
		return 2;
	}
	core_bench_space(&report);
	core_bench_destinations(&report);
	core_bench_time_wait(&report);
	core_bench_memory(&report);
	core_bench_policies(&report);
	core_bench_lwip(&report);
	if (json)
		report_print_json(&report, "core");
	else
		print_table();
	return 0;
}
