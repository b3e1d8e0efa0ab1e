/* SPDX-License-Identifier: MIT
 *
 * Which local ports have a connection to which destination.
 *
 * A bounded memory: when it is full, the destination that was not used for the longest time is forgotten,
 * with all its ports. Whoever needs to be sure asks the kernel, or the TIME_WAIT table.
 *
 * Memory	The caller's, zero-filled, aligned to 64 bytes, berth_destinations_size() of it. Holds no
 *		pointers. 76 bytes for each destination and 20 KB for each that has more than 16 ports.
 * Threads	Not locked: one owner at a time.
 */
#ifndef BERTH_DESTINATIONS_H
#define BERTH_DESTINATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/port_set.h"

/* What is known of one (port, destination). */
enum berth_connection_state {
	BERTH_NO_CONNECTION,
	BERTH_LIVE,
	BERTH_TIME_WAIT,
};

/* Up to this many ports a destination needs no bitmap. */
#define BERTH_FEW_PORTS 16u

struct berth_destinations;

/* Bytes for capacity destinations, bitmaps of which may have more than BERTH_FEW_PORTS ports. 0 if either
 * is 0 or above 2^31 - 1. */
size_t berth_destinations_size(uint32_t capacity, uint32_t bitmaps);

/* Makes an empty memory of destinations in zero-filled memory; key is secret and random wherever peers may
 * be hostile. NULL if bytes are too few or a number is out of bounds. */
struct berth_destinations *berth_destinations_init(void *memory, size_t bytes, uint32_t capacity,
						   uint32_t bitmaps, const uint8_t key[16]);

/* Forgets all. Cost: proportional to the destinations there are. */
void berth_destinations_clear(struct berth_destinations *table);

/* Notes what there is between port and destination. BERTH_NO_CONNECTION takes the port out; the last one
 * takes the destination out. Anything else is a use of the destination and may make another forgotten. */
void berth_destinations_put(struct berth_destinations *table, const struct berth_endpoint *destination,
			    unsigned port, enum berth_connection_state state);

enum berth_connection_state berth_destinations_state(const struct berth_destinations *table,
						     const struct berth_endpoint *destination, unsigned port);

/* The ports of one destination, valid until the next put or clear. Either few, ascending, or two sets. */
struct berth_destination_ports {
	uint32_t count;		/* all ports */
	uint32_t time_wait;	/* those in TIME_WAIT */
	const uint16_t *few;	/* count ports; NULL if there are sets */
	uint16_t few_time_wait; /* bit i: few[i] is in TIME_WAIT */
	const struct berth_port_set *all;
	const struct berth_port_set *waiting;
};

/* Gives the ports; a use of the destination. False, and all fields 0, if nothing is known of it. */
bool berth_destinations_find(struct berth_destinations *table, const struct berth_endpoint *destination,
			     struct berth_destination_ports *ret_ports);

/* Destinations remembered, those of them with sets, and those forgotten since init for want of room. */
uint32_t berth_destinations_count(const struct berth_destinations *table);
uint32_t berth_destinations_bitmaps(const struct berth_destinations *table);
uint64_t berth_destinations_forgotten(const struct berth_destinations *table);

#endif
