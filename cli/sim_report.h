/* SPDX-License-Identifier: MIT
 *
 * What berth sim prints of its runs: tables, JSON, CSV, a plot.
 */
#ifndef BERTH_CLI_SIM_REPORT_H
#define BERTH_CLI_SIM_REPORT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/sim_options.h"
#include "sim/measure.h"

struct sim_recorded;

struct sim_run_result {
	const struct sim_policy *policy;
	double rate;
	struct sim_result result;
};

/* All runs, rate by rate, and within a rate in the order of options->policy. */
struct sim_report {
	const struct sim_options *options;
	const struct sim_run_result *run;
	size_t runs;
	const struct sim_recorded *recorded; /* NULL: the load was made up */
	double measured_s;
};

/* These say nothing of errors: ferror() does. */
void sim_report_text(const struct sim_report *report, FILE *out);
void sim_report_csv(const struct sim_report *report, FILE *out);

/* A new reference. */
json_t *sim_report_json(const struct sim_report *report);

/* Writes the plot to the file of that name. 0 or negative errno, as sim_plot_write_file(). */
int sim_report_plot(const struct sim_report *report, const char *path);

#endif
