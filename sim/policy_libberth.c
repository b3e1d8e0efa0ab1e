/* SPDX-License-Identifier: MIT
 *
 * The policies of libberth, by libberth itself: the three rules of core/pick.c.
 *
 * TIME_WAIT ends by the library's own clock, whose ticks are 10 ms; that it ended early is told.
 */
#include <assert.h>

#include "core/address.h"
#include "core/port_space.h"
#include "sim/policy.h"

/* More destinations with more than 16 ports each than this are not simulated exactly: the library forgets. */
#define BITMAPS_MAX 16384u

static struct berth_space_limits limits_of(const struct sim_scale *scale, uint32_t time_wait)
{
	uint32_t crowded = scale->destinations < BITMAPS_MAX ? scale->destinations : BITMAPS_MAX;

	return (struct berth_space_limits){ .destinations = scale->destinations,
					    .bitmaps = crowded,
					    .time_wait = time_wait };
}

static size_t size(const struct sim_scale *scale)
{
	struct berth_space_limits limits = limits_of(scale, scale->time_wait);

	return berth_space_size(&limits);
}

static size_t size_both_ends(const struct sim_scale *scale)
{
	struct berth_space_limits limits = limits_of(scale, scale->ended);

	return berth_space_size(&limits);
}

static void start(void *state, const struct sim_scale *scale, struct berth_random *random,
		  enum berth_policy policy, uint32_t time_wait)
{
	struct berth_space_limits limits = limits_of(scale, time_wait);
	struct berth_space *space;
	uint8_t key[BERTH_SEED_BYTES];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)berth_random_next(random);
	space = berth_space_init(state, berth_space_size(&limits), &limits, key);
	assert(space == state);
	berth_space_set_range(space, scale->first, scale->last, NULL);
	berth_space_set_policy(space, policy);
	berth_space_set_time_wait(space, scale->time_wait_ns, time_wait);
}

static void start_legacy(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	start(state, scale, random, BERTH_POLICY_LEGACY, scale->time_wait);
}

static void start_sp1(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	start(state, scale, random, BERTH_POLICY_SP1, scale->time_wait);
}

static void start_berth(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	start(state, scale, random, BERTH_POLICY_BERTH, scale->time_wait);
}

static void start_both_ends(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	start(state, scale, random, BERTH_POLICY_BERTH, scale->ended);
}

static struct berth_endpoint endpoint_of(uint32_t destination)
{
	return (struct berth_endpoint){ berth_address_v4(0x0a000000 + destination), 443 };
}

static unsigned pick(void *state, struct sim_ask *ask)
{
	struct berth_endpoint destination = endpoint_of(ask->destination);
	unsigned port;

	ask->probes = 1;
	return berth_verdict_has_port(berth_space_pick(state, &destination, ask->now_ns, &port)) ? port : 0;
}

static void told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
{
	struct berth_endpoint destination = endpoint_of(about->destination);

	switch (news) {
	case SIM_MADE:
		/* The tick may not be over that the library gives TIME_WAIT beyond its time. */
		if (berth_space_connect(state, port, &destination, about->now_ns) ==
		    BERTH_TIME_WAIT_COLLISION) {
			berth_space_leave_time_wait(state, port, &destination);
			berth_space_connect(state, port, &destination, about->now_ns);
		}
		break;
	case SIM_REFUSED:
		break;
	case SIM_CLOSED:
		berth_space_close(state, port, &destination, about->now_ns);
		break;
	case SIM_RELEASED:
		berth_space_release(state, port, &destination);
		break;
	case SIM_EVICTED:
		berth_space_leave_time_wait(state, port, &destination);
		break;
	case SIM_HELD:
		berth_space_hold(state, port, false);
		break;
	case SIM_UNHELD:
		berth_space_unhold(state, port, false);
		break;
	}
}

/* Whoever closed first, one end is in TIME_WAIT. (After a reset neither is: kept clear of for nothing.) */
static void told_both_ends(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
{
	told(state, news == SIM_RELEASED ? SIM_CLOSED : news, about, port);
}

const struct sim_policy sim_policy_legacy = {
	.name = "legacy",
	.source = "libberth; Windows Server 2003 before SP1: the next port that nobody holds",
	.size = size,
	.start = start_legacy,
	.pick = pick,
	.told = told,
};

const struct sim_policy sim_policy_sp1 = {
	.name = "sp1",
	.source = "libberth; Windows Server 2003 SP1, \"Smart TCP port allocation\"",
	.size = size,
	.start = start_sp1,
	.pick = pick,
	.told = told,
};

const struct sim_policy sim_policy_berth = {
	.name = "berth",
	.source = "libberth; fresh, then shared with another destination, then waiting",
	.size = size,
	.start = start_berth,
	.pick = pick,
	.told = told,
};

const struct sim_policy sim_policy_berth_both_ends = {
	.name = "berth-both-ends",
	.source = "the same, told berth_space_close() where the peer closed first, too",
	.size = size_both_ends,
	.start = start_both_ends,
	.pick = pick,
	.told = told_both_ends,
};
