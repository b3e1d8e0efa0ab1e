/* SPDX-License-Identifier: MIT */
#include "view/port_map.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>

#define CLASS_MS (VIEW_TIME_WAIT_MS / VIEW_AGE_CLASSES)

/* What a port is before any connection is looked at. */
static enum view_port_use bare_use(const struct view_snapshot *snapshot, unsigned port)
{
	if (berth_port_set_contains(&snapshot->held, port))
		return VIEW_HELD;
	if (berth_port_set_contains(&snapshot->ports.reserved, port))
		return VIEW_RESERVED;
	return port >= snapshot->ports.first && port <= snapshot->ports.last ? VIEW_FREE : VIEW_OUTSIDE;
}

static enum view_port_use use_by(const struct view_row *row)
{
	uint32_t left = row->remaining_ms < VIEW_TIME_WAIT_MS ? row->remaining_ms : VIEW_TIME_WAIT_MS - 1;

	if (row->state != TCP_TIME_WAIT)
		return VIEW_CONNECTED;
	return (enum view_port_use)(VIEW_WAITING + VIEW_AGE_CLASSES - 1 - left / CLASS_MS);
}

void view_port_map(const struct view_snapshot *snapshot, const struct view_pair *pair,
		   struct view_port_map *ret_map)
{
	uint32_t wanted =
		pair ? view_pair_index_find(&snapshot->destinations, &pair->local, &pair->remote) : 0;

	for (unsigned port = 0; port < BERTH_PORTS; port++)
		ret_map->use[port] = (uint8_t)bare_use(snapshot, port);
	for (uint32_t i = 0; i < snapshot->rows; i++) {
		const struct view_row *row = &snapshot->row[i];
		enum view_port_use use = pair && row->destination != wanted ? VIEW_ELSEWHERE : use_by(row);

		if (use > ret_map->use[row->port])
			ret_map->use[row->port] = (uint8_t)use;
	}
}

void view_port_map_count(const struct view_port_map *map, uint32_t ret_count[VIEW_PORT_USES])
{
	memset(ret_count, 0, VIEW_PORT_USES * sizeof(*ret_count));
	for (unsigned port = 0; port < BERTH_PORTS; port++)
		ret_count[map->use[port]]++;
}

unsigned view_port_map_run(const struct view_port_map *map, unsigned first)
{
	unsigned last = first;

	while (last + 1 < BERTH_PORTS && map->use[last + 1] == map->use[first])
		last++;
	return last;
}

const char *view_port_use_name(enum view_port_use use)
{
	static const char *const names[] = {
		"outside",	 "free",	  "reserved",	   "elsewhere",
		"waiting-0-10",	 "waiting-10-20", "waiting-20-30", "waiting-30-40",
		"waiting-40-50", "waiting-50-60", "connected",	   "held",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == VIEW_PORT_USES, "a name for each");
	return names[use];
}
