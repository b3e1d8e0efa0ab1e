/* SPDX-License-Identifier: MIT
 *
 * What to do with a segment that arrives for a connection in TIME_WAIT.
 *
 * One function without state of its own, for stacks that keep TIME_WAIT themselves. It needs four values of
 * the old connection, which the stack keeps beside the TIME_WAIT table, at the same slot. An allocator that
 * never sees segments has no use for this file and pays nothing for it.
 */
#ifndef BERTH_SEGMENT_H
#define BERTH_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

/* What is left of the old connection, from this host's side. Sequence numbers are modulo 2^32. */
struct berth_segment_state {
	uint32_t snd_nxt;   /* behind our FIN */
	uint32_t rcv_nxt;   /* behind the peer's FIN */
	uint32_t ts_recent; /* the last timestamp seen from the peer; meaningless without timestamps */
	bool timestamps;    /* the connection used them (RFC 7323) */
};

#define BERTH_SEGMENT_FIN 0x01u
#define BERTH_SEGMENT_SYN 0x02u
#define BERTH_SEGMENT_RST 0x04u
#define BERTH_SEGMENT_ACK 0x10u

/* The segment, in host byte order. */
struct berth_segment {
	uint8_t flags;	 /* as in the TCP header; other bits are ignored */
	uint32_t seq;	 /* of the first byte, or of the SYN */
	uint32_t ack;	 /* with BERTH_SEGMENT_ACK */
	uint32_t length; /* bytes of data, SYN and FIN not counted */
	bool timestamp;	 /* it has the option, and for a SYN: the SYN,ACK would have it too */
	uint32_t tsval;	 /* with timestamp */
};

enum berth_segment_action {
	/* Say nothing, stay in TIME_WAIT. */
	BERTH_SEGMENT_DROP,
	/* Send <SEQ=snd_nxt><ACK=rcv_nxt><CTL=ACK>, stay, and let 2MSL run on. The stack limits the rate
	 * of these (RFC 5961 section 7). */
	BERTH_SEGMENT_SEND_ACK,
	/* The same, and restart 2MSL: berth_time_wait_restart. */
	BERTH_SEGMENT_SEND_ACK_RESTART,
	/* Take the SYN as that of a new connection: to SYN-RECEIVED, with an initial sequence number above
	 * snd_nxt (RFC 9293 MAY-2 (1)). Keep the state until the handshake is done, and return to TIME_WAIT
	 * if the SYN turns out to be an old duplicate (MAY-2 (2)). */
	BERTH_SEGMENT_REOPEN,
};
#define BERTH_SEGMENT_ACTIONS 4

/* "drop", "ack", "ack-restart", "reopen"; never NULL. Static strings. */
const char *berth_segment_action_name(enum berth_segment_action action);

/* Decides. Sources, in the order in which a segment meets them:
 *
 *	RST		dropped, RFC 1337 F1 (RFC 9293 would close: "TIME-WAIT assassination")
 *	SYN alone	RFC 6191 section 2, the whole table; its "silently drop" goes before the challenge ACK
 *			of RFC 5961, which that table does not know
 *	SYN with ACK or FIN	challenge ACK, RFC 5961 section 4
 *	old timestamp	ACK, RFC 7323 section 5.3 R1 (PAWS)
 *	the FIN again	ACK and 2MSL restarted, RFC 9293 section 3.10.7.4, eighth
 *	outside the window, or with data	ACK, RFC 9293 section 3.10.7.4, first; after a FIN the window is
 *			empty: rcv_nxt and no data is all that is acceptable
 *	ACK of what was never sent	ACK, RFC 5961 section 5
 *	anything else	dropped: an acceptable ACK must not be answered with an ACK (RFC 1337 H2) */
enum berth_segment_action berth_segment_decide(const struct berth_segment_state *state,
					       const struct berth_segment *segment);

#endif
