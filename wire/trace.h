/* SPDX-License-Identifier: MIT
 *
 * What the eBPF program of `berth record` (bpf/trace.bpf.c) reports: one of these for each act of a TCP socket of one
 * network namespace, in the ring `traced`.
 */
#ifndef BERTH_WIRE_TRACE_H
#define BERTH_WIRE_TRACE_H

#include <linux/types.h>

#define WIRE_TRACE_RING 8388608 /* bytes: 131,072 reports */

enum wire_act {
	WIRE_BOUND_TO,	  /* bind() succeeded: local_port is what was asked for, 0: any */
	WIRE_BIND_FAILED, /* bind() to port 0 did not */
	WIRE_LISTENS,	  /* on local_port */
	WIRE_CONNECTS,	  /* begins to, to the remote end */
	WIRE_REFUSED, /* connect() was refused for want of a port before the kernel began with it: by kernel mode */
	WIRE_ENDED,    /* what WIRE_LISTENS or WIRE_CONNECTS began, in the way of `end` */
	WIRE_RELEASED, /* closed by the program without a connection */
};

/* How a connection ended. */
enum wire_end {
	WIRE_END_HERE,	  /* this host closed first: TIME_WAIT follows */
	WIRE_END_PEER,	  /* the peer did */
	WIRE_END_RESET,	  /* reset, timed out, given up: no TIME_WAIT */
	WIRE_END_NO_PORT, /* connect() failed at once: there was no port for it */
	WIRE_END_TRIED,	  /* likewise, from a range of one port: another may be tried next */
};

struct wire_traced {
	__u64 cookie;			 /* SO_COOKIE */
	__u64 at_ns;			 /* CLOCK_MONOTONIC */
	__u32 local_be[4], remote_be[4]; /* IPv4 in its mapped form; 0 where not known */
	__u16 local_port, remote_port;
	__u8 act; /* enum wire_act */
	__u8 end; /* enum wire_end */
	__u8 pad[2];
};
_Static_assert(sizeof(struct wire_traced) == 56, "no hidden padding");

#endif
