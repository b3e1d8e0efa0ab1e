/* SPDX-License-Identifier: MIT
 *
 * The inside of a port space, shared by what keeps it (port_space.c) and what picks from it (pick.c).
 *
 * Private to core.
 */
#ifndef BERTH_SPACE_H
#define BERTH_SPACE_H

#include "core/port_list.h"
#include "core/port_space.h"

/* Theory of operation
 *
 *	struct berth_space | TIME_WAIT table | destinations
 *
 * For each port: how many live connections, connections in TIME_WAIT and holders are on it. From these
 * numbers, and from whether the port may be given at all, follow the sets that a pick needs. settle_port()
 * brings the sets up to date with the numbers of one port; every change ends with it, so a pick never looks
 * at the numbers.
 *
 *	usable		in the range and not reserved
 *	busy		has anything on it (usable or not)
 *	fresh		usable, not busy (a list: every pick begins here)
 *	shareable	usable, busy, no holder that does not share
 *	waiting		usable, in TIME_WAIT, no live connection, no holder
 *	unused		fresh or waiting, in order, for policy legacy
 *
 * fresh and shareable are disjoint; waiting is a part of shareable; shareable and the ports of any
 * destination are parts of busy.
 *
 * Exact and not: the numbers and the TIME_WAIT table are exact. The destinations may forget. A forgotten
 * connection is still counted on its port, which so never looks fresher than it is; what is lost is that
 * rank shared does not avoid it. If it is in TIME_WAIT the pick notices by itself; if it is live the kernel
 * refuses the port, and the caller's refuse makes it known again.
 *
 * "Longest waiting" among the waiting ports is the order in which they became so: by their latest
 * connection entering TIME_WAIT, or by the last live connection or holder going, whichever was later. It
 * is how long a port was left alone that matters, and so the order is a queue and costs no search. Ports
 * that become usable by a change of the range join it in the order of their numbers.
 */
struct port {
	uint32_t live;
	uint32_t time_wait;
	uint32_t holders; /* that do not share */
	uint32_t sharers;
	uint16_t longer; /* neighbours in the queue of waiting ports; port 0 is the queue's head */
	uint16_t shorter;
};

struct berth_space {
	struct berth_random random;
	struct berth_time_wait *time_wait;
	struct berth_destinations *destinations;
	enum berth_policy policy;
	unsigned cursor;    /* where legacy looks next */
	uint64_t now_ns;    /* the largest ever told */
	uint64_t expiry_ns; /* nobody's TIME_WAIT ends before; UINT64_MAX if nobody is in it */
	uint32_t max_tcbs;
	uint64_t verdicts[BERTH_VERDICTS];
	uint64_t collisions;
	uint64_t evicted;
	struct berth_port_set usable;
	struct berth_port_set busy;
	struct berth_port_set shareable;
	struct berth_port_set waiting;
	struct berth_port_set unused;
	struct berth_port_list fresh;
	struct port port[BERTH_PORTS];
};

#endif
