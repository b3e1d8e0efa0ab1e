/* SPDX-License-Identifier: MIT
 *
 * The demo as people see it: 80 columns, line by line as the results come in. Colour on a terminal unless
 * NO_COLOR is set, line drawing where the locale is UTF-8.
 */
#ifndef BERTH_CLI_DEMO_TABLE_H
#define BERTH_CLI_DEMO_TABLE_H

#include <stdio.h>

#include "cli/demo_stage.h"

#define DEMO_LEGEND_SIZE 8u

/* Set up by demo_table_start(); owned by the caller, nothing to free. */
struct demo_table {
	FILE *out;
	FILE *progress; /* NULL: none wanted */
	bool colour;
	bool utf8;
	unsigned legend_count;
	struct demo_failure legend[DEMO_LEGEND_SIZE]; /* what the letters stand for */
};

/* The three walks that are shown beside each other. */
struct demo_walks {
	struct demo_walk stock;	      /* Linux as it is */
	struct demo_walk stock_reuse; /* with ip_autobind_reuse and SO_REUSEADDR */
	struct demo_walk berth;
};

/* A load with IPv4 and IPv6, each without and with Berth. */
#define DEMO_FAMILIES 2
struct demo_row {
	struct demo_load load;
	unsigned families; /* 1 where there is no IPv6 */
	struct demo_count count[DEMO_FAMILIES][DEMO_SIDES];
};

void demo_table_start(struct demo_table *table, FILE *out);

/* Shows, in place of what it showed last, what is being done; nothing but on a terminal. "" clears it. */
void demo_table_progress(const struct demo_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* kernel as uname says it; what the distribution added is left out. */
void demo_table_title(const struct demo_table *table, const char *kernel);
void demo_table_walks(const struct demo_table *table, const struct demo_walks *walks);
void demo_table_head(const struct demo_table *table);
void demo_table_group(const struct demo_table *table, unsigned destinations, unsigned ports);
void demo_table_row(struct demo_table *table, const struct demo_row *row);
void demo_table_legend(const struct demo_table *table);

void demo_table_closing(const struct demo_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
