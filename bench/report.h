/* SPDX-License-Identifier: MIT
 *
 * What a program of bench/ has measured: rows, as tables for people, and as the JSON object that bench/page.py makes
 * docs/performance.md of.
 *
 *	{"bench": NAME, "date": "YYYY-MM-DD", "effort": "full"|"quick"|"smoke",
 *	 "machine": {"cpu": TEXT, "cpus": N, "memory_mib": N}, "kernel": TEXT, "settings": {SYSCTL: TEXT, ...},
 *	 "rows": [{"name", "side", "fill", "count", "of", "median", "min", "max", "unit", "note"}, ...]}
 *
 * Rows of one name belong together and follow each other: the same thing, line by line, by fill or by count, and in a line by
 * side. What does not apply, and what could not be measured, is null; a note says why. The settings are those of the host's
 * own network namespace; a side that has others is described in its program.
 */
#ifndef BERTH_BENCH_REPORT_H
#define BERTH_BENCH_REPORT_H

#include <jansson.h>
#include <math.h>
#include <sys/utsname.h>

#include "bench/bench.h"

#define REPORT_ROWS_MAX 4096u

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

/* Behind the last row of its name. */
static inline void report_add(struct report *report, const struct report_row *row)
{
	unsigned at = report->rows;

	if (report->rows == REPORT_ROWS_MAX) {
		fprintf(stderr, "bench: more than %u rows\n", REPORT_ROWS_MAX);
		exit(1);
	}
	while (at > 0 && strcmp(report->row[at - 1].name, row->name) != 0)
		at--;
	if (at == 0)
		at = report->rows;
	memmove(&report->row[at + 1], &report->row[at], (report->rows++ - at) * sizeof(*row));
	report->row[at] = *row;
}

/* A copy of a text that was put together, for a row. It lives as long as the program. */
static inline const char *report_text(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		fail("memory");
	return copy;
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

static const char *const report_settings[] = {
	"ip_local_port_range", "ip_local_reserved_ports", "ip_autobind_reuse",
	"tcp_tw_reuse",	       "tcp_timestamps",	  "tcp_max_tw_buckets",
};
#define REPORT_SETTINGS (sizeof(report_settings) / sizeof(report_settings[0]))

static inline json_t *report_settings_json(void)
{
	json_t *settings = json_object();
	char path[96], text[256];

	for (size_t i = 0; i < REPORT_SETTINGS; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", report_settings[i]);
		file = fopen(path, "re");
		if (file != NULL && fgets(text, sizeof(text), file) != NULL) {
			text[strcspn(text, "\n")] = '\0';
			json_object_set_new(settings, report_settings[i], json_string(text));
		}
		if (file != NULL)
			fclose(file);
	}
	return settings;
}

static inline void report_write_json(const struct report *report, const char *bench, enum effort effort,
				     FILE *to)
{
	static const char *const efforts[] = { "full", "quick", "smoke" };
	json_t *rows = json_array(), *all;
	time_t now = time(NULL);
	struct utsname system;
	char cpu[128], date[16];

	report_cpu(cpu, sizeof(cpu));
	uname(&system);
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	for (unsigned i = 0; i < report->rows; i++)
		json_array_append_new(rows, report_row_json(&report->row[i]));
	all = json_pack("{s:s, s:s, s:s, s:{s:s, s:i, s:i}, s:s, s:o, s:o}", "bench", bench, "date", date,
			"effort", efforts[effort], "machine", "cpu", cpu, "cpus",
			(int)sysconf(_SC_NPROCESSORS_ONLN), "memory_mib",
			(int)(sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024), "kernel",
			system.release, "settings", report_settings_json(), "rows", rows);
	json_dumpf(all, to, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	fputc('\n', to);
	json_decref(all);
}

/* ---- for people: a table for each name, a column for each side ---- */

#define REPORT_COLUMN	   29
#define REPORT_SIDES_MAX   32u
#define REPORT_COLUMNS_MAX 5u

static inline bool report_same_line(const struct report_row *a, const struct report_row *b)
{
	return (isnan(a->fill) ? isnan(b->fill) : a->fill == b->fill) &&
	       (isnan(a->count) ? isnan(b->count) : a->count == b->count);
}

static inline const struct report_row *report_find(const struct report_row *line,
						   const struct report_row *end, const char *side)
{
	for (const struct report_row *row = line; row < end; row++)
		if (report_same_line(line, row) && strcmp(row->side, side) == 0)
			return row;
	return NULL;
}

/* Four digits, or all before the point. */
static inline void report_print_number(char ret_text[32], double number)
{
	snprintf(ret_text, 32, fabs(number) < 1000 ? "%.4g" : "%.0f", number);
}

static inline void report_print_cell(const struct report_row *row)
{
	char middle[32] = "", least[32], greatest[32], text[128];

	if (row != NULL && isnan(row->median))
		snprintf(middle, sizeof(middle), "-");
	else if (row != NULL)
		report_print_number(middle, row->median);
	snprintf(text, sizeof(text), "%s", middle);
	if (row != NULL && row->least < row->greatest) {
		report_print_number(least, row->least);
		report_print_number(greatest, row->greatest);
		snprintf(text, sizeof(text), "%s (%s-%s)", middle, least, greatest);
	}
	printf(" %-*s", REPORT_COLUMN, text);
}

static inline unsigned report_find_sides(const struct report_row *first, const struct report_row *end,
					 const char *ret_sides[REPORT_SIDES_MAX])
{
	unsigned count = 0, known;

	for (const struct report_row *row = first; row < end; row++) {
		for (known = 0; known < count && strcmp(ret_sides[known], row->side) != 0; known++)
			;
		if (known == count && count < REPORT_SIDES_MAX)
			ret_sides[count++] = row->side;
	}
	return count;
}

static inline void report_label(const struct report_row *row, char ret_text[64])
{
	if (!isnan(row->fill))
		snprintf(ret_text, 64, "%g %% filled", row->fill);
	else if (!isnan(row->count))
		snprintf(ret_text, 64, "%.10g %s", row->count, row->of ? row->of : "");
	else
		ret_text[0] = '\0';
}

/* A line for each fill or count, a column for each side. */
static inline void report_print_by_side(const struct report_row *first, const struct report_row *end,
					const char *const sides[REPORT_SIDES_MAX], unsigned count)
{
	char label[64];

	printf("  %-20s", "");
	for (unsigned i = 0; i < count; i++)
		printf(" %-*s", REPORT_COLUMN, sides[i]);
	putchar('\n');
	for (const struct report_row *line = first; line < end; line++) {
		if (line > first && report_same_line(line - 1, line))
			continue;
		report_label(line, label);
		printf("  %-20s", label);
		for (unsigned i = 0; i < count; i++)
			report_print_cell(report_find(line, end, sides[i]));
		putchar('\n');
	}
}

/* A line for each row: where there are many sides. */
static inline void report_print_rows(const struct report_row *first, const struct report_row *end)
{
	char label[64];

	for (const struct report_row *row = first; row < end; row++) {
		report_label(row, label);
		printf("  %-40s %-24s", row->side, label);
		report_print_cell(row);
		putchar('\n');
	}
}

/* The rows from `first` to before `end`, which have one name. */
static inline void report_print_table(const struct report_row *first, const struct report_row *end)
{
	const char *sides[REPORT_SIDES_MAX];
	unsigned count = report_find_sides(first, end, sides);

	printf("%s, %s\n", first->name, first->unit);
	if (count <= REPORT_COLUMNS_MAX)
		report_print_by_side(first, end, sides, count);
	else
		report_print_rows(first, end);
	for (const struct report_row *row = first; row < end; row++)
		if (row->note != NULL)
			printf("  %s: %s\n", row->side, row->note);
	putchar('\n');
}

static inline void report_print_text(const struct report *report)
{
	const struct report_row *end = report->row + report->rows, *next;

	for (const struct report_row *row = report->row; row < end; row = next) {
		for (next = row; next < end && strcmp(next->name, row->name) == 0; next++)
			;
		report_print_table(row, next);
	}
}

/* All that a program has to say. */
static inline void report_finish(const struct report *report, const char *bench,
				 const struct bench_options *options)
{
	FILE *file;

	if (options->json_path != NULL) {
		file = fopen(options->json_path, "we");
		if (file == NULL)
			fail(options->json_path);
		report_write_json(report, bench, options->effort, file);
		if (fclose(file) != 0)
			fail(options->json_path);
	}
	if (options->json)
		report_write_json(report, bench, options->effort, stdout);
	else
		report_print_text(report);
}

#endif
