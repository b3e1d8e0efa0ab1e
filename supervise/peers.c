/* SPDX-License-Identifier: MIT */
#include "supervise/peers.h"

#include <string.h>

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

void peer_connected(struct peer *peer, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote)
{
	peer->source = local->address;
	peer->has_source = true;
	peer->last_local = *local;
	peer->last_remote = *remote;
}

void peer_learn_timestamps(struct peer *peer, struct socket_table *lookups)
{
	struct socket_entry entry;

	if (peer->timestamps != TIMESTAMPS_UNKNOWN || peer->last_local.port == 0)
		return;
	if (socket_table_find(lookups, &peer->last_local, &peer->last_remote, &entry) == 0 &&
	    entry.established)
		peer->timestamps = entry.timestamps ? TIMESTAMPS_USED : TIMESTAMPS_NOT_USED;
	peer->last_local.port = 0;
}
