/* SPDX-License-Identifier: MIT
 *
 * libberth as the one who chooses: a berth_space for each local address, by one of the rules of core/pick.c.
 *
 * TIME_WAIT ends by the library's own clock, whose ticks are 10 ms; that it ended early is told.
 */
#ifndef BERTH_SIM_LIBBERTH_H
#define BERTH_SIM_LIBBERTH_H

#include <stddef.h>

#include "core/port_space.h"
#include "sim/policy.h"

/* Starts the zero-filled state, with room for scale->time_wait connections in TIME_WAIT. */
void sim_libberth_start(void *state, const struct sim_scale *scale, struct berth_random *random,
			enum berth_policy policy);

/* These fit struct sim_policy. */
size_t sim_libberth_size(const struct sim_scale *scale);
unsigned sim_libberth_pick(void *state, struct sim_ask *ask);
void sim_libberth_told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port);

#endif
