/* SPDX-License-Identifier: MIT
 *
 * Berth's own rule, by libberth: fresh, then shared with another destination, then waiting.
 *
 * Source: core/pick.c.
 */
#include "sim/libberth.h"

static void start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	sim_libberth_start(state, scale, random, BERTH_POLICY_BERTH);
}

const struct sim_policy sim_policy_berth = {
	.name = "berth",
	.source = "libberth; fresh, then shared with another destination, then waiting",
	.size = sim_libberth_size,
	.start = start,
	.pick = sim_libberth_pick,
	.told = sim_libberth_told,
};
