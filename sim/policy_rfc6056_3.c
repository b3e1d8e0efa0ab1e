/* SPDX-License-Identifier: MIT
 *
 * Simple hash-based: an offset for each destination, one counter for all.
 *
 * Source: RFC 6056 section 3.3.3, Algorithm 3, from its description there.
 */
#include "sim/rfc6056.h"

static unsigned pick(void *memory, struct sim_ask *ask)
{
	struct sim_rfc6056 *state = memory;
	unsigned span = sim_span(ask);
	uint32_t offset = sim_rfc6056_hash(state->offset_key, ask) % span;

	for (unsigned i = 0; i < span; i++) {
		unsigned port = ask->first + (state->next + offset) % span;

		state->next++;
		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

const struct sim_policy sim_policy_rfc6056_3 = {
	.name = "rfc6056-3",
	.source = "RFC 6056 section 3.3.3: hash of the destination plus a counter",
	.size = sim_rfc6056_size,
	.start = sim_rfc6056_start,
	.pick = pick,
};
