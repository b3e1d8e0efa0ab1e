/* SPDX-License-Identifier: MIT
 *
 * A set of TCP ports: any of the 65,536, in 10 KB, every operation on one port in constant time.
 *
 * The caller owns the memory; the fields are private. The zero-filled struct is the empty set.
 * Knows no policy and no time. Not locked: one owner at a time.
 *
 * "The k-th member" counts from 0, in ascending order of ports.
 */
#ifndef BERTH_PORT_SET_H
#define BERTH_PORT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/random.h"

#define BERTH_PORTS 65536u

struct berth_port_set {
	uint64_t word[BERTH_PORTS / 64];
	uint16_t before_word[32][32];
	uint16_t before_block[32];
	uint32_t count;
};

/* Puts port in. False if it was there already. */
bool berth_port_set_add(struct berth_port_set *set, unsigned port);

/* Takes port out. False if it was not there. */
bool berth_port_set_remove(struct berth_port_set *set, unsigned port);

/* Puts in first .. last, both included. first <= last. */
void berth_port_set_add_range(struct berth_port_set *set, unsigned first, unsigned last);

static inline bool berth_port_set_contains(const struct berth_port_set *set, unsigned port)
{
	return set->word[port / 64] >> (port % 64) & 1;
}

/* How many members there are: 0 .. 65536. */
static inline uint32_t berth_port_set_count(const struct berth_port_set *set)
{
	return set->count;
}

/* How many members are smaller than port; port may be 65536. */
uint32_t berth_port_set_rank(const struct berth_port_set *set, unsigned port);

/* The k-th member. k < count. */
unsigned berth_port_set_select(const struct berth_port_set *set, uint32_t k);

/* The k-th port that is not a member. k < 65536 - count. */
unsigned berth_port_set_select_absent(const struct berth_port_set *set, uint32_t k);

/* The k-th member of set that is not in subset. Every member of subset must be in set.
 * k < count of set - count of subset. */
unsigned berth_port_set_select_difference(const struct berth_port_set *set,
					  const struct berth_port_set *subset, uint32_t k);

/* The smallest member that is at least from. False, and *ret_port untouched, if there is none. */
bool berth_port_set_next(const struct berth_port_set *set, unsigned from, unsigned *ret_port);

/* A member, each with the same chance. False, and *ret_port untouched, if the set is empty. */
bool berth_port_set_pick(const struct berth_port_set *set, struct berth_random *random, unsigned *ret_port);

/* A port that is not a member, each with the same chance. False, and *ret_port untouched, if all are. */
bool berth_port_set_pick_absent(const struct berth_port_set *set, struct berth_random *random,
				unsigned *ret_port);

#endif
