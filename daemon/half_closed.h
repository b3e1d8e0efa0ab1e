/* SPDX-License-Identifier: MIT
 *
 * Connections that this side has closed and the other one not yet: FIN_WAIT_2. No event tells that they enter TIME_WAIT, so each is
 * looked at, soon for the first time, for most far ends close at once, and then once a second. So the order of those whose far
 * ends take their time is known to a second, of the others to 40 ms.
 *
 * Two queues, each in the order of time, as all in it wait equally long.
 */
#ifndef BERTH_DAEMON_HALF_CLOSED_H
#define BERTH_DAEMON_HALF_CLOSED_H

#include <stdbool.h>
#include <stdint.h>

#include "host/left_over.h"

#define HALF_CLOSED_FIRST_NS 40000000u
#define HALF_CLOSED_LATER_NS 1000000000u
/* Of each queue. The kernel has no more than tcp_max_tw_buckets of them. */
#define HALF_CLOSED_MAX	     4194304u

struct half_closed_one {
	struct left_over who;
	uint64_t since_ns; /* in the queue */
};

/* The zero-filled struct is empty. */
struct half_closed {
	struct half_closed_queue {
		struct half_closed_one *ring;
		uint32_t room, first, count; /* room: a power of two, or 0 */
	} fresh, later;
};

void half_closed_free(struct half_closed *half_closed);

uint32_t half_closed_count(const struct half_closed *half_closed);

/* To be looked at soon (again false), or after a second. False: no memory, or too many; it is not in. */
bool half_closed_add(struct half_closed *half_closed, const struct left_over *who, uint64_t now_ns,
		     bool again);

/* Takes out those whose time has come, at most `most`. How many. */
unsigned half_closed_take(struct half_closed *half_closed, uint64_t now_ns, unsigned most,
			  struct left_over ret_due[]);

#endif
