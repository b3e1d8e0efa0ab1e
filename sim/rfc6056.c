/* SPDX-License-Identifier: MIT */
#include "sim/rfc6056.h"

#include "sim/hash.h"

size_t sim_rfc6056_size(const struct sim_scale *scale)
{
	(void)scale;
	return sizeof(struct sim_rfc6056);
}

static uint64_t draw64(struct berth_random *random)
{
	uint64_t high = berth_random_next(random);

	return high << 32 | berth_random_next(random);
}

void sim_rfc6056_start(void *memory, const struct sim_scale *scale, struct berth_random *random)
{
	struct sim_rfc6056 *state = memory;

	(void)scale;
	state->next = berth_random_below(random, 65536);
	for (unsigned i = 0; i < SIM_RFC6056_TABLE_LENGTH; i++)
		state->table[i] = berth_random_below(random, 65536);
	state->offset_key = draw64(random);
	state->index_key = draw64(random);
}

uint32_t sim_rfc6056_hash(uint64_t key, const struct sim_ask *ask)
{
	return (uint32_t)sim_hash(key ^ sim_hash((uint64_t)ask->address << 32 | ask->destination));
}
