/* SPDX-License-Identifier: MIT
 *
 * The five algorithms of RFC 6056 sections 3.3.1 to 3.3.5, from their description there. A port suits if the
 * connection would be unique on this host, TIME_WAIT included (section 3.3.1, check_suitable_port()).
 */
#include "sim/hash.h"
#include "sim/policy.h"

/* Section 3.3.4: a table of 10 already improves on algorithm 3. */
#define TABLE_LENGTH 10u

/* Section 3.3.5: N, between few collisions (small) and hard to foresee (large). */
#define INCREMENT_MAX 500u

struct state {
	/* next_ephemeral of algorithms 3 and 5; the table of algorithm 4. Not of 16 bits: what wraps there,
	 * but not at a multiple of the range, gives the ports of a moment ago again. */
	uint32_t next, table[TABLE_LENGTH];
	uint64_t offset_key, index_key;
};

static size_t size(const struct sim_scale *scale)
{
	(void)scale;
	return sizeof(struct state);
}

static uint64_t draw64(struct berth_random *random)
{
	uint64_t high = berth_random_next(random);

	return high << 32 | berth_random_next(random);
}

static void start(void *memory, const struct sim_scale *scale, struct berth_random *random)
{
	struct state *state = memory;

	(void)scale;
	state->next = berth_random_below(random, 65536);
	for (unsigned i = 0; i < TABLE_LENGTH; i++)
		state->table[i] = berth_random_below(random, 65536);
	state->offset_key = draw64(random);
	state->index_key = draw64(random);
}

/* F and G: keyed hashes of local address, remote address and remote port. */
static uint32_t hash(uint64_t key, const struct sim_ask *ask)
{
	return (uint32_t)sim_hash(key ^ sim_hash((uint64_t)ask->address << 32 | ask->destination));
}

/* Simple port randomization: a random start, then one by one. */
static unsigned pick_1(void *state, struct sim_ask *ask)
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

/* Another simple port randomization: drawn anew each time. */
static unsigned pick_2(void *state, struct sim_ask *ask)
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

/* Simple hash-based: an offset for each destination, one counter for all. */
static unsigned pick_3(void *memory, struct sim_ask *ask)
{
	struct state *state = memory;
	unsigned span = sim_span(ask);
	uint32_t offset = hash(state->offset_key, ask) % span;

	for (unsigned i = 0; i < span; i++) {
		unsigned port = ask->first + (state->next + offset) % span;

		state->next++;
		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

/* Double-hash: a few counters, each shared by a part of the destinations. */
static unsigned pick_4(void *memory, struct sim_ask *ask)
{
	struct state *state = memory;
	unsigned span = sim_span(ask);
	uint32_t offset = hash(state->offset_key, ask) % span;
	uint32_t *counter = &state->table[hash(state->index_key, ask) % TABLE_LENGTH];

	for (unsigned i = 0; i < span; i++) {
		unsigned port = ask->first + (offset + *counter) % span;

		++*counter;
		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

/* Random increments. */
static unsigned pick_5(void *memory, struct sim_ask *ask)
{
	struct state *state = memory;
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

const struct sim_policy sim_policy_rfc6056_1 = {
	.name = "rfc6056-1",
	.source = "RFC 6056 section 3.3.1: random start, then the next one",
	.pick = pick_1,
};

const struct sim_policy sim_policy_rfc6056_2 = {
	.name = "rfc6056-2",
	.source = "RFC 6056 section 3.3.2: random, drawn again",
	.pick = pick_2,
};

const struct sim_policy sim_policy_rfc6056_3 = {
	.name = "rfc6056-3",
	.source = "RFC 6056 section 3.3.3: hash of the destination plus a counter",
	.size = size,
	.start = start,
	.pick = pick_3,
};

const struct sim_policy sim_policy_rfc6056_4 = {
	.name = "rfc6056-4",
	.source = "RFC 6056 section 3.3.4: hash of the destination plus one of 10 counters",
	.size = size,
	.start = start,
	.pick = pick_4,
};

const struct sim_policy sim_policy_rfc6056_5 = {
	.name = "rfc6056-5",
	.source = "RFC 6056 section 3.3.5: random increments of 1 to 500",
	.size = size,
	.start = start,
	.pick = pick_5,
};
