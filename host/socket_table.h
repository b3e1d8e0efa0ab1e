/* SPDX-License-Identifier: MIT
 *
 * The kernel's own table of TCP sockets, through sock_diag (man 7 sock_diag). Needs no privilege.
 *
 * Theory of operation
 *
 * The kernel writes a dump one buffer at a time, each when the one before has been read. A small
 * program in the request (struct inet_diag_bc_op) lets it leave out whatever has a local port
 * outside the wanted range, so that a server's inbound connections, which all have the server's own
 * port, are walked over but never copied out. Walking takes its time all the same: with 100,000
 * sockets on the host one buffer can take 30 ms. So receiving and reading are apart: whoever must
 * not wait lets another thread receive.
 *
 * A dump of both families at once walks the kernel's tables once instead of twice, and names listening
 * sockets before connections, since that is the order of the walk (net/ipv4/inet_diag.c,
 * inet_diag_dump_icsk). Only the older form of the request offers it; ss asks in the same way.
 *
 * A dump is no snapshot: a socket that changes state while the dump is under way can be seen twice
 * or not at all. What is made from it is a hint.
 */
#ifndef BERTH_HOST_SOCKET_TABLE_H
#define BERTH_HOST_SOCKET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

struct mnl_socket;

/* States that netinet/tcp.h does not have (include/net/tcp_states.h). */
#define TCP_STATE_NEW_SYN_RECV	 12 /* a handshake begun by the peer */
#define TCP_STATE_BOUND_INACTIVE 13 /* bound and nothing else; listed since Linux 6.8, only if asked for */

enum socket_state {
	SOCKET_HELD,	  /* bound or listening, no connection */
	SOCKET_CONNECTED, /* a connection in any state but TIME_WAIT, begun by us included */
	SOCKET_TIME_WAIT,
};

struct socket_entry {
	enum socket_state state;
	struct berth_endpoint local;
	struct berth_endpoint remote; /* meaningless where held */
	uint32_t
		remaining_ms; /* TIME_WAIT, or what is left of a FIN_WAIT_2: until it ends, if no segment comes */
	uint32_t uid;	      /* the user who made it; 0 in TIME_WAIT, which nobody owns */
	uint64_t cookie;      /* SO_COOKIE; what is left in TIME_WAIT inherits it */
	uint32_t interface; /* index of that which it is bound to; 0: none */
	uint32_t inode;	    /* as in /proc/PID/fd; 0 where no descriptor is left */
	uint8_t tcp_state;  /* TCP_ESTABLISHED ... (netinet/tcp.h), or one of the two below */
	bool established;   /* the handshake is over; only from socket_table_find() is */
	bool timestamps;    /* then this: both ends use timestamps (RFC 7323) */
};

/* A netlink socket. The zero-filled struct is closed. Not locked: one thread at a time. */
struct socket_table {
	struct mnl_socket *netlink;
	unsigned sequence;
};

/* 0 or negative errno. Closing a closed one does nothing. */
int socket_table_open(struct socket_table *table);
void socket_table_close(struct socket_table *table);

/* Asks for all sockets of that family (AF_INET, AF_INET6, AF_UNSPEC: both) with a local port in
 * [first, last], but for handshakes that the peer has begun: they take no port from anybody. 0 or negative errno. */
int socket_table_dump(struct socket_table *table, int family, unsigned first, unsigned last);

/* Asks for the same of both families, without sockets that are bound and nothing else. These the kernel finds by a walk over its
 * bind table, where all the others are, too: a fifth of the whole. */
int socket_table_dump_used(struct socket_table *table, unsigned first, unsigned last);

/* Asks for listeners only: the kernel has them in a table of their own, which is short. */
int socket_table_dump_listeners(struct socket_table *table, unsigned first, unsigned last);

/* Asks for what is left of closed connections, of both families: TIME_WAIT, and FIN_WAIT_2, where full sockets are among them,
 * whose remaining_ms is 0. 0 or negative errno. */
int socket_table_dump_left(struct socket_table *table);

/* Room for one piece of a dump: some 80 sockets; and for the largest that the kernel makes, of 260
 * (net/netlink/af_netlink.c, netlink_recvmsg). */
#define SOCKET_TABLE_PIECE	   8192u
#define SOCKET_TABLE_LARGEST_PIECE 32768u

/* Waits for the next piece. Its size, or negative errno. */
int socket_table_receive(struct socket_table *table, void *piece, size_t size);

/* Calls back for each socket in a piece. 1: the dump goes on; 0: it is complete; negative errno: it
 * failed. Touches nothing but the piece. */
int socket_table_read(const void *piece, size_t size,
		      void (*see)(void *context, const struct socket_entry *entry), void *context);

/* Looks up one connection by its 4-tuple, at the cost of one hash look-up, and fills *ret_entry. 0,
 * or negative errno: -ENOENT where there is none. */
int socket_table_find(struct socket_table *table, const struct berth_endpoint *local,
		      const struct berth_endpoint *remote, struct socket_entry *ret_entry);

#endif
