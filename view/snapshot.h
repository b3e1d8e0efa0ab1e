/* SPDX-License-Identifier: MIT
 *
 * A look at the port space of this network namespace: who is on which local port, towards whom.
 *
 * Theory of operation
 *
 * One walk over the kernel's sockets gives a row for each connection, and a number for each pair of local
 * address and destination; whatever is asked later is a walk over the rows, which for 100,000 of them costs
 * less than a millisecond. The kernel's walk costs more, so nobody asks twice for one look. Where the caller has
 * iterators over the bind table (host/port_owners.h), these are read; otherwise, and for the ports that
 * they are unsure of, sock_diag is asked (host/socket_table.h), which says the same and costs several times as much.
 *
 * A port is *usable* if the kernel may hand it out to connect(): it is in ip_local_port_range, is not reserved, and
 * no socket is bound to it or listens on it. The last goes for every local address and both families:
 * the kernel's own choice for connect() skips a port that any socket bound explicitly (inet_hashtables.c,
 * __inet_hash_connect). That a *connection* was bound explicitly is not to be seen; then the kernel has fewer
 * ports than are called free here.
 *
 * A connection on a port where somebody listens was begun by the other side: it takes no port from anybody and is no
 * destination. Listeners come first in a dump of both families, so this is known when the connection comes. A handshake
 * that the other side has begun is no connection yet.
 *
 * A look is a hint, as the dump is (host/socket_table.h). Needs no privilege.
 */
#ifndef BERTH_VIEW_SNAPSHOT_H
#define BERTH_VIEW_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "core/port_set.h"
#include "host/port_owners.h"
#include "host/sysctl.h"
#include "view/pair_index.h"

/* TIME_WAIT lasts 60 s on Linux (TCP_TIMEWAIT_LEN), a constant of the kernel. */
#define VIEW_TIME_WAIT_MS 60000u

/* TCP_ESTABLISHED (1) .. TCP_STATE_BOUND_INACTIVE (13). */
#define VIEW_STATES 14u

/* One connection that this host began. */
struct view_row {
	uint32_t destination;  /* its number */
	uint32_t inode;	       /* as in /proc/PID/fd; 0 if no descriptor is left; from sock_diag only */
	uint32_t uid;	       /* who made the socket; meaningless in TIME_WAIT; from sock_diag only */
	uint32_t remaining_ms; /* TIME_WAIT: until it ends */
	uint16_t port;	       /* local */
	uint8_t state;	       /* TCP_ESTABLISHED ... */
};

/* What is on the ports of one local address towards one destination. */
struct view_count {
	uint32_t used;	  /* of usable ports: a connection, in any state but TIME_WAIT */
	uint32_t waiting; /* of usable ports: TIME_WAIT */
	uint32_t begun;	  /* of all ports of the range, TIME_WAIT included */
};

enum view_source {
	VIEW_SOCK_DIAG,
	VIEW_BIND_TABLE, /* host/port_owners.h */
};

struct view_snapshot {
	uint64_t taken_ns; /* clock_ns() */
	enum view_source source;
	struct port_sysctls ports; /* range, reserved, timestamps */
	struct reuse_sysctls reuse;
	struct socket_totals totals;
	struct berth_port_set held;	 /* of the ports looked at: bound or listening */
	struct berth_port_set listening; /* of these: listening */
	struct berth_port_set usable;
	struct view_pair_index destinations; /* local address and destination, by number */
	struct view_count *count;	     /* for each of them */
	struct view_row *row;
	uint32_t rows;
	uint32_t begun;	  /* of these, on ports of the range */
	uint32_t reached; /* destinations that have such a one */
	uint32_t inbound; /* connections, in TIME_WAIT too, on ports of the range where somebody listens */
};

enum view_scope {
	VIEW_RANGE, /* ports of ip_local_port_range */
	VIEW_ALL,   /* all 65,536; whatever is counted is of the range all the same */
};

/* Looks, through owners if they are there; NULL: sock_diag, for who needs inodes. 0 or negative errno, and *ret_snapshot
 * untouched; otherwise view_free() it. */
int view_look(struct view_snapshot *ret_snapshot, enum view_scope scope, const struct port_owners *owners);

/* "sock-diag", "bind-table". Static. */
const char *view_source_name(enum view_source source);

/* Frees it and leaves it zero-filled, which may be freed again. */
void view_free(struct view_snapshot *snapshot);

/* Usable ports that have no connection to this destination. */
uint32_t view_free_ports(const struct view_snapshot *snapshot, const struct view_count *count);

/* The destinations with the fewest free ports, fullest first, of those that are `reached`: writes at most `most` numbers and
 * returns how many.
 * Equally full ones are in the order of their addresses. */
size_t view_fullest(const struct view_snapshot *snapshot, size_t most, uint32_t *ret_number);

/* The local addresses with the most connections that this host began, on ports of the range. Writes at most
 * `most` addresses and returns how many, or -ENOMEM. */
int view_busiest_addresses(const struct view_snapshot *snapshot, size_t most,
			   struct berth_address *ret_address);

/* The ports of a local address that no socket at all is on: a bind() to port 0 gets none but these (without
 * SO_REUSEADDR; inet_connection_sock.c, inet_csk_find_open_port). Writes them to *ret_ports if it is not NULL.
 * Returns how many. */
uint32_t view_fresh_ports(const struct view_snapshot *snapshot, const struct berth_address *local,
			  struct berth_port_set *ret_ports);

#endif
