/* SPDX-License-Identifier: MIT
 *
 * A set of ports as a list: the fastest uniform pick, 256 KB.
 *
 * Theory of operation
 *
 * The members lie side by side in port[0 .. count - 1], in no order; place[] says where each is. A port is a
 * member if its place is below count and holds that port, so whatever else is in the arrays does not matter
 * (P. Briggs, L. Torczon, 1993). Removing moves the last member into the gap. A pick is one random number and
 * one load, where a port set walks its tree; against that it has no order and no differences, and takes
 * twenty-five times the memory. Hence only for the one set that every pick begins with.
 *
 * Private to core.
 */
#ifndef BERTH_PORT_LIST_H
#define BERTH_PORT_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/port_set.h"
#include "core/random.h"

struct berth_port_list {
	uint32_t count;
	uint16_t port[BERTH_PORTS];
	uint16_t place[BERTH_PORTS];
};

static inline bool berth_port_list_contains(const struct berth_port_list *list, unsigned port)
{
	unsigned place = list->place[port];

	return place < list->count && list->port[place] == port;
}

/* No change if port is in the list. */
static inline void berth_port_list_add(struct berth_port_list *list, unsigned port)
{
	if (berth_port_list_contains(list, port))
		return;
	list->place[port] = (uint16_t)list->count;
	list->port[list->count++] = (uint16_t)port;
}

/* No change if port is not in the list. */
static inline void berth_port_list_remove(struct berth_port_list *list, unsigned port)
{
	unsigned place = list->place[port];

	if (!berth_port_list_contains(list, port))
		return;
	list->port[place] = list->port[--list->count];
	list->place[list->port[place]] = (uint16_t)place;
}

/* A member, each with the same chance. False, and *ret_port untouched, if there is none. */
static inline bool berth_port_list_pick(const struct berth_port_list *list, struct berth_random *random,
					unsigned *ret_port)
{
	if (list->count == 0)
		return false;
	*ret_port = list->port[berth_random_below(random, list->count)];
	return true;
}

#endif
