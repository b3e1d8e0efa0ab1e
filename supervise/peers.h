/* SPDX-License-Identifier: MIT
 *
 * What was learned of the hosts that the program connects to: the local address that the routing
 * table gives a connection to it, and whether it uses TCP timestamps.
 *
 * Whether timestamps are in use is known once a handshake is over: at once for a host reached in no
 * time; otherwise the connection is looked up again after some milliseconds, as we have no
 * descriptor of it any more.
 *
 * A direct-mapped table: two hosts that meet in one place forget each other, and are learned again,
 * at the cost of a look-up. The zero-filled table is valid and empty.
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
};

struct peer_table {
	struct peer peer[PEERS];
	/* A connection to a host whose timestamps are not known, which is looked at now and then
	 * until its handshake is over: NULL, or looks > 0. */
	struct peer *watched;
	struct berth_endpoint watched_local, watched_remote;
	unsigned looks; /* how often it will still be looked at */
};

/* The place of that host, new or known. */
struct peer *peer_of(struct peer_table *table, const struct berth_address *address);

/* A connection to the peer was begun, of which fd is a copy. */
void peer_connected(struct peer_table *table, struct peer *peer, int fd, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote);

/* Looks at the watched connection. To be called every few milliseconds while there is one. */
void peer_watch(struct peer_table *table, struct socket_table *lookups);

#endif
