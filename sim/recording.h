/* SPDX-License-Identifier: MIT
 *
 * A recording of what programs asked of their host: binds, connects, closes, and when.
 *
 * The file, all numbers little-endian, "varint" as in LEB128 (seven bits a byte, the lowest first, the top
 * bit set on all but the last; at most ten bytes):
 *
 *	header	"berthrec"	8 bytes
 *		version		1 byte: 1
 *		flags		1 byte: bit 0, addresses are hashed; the others 0
 *		range		2 bytes each, the first and the last port that the host hands out; 0: not known
 *		TIME_WAIT	2 bytes, the seconds it lasts there; 0: not known
 *
 *	then, one after another to the end of the file, each
 *		kind		1 byte, see enum sim_record_kind
 *		time		varint, microseconds since the record before (the first: since the start)
 *	and by its kind
 *	  1 destination	16 bytes of address (IPv4 v4-mapped, core/address.h; or hashed), 2 bytes of port. Named
 *			once, before its first connect; numbered from 0 in this order. One that is connected
 *			to from several local addresses is named once for each: these share no 4-tuple
 *	  2 bind	varint socket, 2 bytes of port; 0: any, and if the socket listens, a second one says on which
 *	  3 connect	varint socket, varint destination
 *	  4 close	varint socket, 1 byte: 0 closed here first, 1 by the peer, 2 no TIME_WAIT (enum
 *			sim_closer); 3: what was asked for last, a connect or a bind to port 0, failed for want
 *			of a port
 *
 * A socket's number is below SIM_SOCKETS_MAX; its first record opens it, close ends it, and then the number
 * may be used again. A connection of a short life is 10 bytes or so. What there is when the recording begins
 * is at time 0: ports that are reserved, and sockets with a port, as binds; connections; and those in
 * TIME_WAIT, as connections that are closed at once.
 *
 * Whoever writes appends whole records only, so what lies in the file is a recording at any time. A file that
 * was cut ends in a part of a record: what comes before it can be used.
 *
 * The reader trusts nothing: each record is checked whole before it is given. Neither allocates anything.
 */
#ifndef BERTH_SIM_RECORDING_H
#define BERTH_SIM_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "sim/host.h"

#define SIM_RECORDING_MAGIC   "berthrec"
#define SIM_RECORDING_VERSION 1u
#define SIM_RECORDING_HASHED  1u /* flag */
#define SIM_RECORDING_HEADER  16u
#define SIM_SOCKETS_MAX	      1048576u
#define SIM_RECORDING_NO_PORT 3u /* in a close */
/* Room for the longest record. */
#define SIM_RECORD_BYTES      32u

/* A recording lasts at most a year. */
#define SIM_RECORDING_MAX_US (366ull * 24 * 3600 * 1000000)

enum sim_record_kind {
	SIM_RECORD_END, /* of the file; not in it */
	SIM_RECORD_DESTINATION,
	SIM_RECORD_BIND,
	SIM_RECORD_CONNECT,
	SIM_RECORD_CLOSE,
	SIM_RECORD_BAD, /* not in it either: the file is wrong, see fault */
};

struct sim_record {
	uint64_t at_ns;		     /* since the start */
	struct berth_endpoint named; /* SIM_RECORD_DESTINATION */
	uint32_t socket;	     /* the others */
	uint32_t destination;	     /* SIM_RECORD_CONNECT */
	uint16_t port;		     /* SIM_RECORD_BIND */
	enum sim_closer closer;	     /* SIM_RECORD_CLOSE; SIM_RESET if no_port */
	bool no_port;		     /* what was asked for last failed for want of a port */
};

/* What the header says of the host. */
struct sim_recorded_host {
	bool hashed;
	uint16_t first, last; /* the range of ports, both included; 0: not known */
	uint16_t time_wait_s; /* 0: not known */
};

struct sim_recording {
	const uint8_t *data; /* the caller's */
	size_t size;
	size_t offset; /* of the next record; of the wrong one, after SIM_RECORD_BAD */
	uint64_t now_us;
	uint32_t destinations; /* named so far */
	struct sim_recorded_host host;
	const char *fault; /* what is wrong, a phrase; NULL: nothing so far */
	bool cut;	   /* and it is only that the file ends within a record */
};

/* Begins to read size bytes. False, and fault says why, if they do not begin as a recording does. */
bool sim_recording_open(struct sim_recording *recording, const uint8_t *data, size_t size);

/* Reads the next record. After SIM_RECORD_END and SIM_RECORD_BAD it gives the same again. */
enum sim_record_kind sim_recording_next(struct sim_recording *recording, struct sim_record *ret_record);

/* A recording in the making. Fields are private; the zero-filled struct is one that has its header. */
struct sim_recording_writer {
	uint64_t now_us;
	uint32_t destinations;
};

/* Writes the header, SIM_RECORDING_HEADER bytes. */
void sim_recording_begin(struct sim_recording_writer *writer, const struct sim_recorded_host *host,
			 uint8_t ret_bytes[SIM_RECORDING_HEADER]);

/* Writes a record and returns its size; or 0, and nothing, if no reader would take it: too late, too large a
 * number, a destination too many or not named. A time before that of the record before is taken for that. */
size_t sim_recording_put(struct sim_recording_writer *writer, enum sim_record_kind kind,
			 const struct sim_record *record, uint8_t ret_bytes[SIM_RECORD_BYTES]);

#endif
