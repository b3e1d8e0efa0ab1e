/* SPDX-License-Identifier: MIT
 *
 * The events that administrators know from Windows, by their numbers there: 4231, ports ran out, and 4227, a connection in
 * TIME_WAIT was in the way. The eBPF program counts them for each destination (wire/kernel_mode.h, struct
 * wire_exhaustion).
 */
#ifndef BERTH_DAEMON_EVENT_H
#define BERTH_DAEMON_EVENT_H

#include "daemon/pinned.h"
#include "host/address_text.h"
#include "view/text.h"

enum event_kind {
	EVENT_PORTS_EXHAUSTED,
	EVENT_TIME_WAIT_COLLISION,
	EVENT_KINDS
};

/* What happened for one destination. */
struct event {
	enum event_kind kind;
	struct wire_destination to;
	uint64_t count;	  /* calls of connect() */
	uint64_t last_ns; /* CLOCK_MONOTONIC */
};

/* 4231, 4227; "ports-exhausted", "time-wait-collision"; what the calls found; what would help. Static. */
unsigned event_number(enum event_kind kind);
const char *event_name(enum event_kind kind);
const char *event_finding(enum event_kind kind);
const char *event_advice(enum event_kind kind);

/* "192.0.2.1:443" */
const char *event_remote_text(const struct wire_destination *to, char text[ENDPOINT_TEXT]);

/* Those of the last destinations, the latest first. How many. */
#define EVENTS_MAX (EVENT_KINDS * PINNED_EXHAUSTIONS)
unsigned events_read(const struct pinned_reader *reader, struct event ret_latest[EVENTS_MAX]);

/* How many calls there were since the hooks were attached, whatever the destination. */
uint64_t event_total(const struct pinned *pinned, enum event_kind kind);

#endif
