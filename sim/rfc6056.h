/* SPDX-License-Identifier: MIT
 *
 * What the hash-based and the counting algorithms of RFC 6056 keep: 3, 4 and 5. Algorithms 1 and 2 keep nothing.
 */
#ifndef BERTH_SIM_RFC6056_H
#define BERTH_SIM_RFC6056_H

#include <stddef.h>
#include <stdint.h>

#include "sim/policy.h"

/* Section 3.3.4: a table of 10 already improves on algorithm 3. */
#define SIM_RFC6056_TABLE_LENGTH 10u

/* One structure for the three, so that they start from the same numbers. */
struct sim_rfc6056 {
	/* next_ephemeral of algorithms 3 and 5; the table of algorithm 4. Not of 16 bits: what wraps there,
	 * but not at a multiple of the range, gives the ports of a moment ago again. */
	uint32_t next, table[SIM_RFC6056_TABLE_LENGTH];
	uint64_t offset_key, index_key; /* of the hashes F and G */
};

/* These fit struct sim_policy. */
size_t sim_rfc6056_size(const struct sim_scale *scale);
void sim_rfc6056_start(void *memory, const struct sim_scale *scale, struct berth_random *random);

/* F or G, by the key: a hash of local address, remote address and remote port. */
uint32_t sim_rfc6056_hash(uint64_t key, const struct sim_ask *ask);

#endif
