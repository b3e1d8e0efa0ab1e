/* SPDX-License-Identifier: MIT */
#include "sim/libberth.h"

#include <assert.h>

#include "core/address.h"

/* More destinations with more than 16 ports each than this are not simulated exactly: the library forgets. */
#define BITMAPS_MAX 16384u

static struct berth_space_limits limits_of(const struct sim_scale *scale)
{
	uint32_t crowded = scale->destinations < BITMAPS_MAX ? scale->destinations : BITMAPS_MAX;

	return (struct berth_space_limits){ .destinations = scale->destinations,
					    .bitmaps = crowded,
					    .time_wait = scale->time_wait };
}

size_t sim_libberth_size(const struct sim_scale *scale)
{
	struct berth_space_limits limits = limits_of(scale);

	return berth_space_size(&limits);
}

void sim_libberth_start(void *state, const struct sim_scale *scale, struct berth_random *random,
			enum berth_policy policy)
{
	struct berth_space_limits limits = limits_of(scale);
	struct berth_space *space;
	uint8_t key[BERTH_SEED_BYTES];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)berth_random_next(random);
	space = berth_space_init(state, berth_space_size(&limits), &limits, key);
	assert(space == state);
	berth_space_set_range(space, scale->first, scale->last, NULL);
	berth_space_set_policy(space, policy);
	berth_space_set_time_wait(space, scale->time_wait_ns, scale->time_wait);
}

static struct berth_endpoint endpoint_of(uint32_t destination)
{
	return (struct berth_endpoint){ berth_address_v4(0x0a000000 + destination), 443 };
}

unsigned sim_libberth_pick(void *state, struct sim_ask *ask)
{
	struct berth_endpoint destination = endpoint_of(ask->destination);
	unsigned port;

	ask->probes = 1;
	return berth_verdict_has_port(berth_space_pick(state, &destination, ask->now_ns, &port)) ? port : 0;
}

void sim_libberth_told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
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
