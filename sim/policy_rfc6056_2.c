/* SPDX-License-Identifier: MIT
 *
 * Another simple port randomization: drawn anew each time.
 *
 * Source: RFC 6056 section 3.3.2, Algorithm 2, from its description there.
 */
#include "sim/policy.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned span = sim_span(ask);

	(void)state;
	for (unsigned i = 0; i < span; i++) {
		unsigned port = ask->first + berth_random_below(ask->random, span);

		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

const struct sim_policy sim_policy_rfc6056_2 = {
	.name = "rfc6056-2",
	.source = "RFC 6056 section 3.3.2: random, drawn again",
	.pick = pick,
};
