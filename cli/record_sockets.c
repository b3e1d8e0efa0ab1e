/* SPDX-License-Identifier: MIT */
#include "cli/record_sockets.h"

#include <stdlib.h>

#include "sim/recording.h"

#define FIRST_SLOTS 1024u

static uint32_t home_of(const struct record_sockets *sockets, uint64_t cookie)
{
	return (uint32_t)(cookie * 0x9e3779b97f4a7c15u >> 32) & (sockets->slots - 1);
}

/* The slot where the cookie is, or where it would go. */
static uint32_t slot_of(const struct record_sockets *sockets, uint64_t cookie)
{
	uint32_t at = home_of(sockets, cookie);

	while (sockets->slot[at] && sockets->socket[sockets->slot[at] - 1].cookie != cookie)
		at = (at + 1) & (sockets->slots - 1);
	return at;
}

uint32_t record_sockets_find(const struct record_sockets *sockets, uint64_t cookie)
{
	return sockets->slots ? sockets->slot[slot_of(sockets, cookie)] - 1 : RECORD_NO_SOCKET;
}

static bool grow(struct record_sockets *sockets)
{
	uint32_t slots = sockets->slots ? sockets->slots * 2 : FIRST_SLOTS;
	struct record_socket *socket = realloc(sockets->socket, slots / 2 * sizeof(*socket));
	uint32_t *slot = calloc(slots, sizeof(*slot));

	if (socket)
		sockets->socket = socket;
	if (!socket || !slot) {
		free(slot);
		return false;
	}
	free(sockets->slot);
	sockets->slot = slot;
	sockets->slots = slots;
	for (uint32_t number = 0; number < sockets->numbers; number++)
		if (socket[number].what != RECORD_NOTHING)
			slot[slot_of(sockets, socket[number].cookie)] = number + 1;
	return true;
}

static uint32_t take_number(struct record_sockets *sockets)
{
	uint32_t number = sockets->free - 1;

	if (sockets->free == 0)
		return sockets->numbers++;
	sockets->free = sockets->socket[number].seen;
	return number;
}

uint32_t record_sockets_add(struct record_sockets *sockets, uint64_t cookie, enum record_what what)
{
	uint32_t number;

	if (sockets->count == SIM_SOCKETS_MAX || (sockets->count == sockets->slots / 2 && !grow(sockets)))
		return RECORD_NO_SOCKET;
	number = take_number(sockets);
	sockets->socket[number] = (struct record_socket){ .cookie = cookie, .what = (uint8_t)what };
	sockets->slot[slot_of(sockets, cookie)] = number + 1;
	sockets->count++;
	return number;
}

/* Those behind the empty slot that can only be found through it move up. */
static void close_gap(struct record_sockets *sockets, uint32_t gap)
{
	uint32_t mask = sockets->slots - 1, at = gap;

	while (sockets->slot[at = (at + 1) & mask]) {
		uint32_t home = home_of(sockets, sockets->socket[sockets->slot[at] - 1].cookie);

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		sockets->slot[gap] = sockets->slot[at];
		sockets->slot[at] = 0;
		gap = at;
	}
}

void record_sockets_remove(struct record_sockets *sockets, uint32_t number)
{
	uint32_t at = slot_of(sockets, sockets->socket[number].cookie);

	sockets->slot[at] = 0;
	close_gap(sockets, at);
	sockets->socket[number] = (struct record_socket){ .seen = sockets->free };
	sockets->free = number + 1;
	sockets->count--;
}

void record_sockets_free(struct record_sockets *sockets)
{
	free(sockets->socket);
	free(sockets->slot);
	*sockets = (struct record_sockets){ 0 };
}
