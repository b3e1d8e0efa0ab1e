/* SPDX-License-Identifier: MIT */
#include "core/segment.h"

#include <assert.h>

static const char *const action_names[] = {
	[BERTH_SEGMENT_DROP] = "drop",
	[BERTH_SEGMENT_SEND_ACK] = "ack",
	[BERTH_SEGMENT_SEND_ACK_RESTART] = "ack-restart",
	[BERTH_SEGMENT_REOPEN] = "reopen",
};

static_assert(sizeof(action_names) / sizeof(action_names[0]) == BERTH_SEGMENT_ACTIONS,
	      "a name for each action");

const char *berth_segment_action_name(enum berth_segment_action action)
{
	assert((unsigned)action < BERTH_SEGMENT_ACTIONS);
	return action_names[action];
}

/* a > b modulo 2^32, for sequence numbers and timestamps. */
static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/* RFC 6191 section 2. "Greater" sequence numbers are compared with the peer's FIN, the last one seen. */
static enum berth_segment_action decide_syn(const struct berth_segment_state *state,
					    const struct berth_segment *segment)
{
	bool greater = after(segment->seq, state->rcv_nxt - 1);

	if (segment->timestamp && !state->timestamps)
		return BERTH_SEGMENT_REOPEN;
	if (segment->timestamp && segment->tsval != state->ts_recent)
		return after(segment->tsval, state->ts_recent) ? BERTH_SEGMENT_REOPEN : BERTH_SEGMENT_DROP;
	return greater ? BERTH_SEGMENT_REOPEN : BERTH_SEGMENT_DROP;
}

enum berth_segment_action berth_segment_decide(const struct berth_segment_state *state,
					       const struct berth_segment *segment)
{
	uint8_t flags = segment->flags;

	if (flags & BERTH_SEGMENT_RST)
		return BERTH_SEGMENT_DROP;
	if (flags & BERTH_SEGMENT_SYN)
		return flags & (BERTH_SEGMENT_ACK | BERTH_SEGMENT_FIN) ? BERTH_SEGMENT_SEND_ACK
								       : decide_syn(state, segment);
	if (state->timestamps && segment->timestamp && after(state->ts_recent, segment->tsval))
		return BERTH_SEGMENT_SEND_ACK;
	if (flags & BERTH_SEGMENT_FIN && flags & BERTH_SEGMENT_ACK &&
	    segment->seq + segment->length + 1 == state->rcv_nxt)
		return BERTH_SEGMENT_SEND_ACK_RESTART;
	if (segment->seq != state->rcv_nxt || segment->length != 0 || flags & BERTH_SEGMENT_FIN)
		return BERTH_SEGMENT_SEND_ACK;
	if (flags & BERTH_SEGMENT_ACK && after(segment->ack, state->snd_nxt))
		return BERTH_SEGMENT_SEND_ACK;
	return BERTH_SEGMENT_DROP;
}
