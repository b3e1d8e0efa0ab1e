/* SPDX-License-Identifier: MIT
 *
 * Double-hash: a few counters, each shared by a part of the destinations.
 *
 * Source: RFC 6056 section 3.3.4, Algorithm 4, from its description there.
 */
#include "sim/rfc6056.h"

static unsigned pick(void *memory, struct sim_ask *ask)
{
	struct sim_rfc6056 *state = memory;
	unsigned span = sim_span(ask);
	uint32_t offset = sim_rfc6056_hash(state->offset_key, ask) % span;
	uint32_t *counter = &state->table[sim_rfc6056_hash(state->index_key, ask) % SIM_RFC6056_TABLE_LENGTH];

	for (unsigned i = 0; i < span; i++) {
		unsigned port = ask->first + (offset + *counter) % span;

		++*counter;
		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

const struct sim_policy sim_policy_rfc6056_4 = {
	.name = "rfc6056-4",
	.source = "RFC 6056 section 3.3.4: hash of the destination plus one of 10 counters",
	.size = sim_rfc6056_size,
	.start = sim_rfc6056_start,
	.pick = pick,
};
