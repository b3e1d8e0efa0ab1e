/* SPDX-License-Identifier: MIT
 *
 * Simple port randomization: a random start, then one by one.
 *
 * Source: RFC 6056 section 3.3.1, Algorithm 1, from its description there.
 */
#include "sim/policy.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned span = sim_span(ask), start_at = berth_random_below(ask->random, span);

	(void)state;
	for (unsigned i = 0; i < span; i++) {
		unsigned port = ask->first + (start_at + i) % span;

		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

const struct sim_policy sim_policy_rfc6056_1 = {
	.name = "rfc6056-1",
	.source = "RFC 6056 section 3.3.1: random start, then the next one",
	.pick = pick,
};
