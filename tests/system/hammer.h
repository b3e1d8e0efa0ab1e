/* SPDX-License-Identifier: MIT
 *
 * The record that hammer writes and hammer_judge reads: who held which port for which destination, from when to when, and
 * which calls failed. One file of one size, mapped by all: each process has a lane of its own, which it alone writes.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC, ports in host byte order.
 */
#ifndef BERTH_TESTS_SYSTEM_HAMMER_H
#define BERTH_TESTS_SYSTEM_HAMMER_H

#include <stdbool.h>
#include <stdint.h>

#define HAMMER_LANES 32
#define HAMMER_CALLS 8192

enum hammer_role {
	CONNECTS, /* connect() alone */
	BINDS,	  /* bind(address, 0), then connect() */
	EXPLICIT, /* bind() to a port of its own choice with SO_REUSEADDR, then connect() */
	LISTENS,  /* bind(address, 0), then listen() */
	ROLES
};

struct hammer_call {
	uint64_t begin_ns, end_ns; /* of the call that got, or did not get, a port */
	uint64_t
		gone_ns; /* when the socket had been closed, which one that failed is at once; 0: it is not */
	uint16_t port;	 /* 0: none; one that failed may have had one until it was closed */
	uint16_t error;	 /* errno of what failed; 0: nothing */
	uint8_t destination;
	bool in_bind; /* it was bind() that failed */
};

struct hammer_lane {
	uint8_t role;
	bool inside; /* under Berth, if there is any */
	uint32_t count;
	struct hammer_call call[HAMMER_CALLS];
};

struct hammer_log {
	uint32_t lanes; /* given out */
	struct hammer_lane lane[HAMMER_LANES];
};

#endif
