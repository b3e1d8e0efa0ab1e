/* SPDX-License-Identifier: MIT
 *
 * What the parts of the differential program share: its sockets, and what is drawn for an operation. An operation makes
 * its call, prints its arguments and outcome, and keeps its slot up to date.
 */
#ifndef BERTH_TESTS_DIFFERENTIAL_SLOT_H
#define BERTH_TESTS_DIFFERENTIAL_SLOT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

enum {
	SLOTS = 12,
	EXPLICIT_PORTS = 16,
	SINK = 7001,
	NOBODY = 7099
};
/* milliseconds, for something over loopback that may never come */
enum {
	LONG_ENOUGH = 500
};

/* One socket of the program. fd is -1 where there is none; calls are made on it nevertheless. */
struct slot {
	int fd;
	int family, type;
	int peer;      /* what an own listener accepted from it, or -1 */
	unsigned port; /* when it was last asked */
	bool listens;
	bool bound; /* and not connected since, which may have let go of the port */
};

/* Shared with forked processes, so that what they learn is not lost. */
extern struct slot *slots;
extern unsigned first_port, seed;

/* Everything an operation may want, drawn before it is known which it is: the sequence of draws does not
 * depend on what the sockets do. */
struct choice {
	unsigned slot, other, operation, a, b, c, forked;
};

typedef void operation_fn(struct slot *slot, const struct choice *choice);

/* binding.c */
operation_fn op_bind, op_bind_like, op_listen;
/* connecting.c */
operation_fn op_connect, op_connect_own, op_shutdown;
/* asking.c */
operation_fn op_getsockname, op_getpeername, op_get;
/* socket.c */
operation_fn op_socket, op_set, op_dup, op_close, op_nonblocking;

/* "ok", or the name of errno */
const char *outcome(int result);

/* ---- addresses (address.c) ---- */

enum host {
	LOOPBACK,
	WILDCARD,
	SECOND,
	MAPPED,
	FOREIGN,
	HOSTS
};

extern const char *const host_names[HOSTS];

/* Returns its length. */
socklen_t inet_address(struct sockaddr_storage *storage, int family, enum host host, unsigned port);

/* Sockets of even slots stay with IPv4, in its mapped form on IPv6 sockets: one that has met a mapped address
 * and then connects to a real IPv6 one sends its SYN nowhere, on stock Linux too. */
enum host host_for(const struct slot *slot, unsigned value);

/* An abstract name whose address is as long as one of IPv4, IPv6 or neither: the lengths that a filter
 * might take for TCP. */
socklen_t unix_address(struct sockaddr_storage *storage, unsigned name);

/* 0 where the address has none. */
unsigned port_in(const struct sockaddr_storage *storage);

#endif
