/* SPDX-License-Identifier: MIT
 *
 * The ports of the range that nobody holds, in TIME_WAIT or not: what a stack knows that chooses ports without
 * a look at TIME_WAIT. The state of a policy is a struct berth_port_set of them.
 */
#ifndef BERTH_SIM_UNHELD_PORTS_H
#define BERTH_SIM_UNHELD_PORTS_H

#include <stddef.h>

#include "core/port_set.h"
#include "sim/policy.h"

/* These fit struct sim_policy. */
size_t sim_unheld_ports_size(const struct sim_scale *scale);
void sim_unheld_ports_start(void *state, const struct sim_scale *scale, struct berth_random *random);
void sim_unheld_ports_told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port);

#endif
