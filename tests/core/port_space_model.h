/* SPDX-License-Identifier: MIT
 *
 * The model of a port space: keeps every fact in plain arrays and looks at all of them each time.
 */
#ifndef BERTH_TESTS_CORE_PORT_SPACE_MODEL_H
#define BERTH_TESTS_CORE_PORT_SPACE_MODEL_H

#include "tests/core/test_space.h"

#define PORTS	 64u /* that are used at all; the range is a part of them */
#define NAMES	 7u  /* destinations; the last is "nobody", to whom ports are refused */
#define NOBODY	 (NAMES - 1)
#define CAPACITY 90u
#define SECOND	 1000000000ull
#define TICK_NS	 10000000ull
#define NO_PORT	 UINT32_MAX

struct connection {
	enum berth_connection_state state;
	uint64_t entered; /* in TIME_WAIT, whole ticks */
	uint64_t order;	  /* of entering */
};

struct model {
	struct connection at[PORTS][NAMES];
	uint32_t holders[PORTS], sharers[PORTS];
	bool usable[PORTS];
	bool was_waiting[PORTS];
	uint64_t alone_since[PORTS]; /* order */
	uint64_t order, now_ns, newest, delay_ns;
	uint32_t max_tcbs;
	enum berth_policy policy;
	unsigned cursor;
};

static struct model model;

static const struct berth_space_limits limits = { NAMES, NAMES, CAPACITY, true };

static struct berth_endpoint name(unsigned n)
{
	struct berth_endpoint endpoint = { berth_address_v4(0x0a000000 + n), 443 };

	if (n == NOBODY)
		return (struct berth_endpoint){ berth_address_v4(0), 0 };
	if (n % 2)
		endpoint.address.bytes[0] = 0xfd;
	return endpoint;
}

static unsigned count_state(unsigned i, enum berth_connection_state state)
{
	unsigned count = 0;

	for (unsigned n = 0; n < NAMES; n++)
		count += model.at[i][n].state == state;
	return count;
}

static bool is_busy(unsigned i)
{
	return count_state(i, BERTH_NO_CONNECTION) != NAMES || model.holders[i] != 0 || model.sharers[i] != 0;
}

static bool is_fresh(unsigned i)
{
	return model.usable[i] && !is_busy(i);
}

static bool is_shareable(unsigned i)
{
	return model.usable[i] && is_busy(i) && model.holders[i] == 0;
}

static bool is_waiting(unsigned i)
{
	return model.usable[i] && count_state(i, BERTH_TIME_WAIT) != 0 && count_state(i, BERTH_LIVE) == 0 &&
	       model.holders[i] == 0 && model.sharers[i] == 0;
}

/* After every change: who has just become a waiting port. */
static void notice_waiting(void)
{
	for (unsigned i = 0; i < PORTS; i++) {
		if (is_waiting(i) && !model.was_waiting[i])
			model.alone_since[i] = ++model.order;
		model.was_waiting[i] = is_waiting(i);
	}
}

static struct connection *model_oldest(unsigned *ret_port, unsigned *ret_name, uint64_t after)
{
	struct connection *oldest = NULL;

	for (unsigned i = 0; i < PORTS; i++) {
		for (unsigned n = 0; n < NAMES; n++) {
			struct connection *c = &model.at[i][n];

			if (c->state != BERTH_TIME_WAIT || c->order <= after ||
			    (oldest && c->order > oldest->order))
				continue;
			oldest = c;
			*ret_port = i;
			*ret_name = n;
		}
	}
	return oldest;
}

static unsigned time_wait_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PORTS; i++)
		count += count_state(i, BERTH_TIME_WAIT);
	return count;
}

static void model_expire(void)
{
	struct connection *oldest;
	unsigned i, n;

	while ((oldest = model_oldest(&i, &n, 0)) != NULL &&
	       oldest->entered + model.delay_ns <= model.now_ns) {
		oldest->state = BERTH_NO_CONNECTION;
		notice_waiting();
	}
}

static void model_evict_to(uint32_t count)
{
	unsigned i, n;

	while (time_wait_count() > count) {
		model_oldest(&i, &n, 0)->state = BERTH_NO_CONNECTION;
		notice_waiting();
	}
}

/* The connection, which is not live, enters TIME_WAIT or starts it anew. */
static void model_enter(unsigned i, unsigned n, uint64_t entered_ns)
{
	struct connection *c = &model.at[i][n];
	uint64_t tick = (entered_ns + TICK_NS - 1) / TICK_NS * TICK_NS;

	if (c->state != BERTH_TIME_WAIT) {
		if (model.max_tcbs == 0)
			return;
		model_evict_to(model.max_tcbs - 1);
	}
	if (tick > model.newest)
		model.newest = tick;
	c->state = BERTH_TIME_WAIT;
	c->entered = model.newest;
	c->order = ++model.order;
	model.alone_since[i] = ++model.order;
}

/* The only port that legacy may give. */
static unsigned legacy_port(void)
{
	for (unsigned step = 0; step < 2; step++)
		for (unsigned i = 0; i < PORTS; i++)
			if ((is_fresh(i) || is_waiting(i)) && (step == 1 || BASE + i >= model.cursor))
				return i;
	return NO_PORT;
}

static unsigned longest_alone(void)
{
	unsigned longest = NO_PORT;

	for (unsigned i = 0; i < PORTS; i++)
		if (is_waiting(i) &&
		    (longest == NO_PORT || model.alone_since[i] < model.alone_since[longest]))
			longest = i;
	return longest;
}

/* The only port that rank waiting may give towards n, or NO_PORT if it may be one of several: exact among the
 * 16 oldest connections, and among 16 ports. */
static unsigned oldest_towards(unsigned n)
{
	unsigned i, name_of, found = NO_PORT, ports = 0;
	const struct connection *c;
	uint64_t after = 0;

	for (unsigned tries = 0; tries < 16 && (c = model_oldest(&i, &name_of, after)) != NULL; tries++) {
		if (name_of == n && is_shareable(i))
			return i;
		after = c->order;
	}
	for (i = 0; i < PORTS; i++) {
		ports += model.at[i][n].state != BERTH_NO_CONNECTION;
		if (model.at[i][n].state != BERTH_TIME_WAIT || !is_shareable(i))
			continue;
		if (found == NO_PORT || model.at[i][n].order < model.at[found][n].order)
			found = i;
	}
	/* Entries of one tick are equally old. */
	for (i = 0; found != NO_PORT && i < PORTS; i++)
		if (i != found && model.at[i][n].state == BERTH_TIME_WAIT && is_shareable(i) &&
		    model.at[i][n].entered == model.at[found][n].entered)
			return NO_PORT;
	/* 9 .. 16 ports may still be a bitmap from when there were more. */
	return ports <= 8 ? found : NO_PORT;
}

static bool is_candidate(unsigned i, unsigned n, enum berth_verdict rank)
{
	bool known = n != NAMES;

	switch (rank) {
	case BERTH_FRESH:
		return is_fresh(i);
	case BERTH_SHARED:
		return is_shareable(i) && (!known || model.at[i][n].state == BERTH_NO_CONNECTION);
	case BERTH_WAITING:
		if (known && model.policy == BERTH_POLICY_BERTH)
			return is_shareable(i) && model.at[i][n].state == BERTH_TIME_WAIT;
		return is_waiting(i);
	default:
		return false;
	}
}

static bool has_candidate(unsigned n, enum berth_verdict rank)
{
	for (unsigned i = 0; i < PORTS; i++)
		if (is_candidate(i, n, rank))
			return true;
	return false;
}

/* The verdict; *ret_only is the port if there is no choice. n is NAMES if the destination is not known. */
static enum berth_verdict model_pick(unsigned n, unsigned *ret_only)
{
	static const enum berth_verdict known[] = { BERTH_FRESH, BERTH_SHARED, BERTH_WAITING };
	static const enum berth_verdict unknown[] = { BERTH_FRESH, BERTH_WAITING, BERTH_SHARED };
	bool berth = model.policy == BERTH_POLICY_BERTH;
	bool usable = false;

	*ret_only = NO_PORT;
	for (unsigned i = 0; i < PORTS; i++)
		usable |= model.usable[i];
	if (!usable)
		return BERTH_ALL_RESERVED;
	if (model.policy == BERTH_POLICY_LEGACY) {
		*ret_only = legacy_port();
		if (*ret_only == NO_PORT)
			return BERTH_EXHAUSTED;
		return is_fresh(*ret_only) ? BERTH_FRESH : BERTH_WAITING;
	}
	for (unsigned r = 0; r < (berth ? 3u : 2u); r++) {
		enum berth_verdict rank = berth && n != NAMES ? known[r] : unknown[r];

		if (!has_candidate(n, rank))
			continue;
		if (rank == BERTH_WAITING && berth)
			*ret_only = n == NAMES ? longest_alone() : oldest_towards(n);
		return rank;
	}
	return BERTH_EXHAUSTED;
}

#endif
