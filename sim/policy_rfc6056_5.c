/* SPDX-License-Identifier: MIT
 *
 * Random increments: from the port before, a step whose length is drawn.
 *
 * Source: RFC 6056 section 3.3.5, Algorithm 5, from its description there.
 */
#include "sim/rfc6056.h"

/* N, between few collisions (small) and hard to foresee (large). */
#define INCREMENT_MAX 500u

static unsigned pick(void *memory, struct sim_ask *ask)
{
	struct sim_rfc6056 *state = memory;
	unsigned span = sim_span(ask);

	for (unsigned i = 0; i < span; i++) {
		unsigned port;

		state->next += berth_random_below(ask->random, INCREMENT_MAX) + 1;
		port = ask->first + state->next % span;
		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

const struct sim_policy sim_policy_rfc6056_5 = {
	.name = "rfc6056-5",
	.source = "RFC 6056 section 3.3.5: random increments of 1 to 500",
	.size = sim_rfc6056_size,
	.start = sim_rfc6056_start,
	.pick = pick,
};
