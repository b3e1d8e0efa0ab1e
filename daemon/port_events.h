/* SPDX-License-Identifier: MIT
 *
 * The events that administrators know from Windows: 4231, ports ran out (`ports-exhausted`), and 4227, a connection in TIME_WAIT
 * was in the way (`time-wait-collision`). A line on stderr for each destination, with how many calls it was and what would
 * help, and at most one a minute. The counts are the eBPF program's (wire/kernel_mode.h, struct wire_exhaustion), of which
 * `berth status` has the total.
 */
#ifndef BERTH_DAEMON_PORT_EVENTS_H
#define BERTH_DAEMON_PORT_EVENTS_H

#include <stdint.h>

#include "wire/kernel_mode.h"

#define PORT_EVENTS_EVERY_MS 1000

/* Destinations whose last line is remembered; when there are more, the longest unsaid is said anew. */
#define PORT_EVENTS_REMEMBERED 64u

struct port_events {
	const char *dir;       /* where the hooks are pinned */
	const void *variables; /* of the hooks, mapped */
	uint64_t begun_ns, looked_ns;
	uint64_t exhausted; /* calls, at the last look */
	struct port_events_said {
		struct wire_destination to;
		uint64_t count, collisions; /* of the call when it was said; */
		uint64_t said_ns;	    /* 0: nothing was */
	} said[PORT_EVENTS_REMEMBERED];
};

/* Begins with what happens from now on. Variables stay the caller's. */
void port_events_init(struct port_events *events, const char *dir, const void *variables);

/* Says what is new; does nothing if the last look was less than PORT_EVENTS_EVERY_MS ago. */
void port_events_look(struct port_events *events);

#endif
