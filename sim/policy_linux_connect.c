/* SPDX-License-Identifier: MIT
 *
 * Linux, connect() of a socket without a port: RFC 6056 algorithm 4 with 65,536 counters, in steps of two.
 *
 * Source: net/ipv4/inet_hashtables.c, __inet_hash_connect(), Linux 6.12. A hash of the destination gives
 * the counter and the offset. Ports of the parity of the range's first are tried first, up from there; then
 * those of the other parity. The counter moves past the port found, or at random by up to seven ports more
 * (commit ca7af0402550). TIME_WAIT is not reused: tcp_tw_reuse is off between hosts by default.
 */
#include "sim/hash.h"
#include "sim/policy.h"

#define COUNTERS 65536u /* INET_TABLE_PERTURB_SIZE */

struct state {
	uint64_t key;
	uint32_t perturb[COUNTERS];
};

static size_t size(const struct sim_scale *scale)
{
	(void)scale;
	return sizeof(struct state);
}

static void start(void *memory, const struct sim_scale *scale, struct berth_random *random)
{
	struct state *state = memory;

	(void)scale;
	state->key = (uint64_t)berth_random_next(random) << 32 | berth_random_next(random);
	for (unsigned i = 0; i < COUNTERS; i++)
		state->perturb[i] = berth_random_next(random);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The first free one of a parity, from offset on; ret_distance is how far that was. */
static unsigned scan(struct sim_ask *ask, uint32_t offset, uint32_t remaining, uint32_t *ret_distance)
{
	unsigned port = ask->first + offset;

	for (uint32_t i = 0; i < remaining; i += 2, port += 2) {
		if (port > ask->last)
			port -= remaining;
		if (!sim_tuple_is_free(ask, port))
			continue;
		*ret_distance = i;
		return port;
	}
	return 0;
}

static unsigned pick(void *memory, struct sim_ask *ask)
{
	struct state *state = memory;
	uint64_t hash = sim_hash(state->key ^ sim_hash((uint64_t)ask->address << 32 | ask->destination));
	uint32_t *counter = &state->perturb[hash % COUNTERS];
	uint32_t remaining = sim_span(ask) > 1 ? sim_span(ask) & ~1u : 1, offset, distance;
	unsigned port;

	offset = (*counter + (uint32_t)(hash >> 32)) % remaining & ~1u;
	port = scan(ask, offset, remaining, &distance);
	if (port == 0 && remaining > 1)
		port = scan(ask, offset + 1, remaining, &distance);
	if (port != 0)
		*counter += larger(distance, berth_random_below(ask->random, 8) * 2) + 2;
	return port;
}

const struct sim_policy sim_policy_linux_connect = {
	.name = "linux-connect",
	.source = "Linux 6.12, __inet_hash_connect(): double hash, parity",
	.size = size,
	.start = start,
	.pick = pick,
};
