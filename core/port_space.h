/* SPDX-License-Identifier: MIT
 *
 * A port space: the ports of one local address, who is on them, and which one to give next.
 *
 * The caller tells what happens (a socket holds a port, a connection is made, goes, or enters TIME_WAIT)
 * and asks for ports. A pick changes nothing but the generator and what is due to expire: the caller tries
 * the port and then reports connect or refuse, so that the next pick knows.
 *
 * Memory	The caller's, zero-filled, aligned to 64 bytes, berth_space_size() of it, for as long as the
 *		space is used, and at one place. Nothing is allocated and nothing needs to be freed. About
 *		1.7 MB and what the limits say; of memory fresh from mmap only what is used is touched.
 * Time		Every now_ns is nanoseconds of one clock that never goes back (CLOCK_MONOTONIC); a smaller
 *		value than an earlier one is taken for the earlier one.
 * Threads	Not locked: one owner at a time. To share one address among threads, cores or hosts, cut it
 *		into slices: a space of its own for each owner, each with a part of the range. They share
 *		nothing. For n owners of N ports, owner i has first + N * i / n .. first + N * (i + 1) / n - 1.
 *		A connection belongs to the space whose slice its local port is in.
 * Ports	1 .. 65535; explicit ports outside the range are counted like others and never picked.
 * Mistakes	A port of 0 or above 65535, or an IPv6 destination in a space made without ipv6, is a
 *		mistake of the program (assert). Everything else has an answer.
 *
 * What is remembered of destinations is bounded and may be forgotten (see limits). TIME_WAIT is exact all the
 * same; a live connection that was forgotten makes a pick less sure: the port may be refused.
 */
#ifndef BERTH_PORT_SPACE_H
#define BERTH_PORT_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/destinations.h"
#include "core/port_set.h"
#include "core/random.h"
#include "core/time_wait.h"

struct berth_space;

struct berth_space_limits {
	/* Destinations remembered at once (76 bytes each), at least 1. One more, and the least recently
	 * used is forgotten. */
	uint32_t destinations;
	/* How many of them may have more than 16 ports (20 KB each), at least 1. One more, and the least
	 * recently used of those is forgotten. */
	uint32_t bitmaps;
	/* Connections in TIME_WAIT remembered at once, at most 16,777,215: 24 bytes each, 36 with ipv6.
	 * One more, and the oldest leaves TIME_WAIT. */
	uint32_t time_wait;
	/* Destinations may be IPv6. IPv4 ones, mapped or not, are always possible. */
	bool ipv6;
};

enum berth_policy {
	/* The ranks below. */
	BERTH_POLICY_BERTH,
	/* Windows Server 2003 SP1: uniform among the ports that nobody uses and that have no connection in
	 * TIME_WAIT; if there is none, uniform among all that nobody uses. Blind to the destination. */
	BERTH_POLICY_SP1,
	/* Before SP1: the next port, counting up and around, that nobody uses, in TIME_WAIT or not. */
	BERTH_POLICY_LEGACY,
};

/* What a pick came to: the rank of the port it gave, or why it gave none. */
enum berth_verdict {
	/* Nobody uses the port and no connection on it is in TIME_WAIT. */
	BERTH_FRESH,
	/* The port is in use or in TIME_WAIT, but not with this destination. */
	BERTH_SHARED,
	/* The port is in TIME_WAIT and otherwise free; with a destination: in TIME_WAIT with that one.
	 * Only a stack that may reopen the connection (timestamps, RFC 6191) can use it at once. */
	BERTH_WAITING,
	/* No port: every one is in use (towards this destination). */
	BERTH_EXHAUSTED,
	/* No port: the range has none that is not reserved; or no range was set yet. */
	BERTH_ALL_RESERVED,
};
#define BERTH_VERDICTS 5

/* What became of a connection to be made. */
enum berth_connect_verdict {
	BERTH_CONNECTED,
	/* This very connection (port, destination) is in TIME_WAIT. Windows' event 4227. */
	BERTH_TIME_WAIT_COLLISION,
	/* There is such a connection already. */
	BERTH_IN_USE,
};
#define BERTH_CONNECT_VERDICTS 3

/* "fresh", "shared", "waiting", "exhausted", "all-reserved"; never NULL. Static strings. */
const char *berth_verdict_name(enum berth_verdict verdict);

/* "connected", "time-wait-collision", "in-use". */
const char *berth_connect_verdict_name(enum berth_connect_verdict verdict);

/* "berth", "sp1", "legacy". */
const char *berth_policy_name(enum berth_policy policy);

/* The policy of that name. False, and *ret_policy untouched, if there is none. */
bool berth_policy_find(const char *name, enum berth_policy *ret_policy);

static inline bool berth_verdict_has_port(enum berth_verdict verdict)
{
	return verdict <= BERTH_WAITING;
}

/* Bytes that a space with these limits needs; 0 if a limit is outside its bounds. */
size_t berth_space_size(const struct berth_space_limits *limits);

/* Makes a space in zero-filled memory. The key seeds the generator and the hashes: secret and random, or
 * others can foresee ports and build collisions; fixed, for a run that can be repeated.
 *
 * Starts with no range, policy berth, and TIME_WAIT of 120 s (Server 2003's default for IPv4) with no
 * other bound than limits->time_wait. NULL if a limit is outside its bounds or bytes are too few. */
struct berth_space *berth_space_init(void *memory, size_t bytes, const struct berth_space_limits *limits,
				     const uint8_t key[BERTH_SEED_BYTES]);

/* Forgets all holders, connections and TIME_WAIT; keeps range, policy, TIME_WAIT settings, counters of
 * verdicts and the generator. Cost: proportional to what is forgotten. */
void berth_space_clear(struct berth_space *space);

/* Gives ports first .. last except reserved (may be NULL; copied). 1 <= first <= last <= 65535.
 * What is on the ports stays. Cost: proportional to the old and the new range together. */
void berth_space_set_range(struct berth_space *space, unsigned first, unsigned last,
			   const struct berth_port_set *reserved);

void berth_space_set_policy(struct berth_space *space, enum berth_policy policy);

/* How long a connection stays in TIME_WAIT (at most BERTH_TIME_WAIT_MAX_NS), and how many there may be
 * (MaxFreeTWTcbs; more than limits->time_wait means that). One more, and the oldest leaves. Holds for
 * connections already in TIME_WAIT too. */
void berth_space_set_time_wait(struct berth_space *space, uint64_t delay_ns, uint32_t max_tcbs);

/* A socket holds the port without a connection: it listens, or is bound and not connected yet. Counted;
 * each hold needs its unhold, with the same sharing.
 *
 * sharing: it lets connections from the same port be made (SO_REUSEADDR on a socket that does not
 * listen). A port with a holder that does not share is never picked: RFC 6056 section 3.1, a client
 * must not be given the port of a server. */
void berth_space_hold(struct berth_space *space, unsigned port, bool sharing);

/* Ends one hold. False, and nothing changed, if there is no such holder. */
bool berth_space_unhold(struct berth_space *space, unsigned port, bool sharing);

/* Chooses a port. destination is NULL if it is not known yet (bind to port 0). *ret_port is written
 * only if berth_verdict_has_port(). Cost: constant, whatever is in use; plus what is due to expire.
 *
 * Policy berth, uniform within a rank except the last:
 *   destination known	fresh, shared, waiting (near the longest-waiting: see port_space.c)
 *   not known		fresh, waiting (the port left alone longest), shared
 * Policies sp1 and legacy give fresh or waiting, whatever the destination. */
enum berth_verdict berth_space_pick(struct berth_space *space, const struct berth_endpoint *destination,
				    uint64_t now_ns, unsigned *ret_port);

/* A connection from port to destination is made. If the verdict is not BERTH_CONNECTED nothing changed
 * (a connection in TIME_WAIT that the stack has reopened: call leave_time_wait first). */
enum berth_connect_verdict berth_space_connect(struct berth_space *space, unsigned port,
					       const struct berth_endpoint *destination, uint64_t now_ns);

/* The port was tried and could not be had, for a reason that the space does not know. It counts as a
 * connection that entered TIME_WAIT now: the next picks give other ports, and the mark goes by itself.
 * destination as in pick: NULL if the port was refused without one. A live connection stays as it is.
 * (A port that is held by a foreign socket for long is better told by hold.) */
void berth_space_refuse(struct berth_space *space, unsigned port, const struct berth_endpoint *destination,
			uint64_t now_ns);

/* The connection is gone without TIME_WAIT (reset, or the peer closed first). Its port is fresh at once, and the
 * peer may still have the connection in TIME_WAIT: most take a new one then (RFC 1122 4.2.2.13, RFC 6191). To
 * keep clear of the peer's TIME_WAIT too, tell close instead. False, and nothing changed, if the space knows no such live connection. Once it had to forget destinations it cannot tell any more,
 * and believes the caller as long as the port has any live connection at all. */
bool berth_space_release(struct berth_space *space, unsigned port, const struct berth_endpoint *destination);

/* The connection enters TIME_WAIT. False as for release. */
bool berth_space_close(struct berth_space *space, unsigned port, const struct berth_endpoint *destination,
		       uint64_t now_ns);

/* A connection in TIME_WAIT was seen from outside (sock_diag) that was not reported by connect; one that
 * was, needs close instead, and until then this changes nothing. If it is in TIME_WAIT already its 2MSL is
 * restarted. To be told oldest first: an entered_ns before that of the newest known is taken for that one,
 * so that a connection told late leaves late, never early. */
void berth_space_observe_time_wait(struct berth_space *space, unsigned port,
				   const struct berth_endpoint *destination, uint64_t entered_ns);

/* The connection has left TIME_WAIT before its time (reopened by the stack, killed). False if it was not
 * in TIME_WAIT. */
bool berth_space_leave_time_wait(struct berth_space *space, unsigned port,
				 const struct berth_endpoint *destination);

/* Lets all leave TIME_WAIT whose time is over. pick, connect and close do this themselves; an owner that
 * calls it when idle makes them cheaper. */
void berth_space_expire(struct berth_space *space, uint64_t now_ns);

/* When the next connection leaves TIME_WAIT; UINT64_MAX: none is in it. */
uint64_t berth_space_next_expiry(const struct berth_space *space);

/* What there is between port and destination. TIME_WAIT is exact; a live connection may be forgotten. */
enum berth_connection_state berth_space_state(struct berth_space *space, unsigned port,
					      const struct berth_endpoint *destination);

/* A space in numbers. */
struct berth_space_counts {
	uint32_t ports;	    /* in the range and not reserved; of these: */
	uint32_t fresh;	    /*   nobody on it, no TIME_WAIT */
	uint32_t waiting;   /*   nobody on it, in TIME_WAIT */
	uint32_t shareable; /*   somebody or TIME_WAIT on it, and no holder that does not share */
	uint32_t time_wait; /* connections in TIME_WAIT, on any port */
	uint32_t destinations;
	uint32_t bitmaps;
	uint64_t verdicts[BERTH_VERDICTS]; /* picks since init, by what they came to */
	uint64_t collisions;		   /* connects that met their own TIME_WAIT */
	uint64_t evicted;		   /* left TIME_WAIT early because there were too many */
	uint64_t forgotten;		   /* destinations forgotten because there were too many */
};
void berth_space_count(const struct berth_space *space, struct berth_space_counts *ret_counts);

/* A destination in numbers, of ports in the range or not. */
struct berth_destination_counts {
	uint32_t live;	    /* ports with a live connection to it */
	uint32_t time_wait; /* ports with a connection to it in TIME_WAIT */
};
void berth_space_count_destination(struct berth_space *space, const struct berth_endpoint *destination,
				   struct berth_destination_counts *ret_counts);

#endif
