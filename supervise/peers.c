/* SPDX-License-Identifier: MIT */
#include "supervise/peers.h"

#include "host/port_steering.h"

#define MOST_LOOKS 64u /* some 0.1 to 0.3 s: most handshakes are over by then */

struct peer *peer_of(struct peer_table *table, const struct berth_address *address)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	struct peer *peer;

	for (unsigned i = 0; i < sizeof(address->bytes); i++)
		hash = (hash ^ address->bytes[i]) * 16777619u;
	peer = &table->peer[hash % PEERS];
	if (!berth_address_equal(&peer->address, address))
		*peer = (struct peer){ .address = *address };
	return peer;
}

static void learn(struct peer *peer, bool timestamps)
{
	peer->timestamps = timestamps ? TIMESTAMPS_USED : TIMESTAMPS_NOT_USED;
}

void peer_connected(struct peer_table *table, struct peer *peer, int fd, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote)
{
	bool timestamps;

	peer->source = local->address;
	peer->has_source = true;
	if (peer->timestamps != TIMESTAMPS_UNKNOWN)
		return;
	if (socket_is_established(fd, &timestamps)) {
		learn(peer, timestamps);
	} else if (!table->watched) {
		table->watched = peer;
		table->watched_local = *local;
		table->watched_remote = *remote;
		table->looks = MOST_LOOKS;
	}
}

void peer_watch(struct peer_table *table, struct socket_table *lookups)
{
	struct peer *peer = table->watched;
	struct socket_entry entry;
	bool is_there;

	if (!peer)
		return;
	is_there = socket_table_find(lookups, &table->watched_local, &table->watched_remote, &entry) == 0 &&
		   entry.state == SOCKET_CONNECTED;
	/* The place may have gone to another host meanwhile. */
	if (is_there && entry.established &&
	    berth_address_equal(&peer->address, &table->watched_remote.address))
		learn(peer, entry.timestamps);
	if (!is_there || entry.established || --table->looks == 0)
		table->watched = NULL;
}
