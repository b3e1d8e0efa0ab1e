/* SPDX-License-Identifier: MIT
 *
 * Choosing a port: the ranks and the policies.
 *
 * Theory of operation
 *
 * fresh is one load from a list that is kept ready. shared is a select in what is shareable less the
 * destination's ports, exactly uniform in either form of a destination:
 *	few ports	select in shareable, stepping over the few;
 *	a bitmap	select in busy less the destination's (a part of busy), stepping over the busy ports that
 *			are not shareable: listeners, and ports outside the range. If there are more than
 *			16 of these, one look at the 1,024 words of the sets (about 1 us).
 *
 * A destination that was forgotten looks as if all ports were free of it. Once any was, a shared port is
 * looked up in the TIME_WAIT table as well, and another taken if it is there, at most 16 times.
 *
 * waiting, destination known: its ports in TIME_WAIT, on which nobody sits who does not share. That a port
 * has live connections to other destinations does not count against it, as it does not in shared. The very
 * oldest could only be found by a list for each destination (6 bytes more a connection). Instead: the first
 * of the 16 connections longest in TIME_WAIT that is one of these; when all ports of a destination are in
 * TIME_WAIT it is mostly among them. If not, the oldest of 16 ports taken at random: on average among the
 * oldest 6 in 100. Which of its ports comes next is then no more foreseeable than RFC 6056 asks; and since
 * it cannot be used before TIME_WAIT ends without the peer's consent, order matters more than surprise.
 *
 * waiting, destination not known: the queue of core/space.h, exactly.
 */
#include <assert.h>

#include "core/port_space.h"
#include "core/port_word.h"
#include "core/space.h"

#define TRIES 16u

static const char *const verdict_names[] = {
	[BERTH_FRESH] = "fresh",
	[BERTH_SHARED] = "shared",
	[BERTH_WAITING] = "waiting",
	[BERTH_EXHAUSTED] = "exhausted",
	[BERTH_ALL_RESERVED] = "all-reserved",
};
static const char *const connect_verdict_names[] = {
	[BERTH_CONNECTED] = "connected",
	[BERTH_TIME_WAIT_COLLISION] = "time-wait-collision",
	[BERTH_IN_USE] = "in-use",
};
static const char *const policy_names[] = {
	[BERTH_POLICY_BERTH] = "berth",
	[BERTH_POLICY_SP1] = "sp1",
	[BERTH_POLICY_LEGACY] = "legacy",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
static_assert(COUNT(verdict_names) == BERTH_VERDICTS, "a name for each verdict");
static_assert(COUNT(connect_verdict_names) == BERTH_CONNECT_VERDICTS, "a name for each verdict");
static_assert(COUNT(policy_names) == BERTH_POLICY_LEGACY + 1, "a name for each policy");

const char *berth_verdict_name(enum berth_verdict verdict)
{
	assert((unsigned)verdict < COUNT(verdict_names));
	return verdict_names[verdict];
}

const char *berth_connect_verdict_name(enum berth_connect_verdict verdict)
{
	assert((unsigned)verdict < COUNT(connect_verdict_names));
	return connect_verdict_names[verdict];
}

const char *berth_policy_name(enum berth_policy policy)
{
	assert((unsigned)policy < COUNT(policy_names));
	return policy_names[policy];
}

static bool same_text(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool berth_policy_find(const char *name, enum berth_policy *ret_policy)
{
	for (unsigned i = 0; i < COUNT(policy_names); i++) {
		if (!same_text(name, policy_names[i]))
			continue;
		*ret_policy = (enum berth_policy)i;
		return true;
	}
	return false;
}

/* Ports to step over, by their rank in what is selected from; ascending. */
struct skips {
	uint32_t rank[TRIES];
	unsigned count;
};

/* The k-th rank that is not skipped. */
static uint32_t step_over(const struct skips *skips, uint32_t k)
{
	for (unsigned i = 0; i < skips->count && skips->rank[i] <= k; i++)
		k++;
	return k;
}

static_assert(BERTH_FEW_PORTS <= TRIES, "few ports can be stepped over");

static bool share_beside_few(struct berth_space *space, const struct berth_destination_ports *taken,
			     unsigned *ret_port)
{
	const struct berth_port_set *set = &space->shareable;
	struct skips skips = { .count = 0 };
	uint32_t left, k;

	for (unsigned i = 0; i < taken->count; i++)
		if (berth_port_set_contains(set, taken->few[i]))
			skips.rank[skips.count++] = berth_port_set_rank(set, taken->few[i]);
	left = berth_port_set_count(set) - skips.count;
	if (left == 0)
		return false;
	k = berth_random_below(&space->random, left);
	*ret_port = berth_port_set_select(set, step_over(&skips, k));
	return true;
}

/* One of the members of a that are in b (with) or are not (without), each with the same chance, by looking
 * at all. False if there is none. */
static bool pick_by_looking(struct berth_space *space, const struct berth_port_set *a,
			    const struct berth_port_set *b, bool with, unsigned *ret_port)
{
	uint64_t flip = with ? 0 : UINT64_MAX;
	uint32_t left = 0, k;

	for (unsigned i = 0; i < BERTH_PORTS / 64; i++)
		left += berth_word_count(a->word[i] & (b->word[i] ^ flip));
	if (left == 0)
		return false;
	k = berth_random_below(&space->random, left);
	for (unsigned i = 0;; i++) {
		uint64_t word = a->word[i] & (b->word[i] ^ flip);
		unsigned count = berth_word_count(word);

		if (k < count) {
			*ret_port = i * 64 + berth_word_select(word, k);
			return true;
		}
		k -= count;
	}
}

static bool share_beside_bitmap(struct berth_space *space, const struct berth_port_set *taken,
				unsigned *ret_port)
{
	uint32_t others = berth_port_set_count(&space->busy) - berth_port_set_count(&space->shareable);
	struct skips skips = { .count = 0 };
	uint32_t left, k;

	if (others > TRIES)
		return pick_by_looking(space, &space->shareable, taken, false, ret_port);
	for (uint32_t i = 0; i < others; i++) {
		unsigned port = berth_port_set_select_difference(&space->busy, &space->shareable, i);

		if (!berth_port_set_contains(taken, port))
			skips.rank[skips.count++] =
				berth_port_set_rank(&space->busy, port) - berth_port_set_rank(taken, port);
	}
	left = berth_port_set_count(&space->busy) - berth_port_set_count(taken) - skips.count;
	if (left == 0)
		return false;
	k = berth_random_below(&space->random, left);
	*ret_port = berth_port_set_select_difference(&space->busy, taken, step_over(&skips, k));
	return true;
}

static bool pick_shared(struct berth_space *space, const struct berth_destination_ports *taken,
			unsigned *ret_port)
{
	if (taken->all != NULL)
		return share_beside_bitmap(space, taken->all, ret_port);
	return share_beside_few(space, taken, ret_port);
}

/* Whether destination was forgotten and port is in TIME_WAIT with it, which the table of those knows; then the
 * destination knows it again. */
static bool was_forgotten(struct berth_space *space, unsigned port, const struct berth_endpoint *destination)
{
	struct berth_tuple tuple = { *destination, (uint16_t)port };

	if (berth_destinations_forgotten(space->destinations) == 0 ||
	    berth_time_wait_find(space->time_wait, &tuple) == 0)
		return false;
	berth_destinations_put(space->destinations, destination, port, BERTH_TIME_WAIT);
	return true;
}

/* The oldest connection to destination among the TRIES that are longest in TIME_WAIT. */
static bool pick_longest_waiting(const struct berth_space *space, const struct berth_endpoint *destination,
				 unsigned *ret_port)
{
	uint32_t slot = berth_time_wait_oldest(space->time_wait);

	for (unsigned i = 0; i < TRIES && slot != 0; i++) {
		struct berth_tuple tuple;

		berth_time_wait_get(space->time_wait, slot, &tuple);
		if (berth_endpoint_equal(&tuple.remote, destination) &&
		    berth_port_set_contains(&space->shareable, tuple.local_port)) {
			*ret_port = tuple.local_port;
			return true;
		}
		slot = berth_time_wait_younger(space->time_wait, slot);
	}
	return false;
}

/* The i-th port to compare: each of few that waits, or any that waits. 0: skip it. */
static unsigned candidate(struct berth_space *space, const struct berth_destination_ports *taken, unsigned i)
{
	unsigned port = 0;

	if (taken->all != NULL)
		berth_port_set_pick(taken->waiting, &space->random, &port);
	else if (i < taken->count && taken->few_time_wait >> i & 1)
		port = taken->few[i];
	return berth_port_set_contains(&space->shareable, port) ? port : 0;
}

static bool pick_oldest_candidate(struct berth_space *space, const struct berth_endpoint *destination,
				  const struct berth_destination_ports *taken, unsigned *ret_port)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < TRIES; i++) {
		struct berth_tuple tuple = { .remote = *destination };
		uint64_t entered;

		tuple.local_port = (uint16_t)candidate(space, taken, i);
		if (tuple.local_port == 0)
			continue;
		entered = berth_time_wait_entered(space->time_wait,
						  berth_time_wait_find(space->time_wait, &tuple));
		if (entered >= oldest)
			continue;
		oldest = entered;
		*ret_port = tuple.local_port;
	}
	return oldest != UINT64_MAX;
}

static bool pick_waiting(struct berth_space *space, const struct berth_endpoint *destination,
			 const struct berth_destination_ports *taken, unsigned *ret_port)
{
	if (taken->time_wait == 0)
		return false;
	if (pick_longest_waiting(space, destination, ret_port) ||
	    pick_oldest_candidate(space, destination, taken, ret_port))
		return true;
	return taken->all != NULL &&
	       pick_by_looking(space, taken->waiting, &space->shareable, true, ret_port);
}

static enum berth_verdict pick_for_anyone(struct berth_space *space, unsigned *ret_port)
{
	if (berth_port_list_pick(&space->fresh, &space->random, ret_port))
		return BERTH_FRESH;
	if (berth_port_set_count(&space->waiting) != 0) {
		*ret_port = space->port[0].shorter;
		return BERTH_WAITING;
	}
	if (berth_port_set_pick(&space->shareable, &space->random, ret_port))
		return BERTH_SHARED;
	return BERTH_EXHAUSTED;
}

static enum berth_verdict pick_for(struct berth_space *space, const struct berth_endpoint *destination,
				   unsigned *ret_port)
{
	struct berth_destination_ports taken;
	unsigned port;

	if (berth_port_list_pick(&space->fresh, &space->random, ret_port))
		return BERTH_FRESH;
	for (unsigned tries = 0;; tries++) {
		berth_destinations_find(space->destinations, destination, &taken);
		if (tries == TRIES || !pick_shared(space, &taken, &port))
			break;
		if (was_forgotten(space, port, destination))
			continue;
		*ret_port = port;
		return BERTH_SHARED;
	}
	if (pick_waiting(space, destination, &taken, ret_port))
		return BERTH_WAITING;
	return BERTH_EXHAUSTED;
}

static enum berth_verdict pick_sp1(struct berth_space *space, unsigned *ret_port)
{
	if (berth_port_list_pick(&space->fresh, &space->random, ret_port))
		return BERTH_FRESH;
	/* With no fresh port left, every port that nobody uses is in TIME_WAIT. */
	if (berth_port_set_pick(&space->waiting, &space->random, ret_port))
		return BERTH_WAITING;
	return BERTH_EXHAUSTED;
}

static enum berth_verdict pick_legacy(struct berth_space *space, unsigned *ret_port)
{
	if (!berth_port_set_next(&space->unused, space->cursor, ret_port) &&
	    !berth_port_set_next(&space->unused, 1, ret_port))
		return BERTH_EXHAUSTED;
	space->cursor = *ret_port + 1;
	return berth_port_set_contains(&space->waiting, *ret_port) ? BERTH_WAITING : BERTH_FRESH;
}

static enum berth_verdict pick(struct berth_space *space, const struct berth_endpoint *destination,
			       unsigned *ret_port)
{
	if (berth_port_set_count(&space->usable) == 0)
		return BERTH_ALL_RESERVED;
	switch (space->policy) {
	case BERTH_POLICY_SP1:
		return pick_sp1(space, ret_port);
	case BERTH_POLICY_LEGACY:
		return pick_legacy(space, ret_port);
	case BERTH_POLICY_BERTH:
		break;
	}
	return destination != NULL ? pick_for(space, destination, ret_port)
				   : pick_for_anyone(space, ret_port);
}

enum berth_verdict berth_space_pick(struct berth_space *space, const struct berth_endpoint *destination,
				    uint64_t now_ns, unsigned *ret_port)
{
	enum berth_verdict verdict;

	berth_space_expire(space, now_ns);
	verdict = pick(space, destination, ret_port);
	space->verdicts[verdict]++;
	return verdict;
}
