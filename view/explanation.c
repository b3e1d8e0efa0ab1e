/* SPDX-License-Identifier: MIT */
#include "view/explanation.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>

#include "host/socket_table.h"

#define SAMPLES 8u

static const char *const verdict_names[] = { "at-once", "search", "take-over", "exhausted" };

static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == VIEW_EXHAUSTED + 1, "a name for each");

const char *view_verdict_name(enum view_verdict verdict)
{
	return verdict_names[verdict];
}

/* Whether connections to it use timestamps: asks about some that are established. 0 or negative errno. */
static int sample_timestamps(const struct view_snapshot *now, uint32_t number,
			     enum view_timestamps *ret_timestamps)
{
	const struct view_pair *pair = &now->destinations.pair[number];
	struct socket_table table = { 0 };
	int error = socket_table_open(&table);
	unsigned samples = 0;

	*ret_timestamps = VIEW_TIMESTAMPS_UNKNOWN;
	for (uint32_t i = 0; !error && i < now->rows && samples < SAMPLES; i++) {
		const struct view_row *row = &now->row[i];
		struct berth_endpoint local = { pair->local, row->port };
		struct socket_entry entry;

		if (row->destination != number || row->state != TCP_ESTABLISHED)
			continue;
		samples++;
		/* It may be gone by now. */
		if (socket_table_find(&table, &local, &pair->remote, &entry) || !entry.established)
			continue;
		*ret_timestamps = entry.timestamps ? VIEW_TIMESTAMPS_ON : VIEW_TIMESTAMPS_OFF;
		break;
	}
	socket_table_close(&table);
	return error;
}

/* The ports that connect() can have, in *ports, which holds the usable ones: those without a connection to the
 * destination, and where that is allowed those that can be taken over. */
static void leave_what_connect_can_have(const struct view_snapshot *now, uint32_t number, bool takes_over,
					struct berth_port_set *ports)
{
	for (uint32_t i = 0; i < now->rows; i++) {
		const struct view_row *row = &now->row[i];
		bool is_old = row->state == TCP_TIME_WAIT &&
			      row->remaining_ms + now->reuse.reuse_delay_ms <= VIEW_TIME_WAIT_MS;

		if (row->destination == number && !(takes_over && is_old))
			berth_port_set_remove(ports, row->port);
	}
}

/* How many ports the kernel looks at before it finds one of these: it starts anywhere, tries every second port of
 * the range, those that are as even or odd as the first, and then the others (__inet_hash_connect). */
static uint32_t expected_search(const struct port_sysctls *range, const struct berth_port_set *ports)
{
	uint32_t slots[2] = { 0 }, hits[2] = { 0 };

	for (unsigned port = range->first; port <= range->last; port++) {
		unsigned pass = (port - range->first) % 2;

		slots[pass]++;
		hits[pass] += berth_port_set_contains(ports, port);
	}
	return hits[0] ? (slots[0] + 1) / (hits[0] + 1) : slots[0] + (slots[1] + 1) / (hits[1] + 1);
}

static void judge(const struct view_snapshot *now, uint32_t number, struct view_explanation *explanation)
{
	struct berth_port_set ports = now->usable;

	leave_what_connect_can_have(now, number, explanation->takes_over, &ports);
	explanation->search = expected_search(&now->ports, &ports);
	if (berth_port_set_count(&ports) == 0)
		explanation->verdict = VIEW_EXHAUSTED;
	else if (explanation->outlook.free == 0)
		explanation->verdict = VIEW_TAKE_OVER;
	else
		explanation->verdict = explanation->search < VIEW_LONG_SEARCH ? VIEW_AT_ONCE : VIEW_SEARCH;
}

static void count_states(const struct view_snapshot *now, struct view_explanation *explanation)
{
	for (uint32_t i = 0; i < now->rows; i++) {
		const struct view_pair *pair = &now->destinations.pair[now->row[i].destination];

		if (!berth_endpoint_equal(&pair->remote, &explanation->pair.remote))
			continue;
		if (berth_address_equal(&pair->local, &explanation->pair.local))
			explanation->state[now->row[i].state < VIEW_STATES ? now->row[i].state : 0]++;
		else
			explanation->elsewhere++;
	}
}

/* What the rows say, where there are any. */
static int explain_connections(const struct view_snapshot *now, const struct view_snapshot *before,
			       uint32_t number, struct view_explanation *explanation)
{
	struct view_ages ages_before = { { 0 } };
	const struct view_pair *pair = &explanation->pair;
	int error = view_ages(now, &number, 1, &explanation->ages);

	if (!error && before) {
		uint32_t old = view_pair_index_find(&before->destinations, &pair->local, &pair->remote);

		if (old != VIEW_NO_PAIR)
			error = view_ages(before, &old, 1, &ages_before);
	}
	if (!error && now->ports.timestamps)
		error = sample_timestamps(now, number, &explanation->timestamps);
	if (error)
		return error;
	explanation->takes_over =
		view_takes_over(now, pair) && explanation->timestamps != VIEW_TIMESTAMPS_OFF;
	explanation->outlook =
		view_outlook(now, number, &explanation->ages, explanation->takes_over, before, &ages_before);
	explanation->waiting_per_s = view_waiting_per_s(&explanation->ages);
	return 0;
}

int view_explain(const struct view_snapshot *now, const struct view_snapshot *before,
		 const struct view_pair *pair, struct view_explanation *ret_explanation)
{
	uint32_t number = view_pair_index_find(&now->destinations, &pair->local, &pair->remote);
	struct view_explanation explanation = {
		.pair = *pair,
		.usable = berth_port_set_count(&now->usable),
		.fresh = view_fresh_ports(now, &pair->local, NULL),
		.timestamps = now->ports.timestamps ? VIEW_TIMESTAMPS_UNKNOWN : VIEW_TIMESTAMPS_OFF,
	};
	int error = 0;

	if (number == VIEW_NO_PAIR)
		explanation.outlook =
			(struct view_outlook){ .free = explanation.usable,
					       .seconds_left = explanation.usable ? INFINITY : 0 };
	else
		error = explain_connections(now, before, number, &explanation);
	if (error)
		return error;
	count_states(now, &explanation);
	judge(now, number, &explanation);
	*ret_explanation = explanation;
	return 0;
}
