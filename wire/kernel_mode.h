/* SPDX-License-Identifier: MIT
 *
 * What the eBPF program of kernel mode and the process that loads it share: settings one way, counters
 * the other. Both are global variables of the program, which the loader maps into its memory.
 *
 * Ports and counts are in host byte order, addresses in network byte order (_be).
 */
#ifndef BERTH_WIRE_KERNEL_MODE_H
#define BERTH_WIRE_KERNEL_MODE_H

#include <linux/types.h>

/* Local addresses of one family that a connection could get as its source. */
#define WIRE_SOURCES	      16
#define WIRE_TOO_MANY_SOURCES 255

/* Written by the loader at start and whenever one of them has changed, while the program reads: a call in that
 * instant may see some old and some new, and then gives a port that was right a moment ago. */
struct wire_settings {
	__u64 netns_cookie; /* SO_NETNS_COOKIE of the one network namespace that is steered */
	__u16 first, last;  /* ip_local_port_range, both included; 1 <= first <= last */
	__u8 source4_count; /* at most WIRE_SOURCES, or WIRE_TOO_MANY_SOURCES */
	__u8 source6_count;
	__u8 pad[2];
	__u32 source4_be[WIRE_SOURCES];
	__u32 source6_be[WIRE_SOURCES][4];
	__u64 allowed[1024]; /* one bit for each port: in the range and not reserved */
};
_Static_assert(sizeof(struct wire_settings) == 8528, "no hidden padding");

/* Every connect() that the program sees ends in one way; what comes after WIRE_WAYS_OUT is counted besides. */
enum wire_way {
	WIRE_FRESH,   /* given: nobody was on the port, nor any TIME_WAIT */
	WIRE_SHARED,  /* given: the port is in use or in TIME_WAIT, but not with this destination */
	WIRE_WAITING, /* given: in TIME_WAIT with this destination, for more than a second, with timestamps */
	WIRE_EXHAUSTED,	  /* left to the kernel: every port was looked up, and none is free for it */
	WIRE_REFUSED,	  /* left to the kernel: ports are free, but their holders do not share them */
	WIRE_BOUND,	  /* left alone: the socket has a port */
	WIRE_OWN_CHOICE,  /* left alone: IP_LOCAL_PORT_RANGE, SO_BINDTODEVICE, SO_REUSEPORT, IP_TRANSPARENT */
	WIRE_NOT_TCP,	  /* left alone: UDP and other protocols, MPTCP, a wrong address family */
	WIRE_OTHER_NETNS, /* left alone: the socket is of another network namespace than the settings */
	WIRE_LINK_LOCAL,  /* left alone: the same address may be there on another link */
	WIRE_MANY_SOURCES, /* left to the kernel: no fresh port, and the host has too many addresses to look all up */
	WIRE_WAYS_OUT,

	WIRE_PROBE = WIRE_WAYS_OUT, /* ports looked up */
	WIRE_TAKEN,		    /* of these: were taken */
	WIRE_BIND_REFUSED,	    /* binds that the kernel refused, each answered with another port */
	WIRE_SURVEY,		    /* walks over the range, to learn anew what is taken for a destination */
	WIRE_WAYS,
};

#endif
