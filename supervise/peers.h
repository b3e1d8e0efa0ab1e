/* SPDX-License-Identifier: MIT
 *
 * What was learned of the hosts that the program connects to: the local address that the routing table gives
 * a connection to it, and whether it uses TCP timestamps.
 *
 * A direct-mapped table: two hosts that meet in one place forget each other, and are learned again, at the cost
 * of a look-up. The zero-filled table is valid and empty.
 */
#ifndef BERTH_SUPERVISE_PEERS_H
#define BERTH_SUPERVISE_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "host/socket_table.h"

#define PEERS 1024u

enum peer_timestamps {
	TIMESTAMPS_UNKNOWN,
	TIMESTAMPS_USED,
	TIMESTAMPS_NOT_USED
};

struct peer {
	struct berth_address address;
	struct berth_address
		source; /* as of the last connection; wrong for one connection after a change of routes */
	bool has_source;
	enum peer_timestamps timestamps;
	/* The last connection, whose timestamps can be looked up; port 0: none. */
	struct berth_endpoint last_local, last_remote;
};

struct peer_table {
	struct peer peer[PEERS];
};

/* The place of that host, new or known. */
struct peer *peer_of(struct peer_table *table, const struct berth_address *address);

/* A connection was begun. */
void peer_connected(struct peer *peer, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote);

/* Looks at the last connection, if that can still say something new. */
void peer_learn_timestamps(struct peer *peer, struct socket_table *lookups);

#endif
