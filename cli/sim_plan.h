/* SPDX-License-Identifier: MIT
 *
 * berth sim --plan: does it fit, and what would make it fit.
 */
#ifndef BERTH_CLI_SIM_PLAN_H
#define BERTH_CLI_SIM_PLAN_H

#include "cli/sim_options.h"

/* What the options do not give is read from this host. Exit status. */
int sim_plan_print(const struct sim_options *options);

#endif
