/* SPDX-License-Identifier: MIT
 *
 * A simulation: one policy under one load, from the first request to the end.
 */
#ifndef BERTH_SIM_SIMULATION_H
#define BERTH_SIM_SIMULATION_H

#include <stdint.h>

#include "sim/host.h"
#include "sim/load.h"
#include "sim/measure.h"
#include "sim/policy.h"

struct sim_setup {
	struct sim_host_settings host;
	uint32_t destinations;
	/* Connections in TIME_WAIT on one local address, at most, and there or at the peer: for policies that
	 * keep a table of them. */
	uint32_t time_wait, ended;
	uint64_t seed;		     /* of the policy's randomness */
	uint64_t warm_up_ns, end_ns; /* measured is what is asked for in between */
};

/* Runs the source's requests until end_ns. Requests take turns on the local addresses. A connection that
 * fails creates nothing and is not tried again.
 *
 * 0, -ENOMEM, or -EOVERFLOW: time_wait or ended is more than libberth can hold (BERTH_TIME_WAIT_CAPACITY_MAX). */
int sim_run(const struct sim_policy *policy, const struct sim_setup *setup, struct sim_source *source,
	    struct sim_result *ret_result);

#endif
