/* SPDX-License-Identifier: MIT
 *
 * Berth's own rule, by libberth, told berth_space_close() where the peer closed first, too: kept clear of the
 * peer's TIME_WAIT.
 *
 * Source: core/pick.c, and berth_space_close() in core/port_space.h.
 */
#include "sim/libberth.h"

/* Room for what is in TIME_WAIT at either end. */
static struct sim_scale both_ends_of(const struct sim_scale *scale)
{
	struct sim_scale both = *scale;

	both.time_wait = scale->ended;
	return both;
}

static size_t size(const struct sim_scale *scale)
{
	struct sim_scale both = both_ends_of(scale);

	return sim_libberth_size(&both);
}

static void start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	struct sim_scale both = both_ends_of(scale);

	sim_libberth_start(state, &both, random, BERTH_POLICY_BERTH);
}

/* Whoever closed first, one end is in TIME_WAIT. (After a reset neither is: kept clear of for nothing.) */
static void told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
{
	sim_libberth_told(state, news == SIM_RELEASED ? SIM_CLOSED : news, about, port);
}

const struct sim_policy sim_policy_berth_both_ends = {
	.name = "berth-both-ends",
	.source = "libberth; as berth, told berth_space_close() where the peer closed first, too",
	.size = size,
	.start = start,
	.pick = sim_libberth_pick,
	.told = told,
};
