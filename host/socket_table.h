/* SPDX-License-Identifier: MIT
 *
 * The kernel's own table of TCP sockets, through sock_diag (man 7 sock_diag). Needs no privilege.
 *
 * Theory of operation
 *
 * A dump of 100,000 sockets takes the kernel and us 0.05-0.2 s, which is far too long to keep a
 * caller waiting. But the kernel writes a dump one buffer at a time, each when the one before has
 * been read, so a dump can be read in small pieces with other work in between: socket_table_step()
 * reads one. A small program in the request (struct inet_diag_bc_op) lets the kernel leave out
 * whatever has a local port outside the wanted range, so that a server's inbound connections, which
 * all have the server's own port, are walked over but never copied out.
 *
 * A dump is no snapshot: a socket that changes state while the dump is under way can be seen twice
 * or not at all. What is made from it is a hint.
 */
#ifndef BERTH_HOST_SOCKET_TABLE_H
#define BERTH_HOST_SOCKET_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"

struct mnl_socket;

enum socket_state {
	SOCKET_HELD,	  /* bound or listening, no connection */
	SOCKET_CONNECTED, /* a connection in any state but TIME_WAIT, begun ones included */
	SOCKET_TIME_WAIT,
};

struct socket_entry {
	enum socket_state state;
	struct berth_endpoint local;
	struct berth_endpoint remote; /* meaningless where held */
	bool dual_stack;	      /* an IPv6 socket: held for all addresses, it may hold IPv4's as well */
	uint32_t remaining_ms;	      /* TIME_WAIT: until it ends, if no late segment comes */
	bool established;	      /* the handshake is over; only from socket_table_find() is */
	bool timestamps;	      /* then this: both ends use timestamps (RFC 7323) */
};

/* One at a time in a struct; the zero-filled struct is closed. Not locked. */
struct socket_table {
	struct mnl_socket *netlink;
	unsigned sequence;
	unsigned first, last; /* local ports of the dump under way */
	int family;	      /* being dumped; 0: no dump under way */
};

/* 0 or negative errno. Closing a closed one does nothing. */
int socket_table_open(struct socket_table *table);
void socket_table_close(struct socket_table *table);

/* Starts a dump of all sockets with a local port in [first, last], IPv4 and then IPv6. 0 or
 * negative errno. */
int socket_table_dump(struct socket_table *table, unsigned first, unsigned last);

/* Reads the next piece of the dump and calls back for each socket in it. 1: there is more; 0: the
 * dump is complete; negative errno: it failed, and the table is to be closed. May wait for the
 * kernel to fill one buffer. */
int socket_table_step(struct socket_table *table,
		      void (*see)(void *context, const struct socket_entry *entry), void *context);

/* Looks up one connection by its 4-tuple, at the cost of one hash look-up, and fills *ret_entry. 0,
 * or negative errno: -ENOENT where there is none. Not while a dump is under way on the same table. */
int socket_table_find(struct socket_table *table, const struct berth_endpoint *local,
		      const struct berth_endpoint *remote, struct socket_entry *ret_entry);

#endif
