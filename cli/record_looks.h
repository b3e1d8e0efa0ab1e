/* SPDX-License-Identifier: MIT
 *
 * Recording by looking: the kernel's socket table (host/socket_table.h), again and again. Needs no privilege.
 *
 * A connection that this host closes first is in TIME_WAIT for a minute, with the time that it has been there: none is
 * missed, and when it was closed is known to some milliseconds. Missed is what the peer closed, or a reset ended, between
 * two looks; and whatever failed. When a connection began, and who closed one that left no TIME_WAIT, is known as well as
 * looks are frequent. Whether a port was bound by its number or any was asked for is not to be seen.
 */
#ifndef BERTH_CLI_RECORD_LOOKS_H
#define BERTH_CLI_RECORD_LOOKS_H

#include <stdint.h>

#include "cli/record_tape.h"

struct looks_item;

/* The zero-filled struct has not looked yet. Large. */
struct record_looks {
	struct tape *tape;
	struct record_sockets waiting; /* in TIME_WAIT, as the last look saw it; closed on the tape */
	struct berth_port_set
		listening;	 /* somebody has listened there, at any time: its TIME_WAIT outlasts it */
	struct looks_item *item; /* what this look has to tell */
	size_t items, room;
	uint64_t now_ns; /* of this look */
	uint64_t
		since_ns; /* who entered TIME_WAIT then or later is reported by somebody else; 0: nobody is */
	uint32_t look;	  /* counts */
	int error;
};

/* Looks, and tells the tape what is new and what has gone since the look before. 0 or negative errno. */
int record_looks_take(struct record_looks *looks);

void record_looks_free(struct record_looks *looks);

#endif
