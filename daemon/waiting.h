/* SPDX-License-Identifier: MIT
 *
 * The connections of a network namespace that are known to be in TIME_WAIT, oldest first.
 *
 * Theory of operation
 *
 * The order is kept by libberth's table (core/time_wait.h). That belongs to one local address, and here are those of all; but each
 * connection has a number of its own, the cookie, which the kernel knows it by as well. So the table is told the
 * cookie, whose 64 bits are those of an IPv4 address and two ports, and what else is known of a connection lies in an
 * array beside the table, by its slot. 88 bytes for each that is in, IPv4 or IPv6.
 *
 * It may name some that have gone: taken over, or ended by a reset, of which nobody is told. The kernel says so when they are to
 * be ended.
 */
#ifndef BERTH_DAEMON_WAITING_H
#define BERTH_DAEMON_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "host/left_over.h"

struct berth_time_wait;

/* The zero-filled struct is empty, without room. */
struct waiting {
	struct berth_time_wait *table;
	struct left_over *who; /* by slot; 0 is none */
};

/* Makes room. 0 or negative errno. */
int waiting_init(struct waiting *waiting, uint32_t capacity);
void waiting_free(struct waiting *waiting);

uint32_t waiting_count(const struct waiting *waiting);

/* Enters a connection with a cookie, if it is not in: the newest, whatever entered_ns, nanoseconds of CLOCK_MONOTONIC; an earlier
 * time than the last one's is taken for the last one's. Without room the oldest leaves the table. Whether it was not in. */
bool waiting_enter(struct waiting *waiting, const struct left_over *who, uint64_t entered_ns);

/* When the one with that cookie entered; 0 if it is not in. */
uint64_t waiting_entered(const struct waiting *waiting, uint64_t cookie);

/* When the oldest entered; UINT64_MAX if there is none. */
uint64_t waiting_oldest(const struct waiting *waiting);

/* Takes out the oldest among those that entered at until_ns or before, at most `most` of them; ret_gone has room for these.
 * How many. */
unsigned waiting_take_oldest(struct waiting *waiting, uint64_t until_ns, unsigned most,
			     struct left_over ret_gone[]);

#endif
