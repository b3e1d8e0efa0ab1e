/* SPDX-License-Identifier: MIT
 *
 * Windows Server 2003 before SP1: the next port that nobody holds, in TIME_WAIT or not. By libberth.
 *
 * Source: the ten steps of "Smart TCP port allocation", Windows Server 2003 SP1, are the error of a stack that
 * does not look at TIME_WAIT; that it gave ports in ascending order says HSC, "Ephemeral ports allocation".
 */
#include "sim/libberth.h"

static void start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	sim_libberth_start(state, scale, random, BERTH_POLICY_LEGACY);
}

const struct sim_policy sim_policy_legacy = {
	.name = "legacy",
	.source = "libberth; Windows Server 2003 before SP1: the next port that nobody holds",
	.size = sim_libberth_size,
	.start = start,
	.pick = sim_libberth_pick,
	.told = sim_libberth_told,
};
