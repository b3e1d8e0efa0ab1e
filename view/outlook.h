/* SPDX-License-Identifier: MIT
 *
 * How fast the ports towards a destination go, and when they are used up.
 *
 * Theory of operation
 *
 * When each port in TIME_WAIT comes back is known: the kernel says how long each has left. So what is still to
 * be guessed is only how many are taken a second, and that this goes on. From one look: the TIME_WAIT of the last ten
 * seconds, which are the connections that came to an end by this host's doing; one that stays open shows nothing of
 * its age. From two looks: the difference, plus what came back in between; a connection that the peer closed
 * gives its port back and is not counted as taken.
 *
 * The forecast walks the next minute second by second, since TIME_WAIT ends in bursts as it began in bursts. After it
 * what comes back is what enters TIME_WAIT now.
 */
#ifndef BERTH_VIEW_OUTLOOK_H
#define BERTH_VIEW_OUTLOOK_H

#include <stdbool.h>

#include "view/snapshot.h"

#define VIEW_AGES 60u

/* The usable ports in TIME_WAIT with a destination by the whole seconds they have left: left[0] those of
 * less than one second. */
struct view_ages {
	uint32_t left[VIEW_AGES];
};

/* Of `count` destinations by number, in one walk over the rows. 0 or -ENOMEM. */
int view_ages(const struct view_snapshot *snapshot, const uint32_t *number, size_t count,
	      struct view_ages *ret_ages);

/* Connections a second that entered TIME_WAIT, on the average of the last ten seconds. */
double view_waiting_per_s(const struct view_ages *ages);

/* True if connect() can take a tuple in TIME_WAIT over, so that TIME_WAIT keeps no port from it for longer than
 * reuse_delay_ms: tcp_tw_reuse allows it for these addresses, and timestamps are on (tcp_ipv4.c, tcp_twsk_unique). The
 * peer has to use timestamps as well. */
bool view_takes_over(const struct view_snapshot *snapshot, const struct view_pair *pair);

struct view_outlook {
	uint32_t used, waiting, free; /* ports */
	uint32_t blocked; /* ports that connect() cannot have: used, and waiting unless it takes them over */
	double taken_per_s;  /* NAN: not known */
	double seconds_left; /* until none is free; INFINITY: not at this rate; NAN: not known */
};

/* ages is of that destination. takes_over: TIME_WAIT keeps no port back. before is an earlier look and
 * ages_before of the same destination in it, or both are NULL. */
struct view_outlook view_outlook(const struct view_snapshot *now, uint32_t number,
				 const struct view_ages *ages, bool takes_over,
				 const struct view_snapshot *before, const struct view_ages *ages_before);

/* Until free ports are used up at taken_per_s, of which waiting_per_s go into TIME_WAIT, while those in
 * ages come back. INFINITY: not at this rate; NAN if taken_per_s is, unless there is none already. */
double view_seconds_left(uint32_t free_ports, const struct view_ages *ages, double taken_per_s,
			 double waiting_per_s);

#endif
