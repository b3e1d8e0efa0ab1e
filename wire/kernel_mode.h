/* SPDX-License-Identifier: MIT
 *
 * What the eBPF program of kernel mode and the processes that load and read it share: settings one way, counters the
 * other. Both are global variables of the program, which are a map that can be mapped into memory.
 *
 * Ports and counts are in host byte order.
 */
#ifndef BERTH_WIRE_KERNEL_MODE_H
#define BERTH_WIRE_KERNEL_MODE_H

#include <linux/types.h>

#define WIRE_PORT_WORDS 1024

/* What a connect() gets for which no port is left. */
enum wire_exhausted {
	WIRE_SAY_SO,	/* EADDRNOTAVAIL at once */
	WIRE_TO_KERNEL, /* the kernel searches once more */
	WIRE_TAKE_OVER, /* the longest-waiting TIME_WAIT, where both ends use timestamps; if there is none, EADDRNOTAVAIL */
};

/* How ports are chosen; core/port_space.h has the same ones. */
enum wire_policy {
	WIRE_BERTH,
	WIRE_SP1,
	WIRE_LEGACY,
};

/* Written by the loader, at start and at any time later. */
struct wire_settings {
	__u32 exhausted; /* enum wire_exhausted */
	__u32 change;	 /* to be increased after `withheld` was written, for that to be noticed */
	__u64 governed;	 /* SO_NETNS_COOKIE whose connections are reported as they enter TIME_WAIT; 0: none */
	/* How many there are in the maps of these names; 0: these are not looked at. */
	__u32 excluded_cgroups;
	__u32 excluded_destinations;
	__u32 policy;			/* enum wire_policy */
	__u32 governed_timestamps_only; /* of the governor, as the next two */
	/* What the daemon's governor holds them to, for who asks: connections, 0: no limit; seconds, 0: the kernel's 60. */
	__u32 governed_cap, governed_delay_s;
	/* For how long a port is kept away from the destination of a connection that closed first, in jiffies, which are what
	 * the kernel's own TIME_WAIT is counted in; 0: no longer than that. */
	__u64 keep_away;
	__u64 keep_key[2]; /* of a hash: random, written once, before keep_away */
	/* What comes before is read by each call, and fits one cache line. */
	__u64 withheld
		[WIRE_PORT_WORDS]; /* a bit for each port that is not to be given, beside ip_local_reserved_ports */
};
_Static_assert(sizeof(struct wire_settings) == 8256, "no hidden padding");

/* Room in these maps: twice of what the settings may have, as new ones are put in before old ones leave. */
#define WIRE_EXCLUDED_CGROUPS	   64
#define WIRE_EXCLUDED_DESTINATIONS 512

/* Key of a prefix that is left alone. What comes before the address must be the same. */
struct wire_excluded {
	__u32 prefix;  /* bits that count, of those behind this member: 32 and more */
	__u16 port_be; /* 0: every port */
	__u16 ipv4;
	__u32 address_be[4]; /* IPv4 in its mapped form */
};
_Static_assert(sizeof(struct wire_excluded) == 24, "no hidden padding");
#define WIRE_EXCLUDED_BITS (32 + 128)

/* The programs that answer calls; the others take note only. */
enum wire_hook {
	WIRE_CONNECT4,
	WIRE_CONNECT6,
	WIRE_BIND4,
	WIRE_BIND6,
	WIRE_HOOKS,
};

/* Every bind() to port 0 and every connect() that the program sees ends in one way, which is counted for each
 * program; what comes after WIRE_WAYS_OUT is counted besides. */
enum wire_way {
	WIRE_FRESH, /* given: nobody was on the port, nor any TIME_WAIT */
	WIRE_SHARED, /* given: in use or in TIME_WAIT, but not with this destination, and all that are on it share */
	WIRE_WAITING, /* given: in TIME_WAIT with this destination, with timestamps; for bind(): only in TIME_WAIT */
	WIRE_EXHAUSTED, /* refused, or as the settings have it: every port is taken for this destination */
	WIRE_UNSURE,	/* left to the kernel: there may be a port, but not one that the program can give */
	WIRE_BOUND,	/* left alone: the socket has a port */
	WIRE_OWN_CHOICE, /* left alone: IP_LOCAL_PORT_RANGE, SO_BINDTODEVICE, SO_REUSEPORT, IP_TRANSPARENT; for bind()
			   * IP_BIND_ADDRESS_NO_PORT */
	WIRE_NOT_TCP,	 /* left alone: UDP and other protocols, MPTCP, a wrong address family */
	WIRE_LINK_LOCAL, /* left alone: the same address may be there on another link */
	WIRE_NO_STATE,	 /* left to the kernel: another call is just making the network namespace's state */
	WIRE_NO_ROOM,	 /* left to the kernel: there are too many network namespaces to remember this one */
	WIRE_EXCLUDED,	 /* left alone: the settings exclude the program's cgroup or the destination */
	WIRE_WAYS_OUT,

	WIRE_LOOK = WIRE_WAYS_OUT, /* ports looked at in the kernel's bind table */
	WIRE_MISS,		   /* of these: could not be given */
	WIRE_BIND_REFUSED, /* binds that the kernel refused all the same, each answered with another port */
	WIRE_SURVEY,	   /* walks over the range, to learn anew what is taken for a destination */
	WIRE_COLLISION,	   /* of WIRE_EXHAUSTED: a TIME_WAIT was in the way */
	WIRE_WAYS,
};

/* Of which connections. */
struct wire_destination {
	__u64 netns; /* SO_NETNS_COOKIE */
	/* Of the socket, 0 if it is bound to none; of the far end. IPv4 in its mapped form. */
	__u32 source_be[4], address_be[4];
	__u32 port_be; /* 16 bits of it */
	__u32 pad;
};
_Static_assert(sizeof(struct wire_destination) == 48, "no hidden padding");

/* For which destination ports ran out: the events `ports-exhausted`. The map `exhaustions` has one for each of the last
 * WIRE_EXHAUSTIONS destinations. */
#define WIRE_EXHAUSTIONS 1024

struct wire_exhaustion {
	__u64 count;
	__u64 first_ns, last_ns; /* CLOCK_MONOTONIC */
	__u64 collisions; /* of count: some port was taken by a TIME_WAIT, and might not be had again yet */
	__u64 last_of_kind_ns[2]; /* of those that are none, of those that are; 0: there was none */
};
_Static_assert(sizeof(struct wire_exhaustion) == 48, "no hidden padding");

/* A connection of which a TIME_WAIT, or a FIN_WAIT_2 that is to become one, is left: what the ring `closed` carries. */
#define WIRE_CLOSED_RING 2097152 /* bytes */

struct wire_closed {
	__u64 cookie;	 /* SO_COOKIE, which what is left inherits; 0: it will have one when it is asked */
	__u64 closed_ns; /* CLOCK_MONOTONIC */
	__u32 local_be[4], remote_be[4]; /* IPv4 in its mapped form */
	__u16 local_port, remote_port;
	__u32 interface; /* index of that which the socket is bound to; 0: none */
	__u8 time_wait;	 /* the far end has closed, too */
	__u8 timestamps; /* both ends use them (RFC 7323) */
	__u8 pad[6];
};
_Static_assert(sizeof(struct wire_closed) == 64, "no hidden padding");

/* What the governor of TIME_WAIT has done; `lost` and what is kept away, the program counts. */
enum wire_governed {
	WIRE_ENTERED,	  /* connections seen to enter TIME_WAIT, or found there at the start */
	WIRE_ENDED_CAP,	  /* ended because of MaxFreeTWTcbs */
	WIRE_ENDED_DELAY, /* because of TcpTimedWaitDelay */
	WIRE_ENDED_LATE,  /* of these: more than 100 ms after their time */
	WIRE_GONE,	  /* were to be ended and had gone: taken over, reset, or over */
	WIRE_SPARED, /* stayed, as they have no timestamps, or it is not known (time-wait-timestamps-only) */
	WIRE_DUMPED, /* readings of the whole socket table */
	WIRE_LOST,   /* reports for which the ring had no room; a reading follows */
	WIRE_KEPT,   /* connections whose port is, or was, kept away from their destination */
	WIRE_KEPT_LOST, /* entries of these, up to three each, that were forgotten early, for want of room */
	WIRE_GOVERNED,
};

#endif
