/* SPDX-License-Identifier: MIT
 *
 * A recording as the load of berth sim and berth replay: what was recorded, and what the policies would have failed of it.
 */
#ifndef BERTH_CLI_SIM_RECORDED_H
#define BERTH_CLI_SIM_RECORDED_H

#include <jansson.h>
#include <stdio.h>

#include "cli/sim_options.h"
#include "cli/sim_report.h"
#include "sim/replay.h"

/* The zero-filled struct is empty. */
struct sim_recorded {
	const char *path;
	struct sim_recorded_host host;
	struct sim_replay replay;
	struct sim_peak peak;
	size_t whole_bytes; /* of a file that was cut; 0: it was not */
};

/* Reads the file, takes the range and TIME_WAIT from it where the command line has none, and runs the policies. Exit
 * status; the caller ends *recorded in any case. */
int sim_recorded_run(struct sim_options *options, struct sim_report *report, struct sim_run_result *run,
		     struct sim_recorded *recorded);
void sim_recorded_end(struct sim_recorded *recorded);

/* When all is printed: EXIT_OK, or EXIT_FAILED and a line that says where the file was cut. */
int sim_recorded_status(const struct sim_options *options, const struct sim_recorded *recorded);

/* What was recorded. */
void sim_recorded_text(const struct sim_recorded *recorded, FILE *out);
json_t *sim_recorded_json(const struct sim_recorded *recorded);

/* When and to whom attempts failed: of each run, of one. */
void sim_recorded_failures_text(const struct sim_recorded *recorded, const struct sim_run_result *run,
				size_t runs, FILE *out);
json_t *sim_recorded_failures_json(const struct sim_recorded *recorded, const struct sim_result *result);

#endif
