/* SPDX-License-Identifier: MIT
 *
 * A port space made by hand, for what only reads a look.
 */
#ifndef BERTH_TESTS_VIEW_WORLD_H
#define BERTH_TESTS_VIEW_WORLD_H

#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "view/snapshot.h"

#define WORLD_FIRST 40000u
#define WORLD_PORTS 100u

static inline struct berth_endpoint world_peer(unsigned port)
{
	return (struct berth_endpoint){ berth_address_v4(0xc0000201), (uint16_t)port };
}

static inline struct view_pair world_pair(unsigned port)
{
	return (struct view_pair){ berth_address_v4(0xc0000263), world_peer(port) };
}

/* A range of WORLD_PORTS ports, timestamps on, TIME_WAIT taken over between loopback addresses only; no connection. */
static inline struct view_snapshot *world_make(uint64_t taken_ns)
{
	struct view_snapshot *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->taken_ns = taken_ns;
	world->ports.first = WORLD_FIRST;
	world->ports.last = WORLD_FIRST + WORLD_PORTS - 1;
	world->ports.timestamps = true;
	world->reuse = (struct reuse_sysctls){ TW_REUSE_LOOPBACK, 1000, 1000, false };
	berth_port_set_add_range(&world->usable, world->ports.first, world->ports.last);
	assert_int_equal(view_pair_index_init(&world->destinations), 0);
	return world;
}

/* Adds a connection to the peer's port; remaining_ms matters to TIME_WAIT. */
static inline void world_add(struct view_snapshot *world, unsigned peer_port, unsigned port, uint8_t state,
			     uint32_t remaining_ms)
{
	struct view_pair pair = world_pair(peer_port);
	uint32_t destinations = world->destinations.count;
	uint32_t number = view_pair_index_add(&world->destinations, &pair.local, &pair.remote);

	assert_int_not_equal(number, VIEW_NO_PAIR);
	world->row = realloc(world->row, (world->rows + 1) * sizeof(*world->row));
	world->count = realloc(world->count, world->destinations.count * sizeof(*world->count));
	assert_true(world->row && world->count);
	if (world->destinations.count > destinations)
		world->count[number] = (struct view_count){ 0 };
	world->row[world->rows++] = (struct view_row){
		.destination = number, .remaining_ms = remaining_ms, .port = (uint16_t)port, .state = state
	};
	world->begun++;
	world->reached += world->count[number].begun++ == 0;
	if (berth_port_set_contains(&world->usable, port))
		*(state == TCP_TIME_WAIT ? &world->count[number].waiting : &world->count[number].used) += 1;
}

static inline void world_end(struct view_snapshot *world)
{
	view_free(world);
	free(world);
}

#endif
