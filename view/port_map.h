/* SPDX-License-Identifier: MIT
 *
 * What each of the 65,536 ports is to whoever looks for one.
 */
#ifndef BERTH_VIEW_PORT_MAP_H
#define BERTH_VIEW_PORT_MAP_H

#include <stdint.h>

#include "view/snapshot.h"

/* TIME_WAIT by age: so many classes of ten seconds, the youngest first. */
#define VIEW_AGE_CLASSES 6u

/* Where several are true of a port, the last of them stands. */
enum view_port_use {
	VIEW_OUTSIDE,	/* free, and outside ip_local_port_range */
	VIEW_FREE,	/* free, and given out by the kernel */
	VIEW_RESERVED,	/* ip_local_reserved_ports */
	VIEW_ELSEWHERE, /* connected or in TIME_WAIT, but not with the destination asked about */
	VIEW_WAITING,	/* TIME_WAIT; + 0 .. VIEW_AGE_CLASSES - 1 */
	VIEW_CONNECTED = VIEW_WAITING + VIEW_AGE_CLASSES,
	VIEW_HELD, /* bound or listening */
	VIEW_PORT_USES
};

struct view_port_map {
	uint8_t use[BERTH_PORTS]; /* enum view_port_use */
};

/* Reads the map from a look with VIEW_ALL: of the connections of one pair, or of all that this host began, on any
 * address, if pair is NULL. */
void view_port_map(const struct view_snapshot *snapshot, const struct view_pair *pair,
		   struct view_port_map *ret_map);

/* Counts the ports of each use. */
void view_port_map_count(const struct view_port_map *map, uint32_t ret_count[VIEW_PORT_USES]);

/* The last port of the run of equal use that begins at first. */
unsigned view_port_map_run(const struct view_port_map *map, unsigned first);

/* "free", "waiting-10-20", ... for programs. Static. */
const char *view_port_use_name(enum view_port_use use);

#endif
