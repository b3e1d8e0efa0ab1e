/* SPDX-License-Identifier: MIT
 *
 * The command line of berth sim, and of berth replay, which is berth sim --recording.
 */
#ifndef BERTH_CLI_SIM_OPTIONS_H
#define BERTH_CLI_SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/load.h"
#include "sim/policy.h"
#include "sim/simulation.h"

#define SIM_POLICIES_MAX 64u
#define SIM_RATES_MAX	 200u

struct sim_options {
	const char *command; /* "sim" or "replay" */
	bool json, csv, list, plan;
	const char *plot, *recording; /* files; NULL: none */
	const struct sim_policy *policy[SIM_POLICIES_MAX];
	size_t policies;
	double rate[SIM_RATES_MAX]; /* ascending */
	size_t rates;
	struct sim_load load; /* but for its rate */
	struct sim_host_settings host;
	double warm_up_s, duration_s; /* negative: not given */
	uint64_t seed;
	/* Whether it was on the command line: for --plan, the rest is this host's; a recording has its own. */
	bool rate_given, load_given, ports_given, time_wait_given, addresses_given, run_given;
};

/* Reads the command line. -1 to go on, or the exit status: help was printed, or something is wrong and was
 * said. */
int sim_options_read(int argc, char **argv, struct sim_options *ret_options);

/* How to run what was asked for; time_wait and ended are the caller's to set. */
struct sim_setup sim_options_setup(const struct sim_options *options);

/* A time at the front of text, "90", "1.5h"; what follows is at *ret_rest. False if there is none, or it is longer than
 * 366 days. */
bool sim_read_time(const char *text, double *ret_seconds, const char **ret_rest);

#endif
