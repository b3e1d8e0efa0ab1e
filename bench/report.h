/* SPDX-License-Identifier: MIT
 *
 * What a program of bench/ has measured: rows, and the JSON object that bench/page.py makes docs/performance.md of.
 *
 *	{"bench": NAME, "date": "YYYY-MM-DD",
 *	 "machine": {"cpu": TEXT, "cpus": N, "memory_mib": N}, "kernel": TEXT,
 *	 "rows": [{"name", "side", "fill", "count", "of", "median", "min", "max", "unit", "note"}, ...]}
 *
 * Rows of one name belong together: the same thing, by side, and by fill or by count. What does not apply, and
 * what could not be measured, is null; a note says why.
 */
#ifndef BERTH_BENCH_REPORT_H
#define BERTH_BENCH_REPORT_H

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define REPORT_ROWS_MAX 1024u

/* Texts are kept, not copied. */
struct report_row {
	const char *name;		/* what was measured */
	const char *side;		/* who was: "stock", "kernel", "libberth", ... */
	double fill;			/* percent of the ports in use; NAN: not about that */
	double count;			/* NAN: not about that */
	const char *of;			/* what is counted: "destinations"; or NULL */
	double median, least, greatest; /* of the rounds; NAN: not measured */
	const char *unit;
	const char *note; /* or NULL */
};

struct report {
	unsigned rows;
	struct report_row row[REPORT_ROWS_MAX];
};

static inline void report_add(struct report *report, const struct report_row *row)
{
	if (report->rows == REPORT_ROWS_MAX) {
		fprintf(stderr, "bench: more than %u rows\n", REPORT_ROWS_MAX);
		exit(1);
	}
	report->row[report->rows++] = *row;
}

static inline json_t *report_number(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static inline json_t *report_row_json(const struct report_row *row)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s?, s:o, s:o, s:o, s:s, s:s?}", "name", row->name, "side",
			 row->side, "fill", report_number(row->fill), "count", report_number(row->count),
			 "of", row->of, "median", report_number(row->median), "min",
			 report_number(row->least), "max", report_number(row->greatest), "unit", row->unit,
			 "note", row->note);
}

/* The processor's name, where the kernel tells one. */
static inline void report_cpu(char *ret_name, size_t size)
{
	FILE *info = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(ret_name, size, "unknown");
	while (info != NULL && fgets(line, sizeof(line), info) != NULL) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		snprintf(ret_name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (info != NULL)
		fclose(info);
}

static inline void report_print_json(const struct report *report, const char *bench)
{
	json_t *rows = json_array(), *all;
	time_t now = time(NULL);
	struct utsname system;
	char cpu[128], date[16];

	report_cpu(cpu, sizeof(cpu));
	uname(&system);
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	for (unsigned i = 0; i < report->rows; i++)
		json_array_append_new(rows, report_row_json(&report->row[i]));
	all = json_pack("{s:s, s:s, s:{s:s, s:i, s:i}, s:s, s:o}", "bench", bench, "date", date, "machine",
			"cpu", cpu, "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "memory_mib",
			(int)(sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024), "kernel",
			system.release, "rows", rows);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

#endif
