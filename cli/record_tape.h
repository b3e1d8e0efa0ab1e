/* SPDX-License-Identifier: MIT
 *
 * The tape of berth record: what happens on the live host, told by cookie and address, as records in a file
 * (sim/recording.h).
 *
 * Only whole records are appended, and what is not known of a socket is left out, so the file is a recording at any time. Times
 * are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef BERTH_CLI_RECORD_TAPE_H
#define BERTH_CLI_RECORD_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/record_sockets.h"
#include "sim/recording.h"
#include "view/pair_index.h"

struct tape_sums {
	uint64_t connects, failed_connects;
	uint64_t binds, failed_binds;	/* the failed ones: to port 0 */
	uint64_t closed[SIM_RESET + 1]; /* connections, by enum sim_closer */
	/* At the start: connections, those in TIME_WAIT, bound or listening sockets, reserved ports. */
	uint64_t found, found_waiting, found_held, found_reserved;
	uint64_t left_out; /* connects and binds beyond what a recording can hold */
};

/* Private but for the first two groups. Large. */
struct tape {
	struct tape_sums sums;
	uint64_t size, max_size; /* of the file, with what is not written yet */
	bool is_full; /* the next record would have been beyond max_size: nothing is taken any more */
	int error;    /* negative errno: the file could not be written, likewise */

	/* To be set when it is open. */
	uint64_t start_ns;
	const struct berth_endpoint *only; /* NULL: connections to everybody */

	int fd;
	bool finding; /* what is told is found at the start */
	struct sim_recording_writer writer;
	struct record_sockets sockets;
	/* Of each pair its number in the recording; with the unspecified local address: the remote's last one. */
	struct view_pair_index pairs;
	uint32_t *destination;
	uint32_t destinations_room;
	bool hashed;
	struct berth_siphash_key key; /* thrown away with the tape */
	size_t used;		      /* of the buffer */
	uint8_t buffer[65536];
};

/* Makes the file, readable by its owner only; one that is there is left alone: -EEXIST. 0 or negative errno, and there is
 * nothing to close. */
int tape_open(struct tape *tape, const char *path, const struct sim_recorded_host *host, uint64_t max_size);

/* What is found at the start is told between these two, with the time of the start. */
void tape_begin_finding(struct tape *tape, const struct berth_port_set *reserved);
void tape_end_finding(struct tape *tape);

/* The socket is bound; port 0: to any. */
void tape_bind(struct tape *tape, uint64_t at_ns, uint64_t cookie, uint16_t port);
/* It listens on the port, which it may have been told to be bound to. */
void tape_listen(struct tape *tape, uint64_t at_ns, uint64_t cookie, uint16_t port);
/* A local address of zeros is one that is not known. */
void tape_connect(struct tape *tape, uint64_t at_ns, uint64_t cookie, const struct view_pair *pair);
/* The socket's connection, or its hold of a port, ends. What is not known is not recorded. */
void tape_end(struct tape *tape, uint64_t at_ns, uint64_t cookie, enum sim_closer closer);
/* What it asked for last failed for want of a port. */
void tape_fail(struct tape *tape, uint64_t at_ns, uint64_t cookie);

/* So did one try of it, of which another may follow: with it, it is one connect. */
void tape_try(struct tape *tape, uint64_t cookie);

/* Writes what is not written yet. */
void tape_flush(struct tape *tape);

/* Flushes and closes. */
void tape_close(struct tape *tape);

#endif
