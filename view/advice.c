/* SPDX-License-Identifier: MIT
 *
 * What would help a destination that is short of ports, safest first.
 */
#include <assert.h>
#include <netinet/tcp.h>

#include "view/explanation.h"

/* Below that nothing is short. The kernel's search gets long from half of the range on. */
#define ENOUGH_PERCENT 40u
#define LONG_S	       3600.0

/* The largest range that RFC 6056 section 3.2 recommends. */
#define WIDEST_FIRST 1024u
#define WIDEST_LAST  (BERTH_PORTS - 1)

static const struct {
	const char *name;
	enum view_risk risk;
} advices[] = {
	[VIEW_CLOSE_WHEN_PEER_DID] = { "close-when-peer-did", VIEW_NO_RISK },
	[VIEW_KEEP_CONNECTIONS] = { "keep-connections", VIEW_NO_RISK },
	[VIEW_PEER_CLOSES] = { "peer-closes", VIEW_NO_RISK },
	[VIEW_BERTH_RUN] = { "berth-run", VIEW_NO_RISK },
	[VIEW_MORE_DESTINATIONS] = { "more-destinations", VIEW_NO_RISK },
	[VIEW_MORE_LOCALS] = { "more-local-addresses", VIEW_NO_RISK },
	[VIEW_WIDER_RANGE] = { "wider-range", VIEW_LOW_RISK },
	[VIEW_FEWER_RESERVED] = { "fewer-reserved", VIEW_LOW_RISK },
	[VIEW_TIMESTAMPS] = { "timestamps", VIEW_LOW_RISK },
	[VIEW_TW_REUSE] = { "tw-reuse", VIEW_MEDIUM_RISK },
	[VIEW_SHORTER_WAIT] = { "shorter-time-wait", VIEW_HIGH_RISK },
};

static_assert(sizeof(advices) / sizeof(advices[0]) == VIEW_ADVICES, "a row for each advice");

static const char *const risk_names[] = { "none", "low", "medium", "high" };

static_assert(sizeof(risk_names) / sizeof(risk_names[0]) == VIEW_HIGH_RISK + 1, "a name for each risk");

const char *view_advice_name(enum view_advice_id id)
{
	return advices[id].name;
}

const char *view_risk_name(enum view_risk risk)
{
	return risk_names[risk];
}

uint32_t view_wider_range(const struct view_snapshot *now, uint32_t *ret_listening)
{
	uint32_t gain = 0, listening = 0;

	for (unsigned port = WIDEST_FIRST; port <= WIDEST_LAST; port++) {
		if (port >= now->ports.first && port <= now->ports.last)
			continue;
		if (berth_port_set_contains(&now->listening, port))
			listening++;
		else if (!berth_port_set_contains(&now->ports.reserved, port))
			gain++;
	}
	*ret_listening = listening;
	return gain;
}

/* Reserved ports of the range that nobody listens on. */
static uint32_t reserved_for_nobody(const struct view_snapshot *now)
{
	uint32_t found = 0;

	for (unsigned port = now->ports.first; port <= now->ports.last; port++)
		found += berth_port_set_contains(&now->ports.reserved, port) &&
			 !berth_port_set_contains(&now->held, port);
	return found;
}

/* Ports towards the destination that one of them would bring; and whether it is of any use. */
static bool would_help(const struct view_snapshot *now, const struct view_explanation *explanation,
		       enum view_advice_id id, uint32_t *ret_gain)
{
	const struct view_outlook *outlook = &explanation->outlook;
	bool waits = outlook->waiting > 0 && !explanation->takes_over;
	uint32_t listening;

	*ret_gain = 0;
	switch (id) {
	case VIEW_CLOSE_WHEN_PEER_DID:
		*ret_gain = explanation->state[TCP_CLOSE_WAIT];
		return *ret_gain > 0;
	case VIEW_KEEP_CONNECTIONS:
	case VIEW_PEER_CLOSES:
	case VIEW_SHORTER_WAIT:
		*ret_gain = outlook->waiting;
		return waits;
	case VIEW_BERTH_RUN:
		*ret_gain = outlook->free > explanation->fresh ? outlook->free - explanation->fresh : 0;
		return *ret_gain > 0 || explanation->verdict == VIEW_SEARCH;
	case VIEW_MORE_DESTINATIONS:
	case VIEW_MORE_LOCALS:
		*ret_gain = explanation->usable;
		return true;
	case VIEW_WIDER_RANGE:
		*ret_gain = view_wider_range(now, &listening);
		return *ret_gain > 0;
	case VIEW_FEWER_RESERVED:
		*ret_gain = reserved_for_nobody(now);
		return *ret_gain > 0;
	case VIEW_TIMESTAMPS:
		*ret_gain = outlook->waiting;
		return waits && !now->ports.timestamps;
	case VIEW_TW_REUSE:
		*ret_gain = outlook->waiting;
		return waits && now->reuse.tw_reuse != TW_REUSE_ALWAYS &&
		       explanation->timestamps != VIEW_TIMESTAMPS_OFF;
	case VIEW_ADVICES:
		break;
	}
	return false;
}

static bool is_short(const struct view_explanation *explanation)
{
	const struct view_outlook *outlook = &explanation->outlook;

	return explanation->verdict != VIEW_AT_ONCE || outlook->seconds_left < LONG_S ||
	       outlook->blocked * 100u >= explanation->usable * ENOUGH_PERCENT ||
	       explanation->fresh * 100u < explanation->usable * (100 - ENOUGH_PERCENT);
}

size_t view_advise(const struct view_snapshot *now, const struct view_explanation *explanation,
		   struct view_advice ret_advice[VIEW_ADVICES])
{
	size_t count = 0;

	for (enum view_advice_id id = 0; is_short(explanation) && id < VIEW_ADVICES; id++) {
		uint32_t gain;

		if (would_help(now, explanation, id, &gain))
			ret_advice[count++] = (struct view_advice){ id, advices[id].risk, gain };
	}
	return count;
}
