/* SPDX-License-Identifier: MIT
 *
 * Windows Server 2003 SP1: a port that nobody holds and that is not in TIME_WAIT; where there is none, one that
 * is, whatever the destination. By libberth.
 *
 * Source: "Smart TCP port allocation", Windows Server 2003 SP1.
 */
#include "sim/libberth.h"

static void start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	sim_libberth_start(state, scale, random, BERTH_POLICY_SP1);
}

const struct sim_policy sim_policy_sp1 = {
	.name = "sp1",
	.source = "libberth; Windows Server 2003 SP1, \"Smart TCP port allocation\"",
	.size = sim_libberth_size,
	.start = start,
	.pick = sim_libberth_pick,
	.told = sim_libberth_told,
};
