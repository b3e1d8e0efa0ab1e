/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 * A map of 65,536 bits under a tree of counts, thirty-two children to a node:
 *
 *	the set		32 blocks of 2,048 ports	before_block[b]		members in the blocks before b
 *	a block		32 words of 64 ports		before_word[b][w]	members of b in the words before w
 *
 * The counts are sums over what lies before ("exclusive prefix sums") and not the children's own: the
 * child that has the k-th member is then the last one whose sum is at most k. Thirty-two sums are four
 * vectors, so that is four compares, and an add or remove, which changes the sums of all later children, is
 * four additions. Each path is straight code without a loop that depends on what is in the set; that is why
 * a pick costs the same when one port is left as when all are.
 *
 * The sums of a difference are the differences of the sums, if the one set is a part of the other. So
 * selecting in "all ports but these" or "these ports but those" is the same walk with a subtraction.
 *
 * Refused: counting the words when needed (1,024 of them); sixteen children to a node and three levels
 * (fewer sums, but the walk is one long chain of dependences, and a third step makes it longer); a Fenwick
 * tree (as small, with sixteen steps in the chain); a list of members, which is faster to pick from but has
 * neither order nor differences (core/port_list.h, for the one set where that pays).
 */
#include "core/port_set.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "core/port_word.h"

#define FANOUT 32u
#define BLOCK  (FANOUT * 64u)

static_assert(FANOUT * BLOCK == BERTH_PORTS, "two levels of sums hold all words");

/* Thirty-two sums are four of these. */
typedef uint16_t lanes __attribute__((vector_size(16), aligned(2), may_alias));
typedef uint64_t halves __attribute__((vector_size(16), may_alias));

static const lanes lane_index[4] = { { 0, 1, 2, 3, 4, 5, 6, 7 },
				     { 8, 9, 10, 11, 12, 13, 14, 15 },
				     { 16, 17, 18, 19, 20, 21, 22, 23 },
				     { 24, 25, 26, 27, 28, 29, 30, 31 } };

/* Adds by to the sums of all children after child. */
static inline void move_sums(uint16_t sums[FANOUT], unsigned child, uint16_t by)
{
	lanes *v = (lanes *)sums;

	for (unsigned i = 0; i < 4; i++)
		v[i] += (lanes)(lane_index[i] > (uint16_t)child) & by;
}

/* One member more or less at port: what lies behind it has one more or less before it. */
static inline void count_port(struct berth_port_set *set, unsigned port, uint16_t by)
{
	move_sums(set->before_word[port / BLOCK], port / 64 % FANOUT, by);
	move_sums(set->before_block, port / BLOCK, by);
}

bool berth_port_set_add(struct berth_port_set *set, unsigned port)
{
	assert(port < BERTH_PORTS);
	if (berth_port_set_contains(set, port))
		return false;
	set->word[port / 64] |= 1ull << port % 64;
	count_port(set, port, 1);
	set->count++;
	return true;
}

bool berth_port_set_remove(struct berth_port_set *set, unsigned port)
{
	assert(port < BERTH_PORTS);
	if (!berth_port_set_contains(set, port))
		return false;
	set->word[port / 64] &= ~(1ull << port % 64);
	count_port(set, port, (uint16_t)-1);
	set->count--;
	return true;
}

void berth_port_set_add_range(struct berth_port_set *set, unsigned first, unsigned last)
{
	assert(first <= last && last < BERTH_PORTS);
	for (unsigned port = first; port <= last; port++)
		berth_port_set_add(set, port);
}

uint32_t berth_port_set_rank(const struct berth_port_set *set, unsigned port)
{
	assert(port <= BERTH_PORTS);
	if (port == BERTH_PORTS)
		return set->count;
	return set->before_block[port / BLOCK] + set->before_word[port / BLOCK][port / 64 % FANOUT] +
	       berth_word_count(set->word[port / 64] & ((1ull << port % 64) - 1));
}

/* The sums of the set of all ports, in which absent ports are selected. */
#define FOUR(n, size) (n) * (size), ((n) + 1) * (size), ((n) + 2) * (size), ((n) + 3) * (size)
#define EVERY(size)                                                                                          \
	{                                                                                                    \
		FOUR(0, size), FOUR(4, size), FOUR(8, size), FOUR(12, size), FOUR(16, size), FOUR(20, size), \
			FOUR(24, size), FOUR(28, size)                                                       \
	}
static const uint16_t all_blocks[FANOUT] = EVERY(BLOCK);
static const uint16_t all_words[FANOUT] = EVERY(64);

/* The last child whose sum is at most *k; *k becomes the rank within it. */
static inline unsigned descend(const uint16_t *sums, const uint16_t *without, uint32_t *k)
{
	const lanes *v = (const lanes *)sums, *w = (const lanes *)without;
	lanes at_most = { 0 };
	halves count;
	unsigned child;

	for (unsigned i = 0; i < 4; i++) {
		lanes sum = v[i];

		if (without != NULL)
			sum -= w[i];
		/* A lane that holds is -1, all bits set. */
		at_most -= (lanes)(sum <= (uint16_t)*k);
	}
	count = (halves)at_most;
	child = (unsigned)((count[0] + count[1]) * 0x0001000100010001ull >> 48) - 1;
	*k -= (uint16_t)(sums[child] - (without != NULL ? without[child] : 0));
	return child;
}

/* The k-th port of set, or of all ports if that is NULL, that is not in without, which may be NULL. Made
 * three times by the compiler, for the three ways in which it is called. */
static inline __attribute__((always_inline)) unsigned select_without(const struct berth_port_set *set,
								     const struct berth_port_set *without,
								     uint32_t k)
{
	unsigned block, word;
	uint64_t bits;

	block = descend(set ? set->before_block : all_blocks, without ? without->before_block : NULL, &k);
	word = descend(set ? set->before_word[block] : all_words,
		       without ? without->before_word[block] : NULL, &k);
	word += block * FANOUT;
	bits = (set ? set->word[word] : UINT64_MAX) & ~(without ? without->word[word] : 0);
	return word * 64 + berth_word_select(bits, k);
}

unsigned berth_port_set_select(const struct berth_port_set *set, uint32_t k)
{
	assert(k < set->count);
	return select_without(set, NULL, k);
}

unsigned berth_port_set_select_absent(const struct berth_port_set *set, uint32_t k)
{
	assert(k < BERTH_PORTS - set->count);
	return select_without(NULL, set, k);
}

unsigned berth_port_set_select_difference(const struct berth_port_set *set,
					  const struct berth_port_set *subset, uint32_t k)
{
	assert(k < set->count - subset->count);
	return select_without(set, subset, k);
}

bool berth_port_set_next(const struct berth_port_set *set, unsigned from, unsigned *ret_port)
{
	uint32_t rank = berth_port_set_rank(set, from);

	if (rank == set->count)
		return false;
	*ret_port = berth_port_set_select(set, rank);
	return true;
}

bool berth_port_set_pick(const struct berth_port_set *set, struct berth_random *random, unsigned *ret_port)
{
	if (set->count == 0)
		return false;
	*ret_port = berth_port_set_select(set, berth_random_below(random, set->count));
	return true;
}

bool berth_port_set_pick_absent(const struct berth_port_set *set, struct berth_random *random,
				unsigned *ret_port)
{
	if (set->count == BERTH_PORTS)
		return false;
	*ret_port = berth_port_set_select_absent(set, berth_random_below(random, BERTH_PORTS - set->count));
	return true;
}
