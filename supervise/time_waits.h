/* SPDX-License-Identifier: MIT
 *
 * The connections in TIME_WAIT that a dump has shown, to be had oldest first; and, where ports are to be kept away from a
 * destination for longer than the kernel's 60 seconds (TcpTimedWaitDelay), those that it has let go since.
 *
 * Theory of operation
 *
 * Spaces want connections in TIME_WAIT oldest first. A dump has them in no order, so they are kept in lists, one for each
 * second that they may have left, until it is complete.
 *
 * That a TIME_WAIT has ended is told by its absence from the next dump. Was it 60 seconds old by then, its time was over, and it goes
 * from the last dump's list to the new one's, with the time at which it entered, as long as the delay lasts; was it younger, somebody
 * has ended it, and it is forgotten. (Younger by more than it took to read the dump that it was seen in: on a busy machine a
 * connection looks younger than it is.) So there must be a dump at least every TIME_WAITS_DUMP_NS, whether anybody asks for
 * ports or not, or a TIME_WAIT comes and goes unseen. One that is there after all, as late segments have restarted it or the
 * kernel was late, is in the list twice; who takes them oldest first has the later one last.
 *
 * Memory: two lists of at most TIME_WAITS_MAX, 12 MB, of which untouched pages cost nothing. Where there are more, those that the
 * kernel has let go are forgotten first.
 */
#ifndef BERTH_SUPERVISE_TIME_WAITS_H
#define BERTH_SUPERVISE_TIME_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/settings.h"

#define TIME_WAITS_MAX	    131072u
#define TIME_WAITS_DUMP_NS  20000000000ull
#define TIME_WAIT_KERNEL_NS 60000000000ull /* TCP_TIMEWAIT_LEN (include/net/tcp.h): compiled in */

struct seen_time_wait {
	uint64_t entered_ns;
	struct berth_endpoint local, remote;
	uint32_t following; /* in its list; 0: the last */
};

struct time_wait_list {
	struct seen_time_wait *entry; /* [0] is no one */
	uint32_t count;		      /* with it */
	uint64_t late_ns;	      /* so long at most after the kernel had told of it was one seen */
};

struct time_waits {
	uint64_t delay_ns;		    /* at least TIME_WAIT_KERNEL_NS */
	uint64_t began_ns;		    /* this dump */
	struct time_wait_list seen, before; /* of this dump, of the one before */
	uint32_t inherited;		    /* so many of those before have been looked at */
	uint32_t second;		    /* the list from which the next one is taken */
	uint32_t left_s[BERTH_TIMED_WAIT_DELAY_MAX + 1];
};

/* Keeps connections for delay_s; 0: for the kernel's own 60 seconds. The struct is to be zero-filled. 0 or -ENOMEM. */
int time_waits_open(struct time_waits *waits, unsigned delay_s);

/* Whether connections are remembered that the kernel has let go. */
static inline bool time_waits_keeps(const struct time_waits *waits)
{
	return waits->delay_ns > TIME_WAIT_KERNEL_NS;
}

/* A dump begins, before the kernel is asked; one that was under way is as if it had not been. */
void time_waits_begin(struct time_waits *waits, uint64_t now_ns);

/* It shows a connection, of whose 60 seconds remaining_ns were left, now or earlier: it may leave late by that, never early. */
void time_waits_see(struct time_waits *waits, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote, uint64_t remaining_ns, uint64_t now_ns);

/* After the last one: looks at no more than `most` of those before. Whether that was all: then they can be taken. */
bool time_waits_inherit(struct time_waits *waits, uint32_t most, uint64_t now_ns);

/* The oldest that was not taken yet; it stays the struct's. NULL: there is no more, and the dump is complete. */
const struct seen_time_wait *time_waits_take(struct time_waits *waits);

#endif
