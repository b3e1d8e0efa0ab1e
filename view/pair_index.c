/* SPDX-License-Identifier: MIT */
#include "view/pair_index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 256u

/* Makes room for so many slots and half as many pairs. 0 or -ENOMEM, and nothing changed. */
static int make_room(struct view_pair_index *index, uint32_t slots)
{
	uint32_t *slot = calloc(slots, sizeof(*slot));
	struct view_pair *pair = realloc(index->pair, slots / 2 * sizeof(*pair));

	if (pair)
		index->pair = pair;
	if (!slot || !pair) {
		free(slot);
		return -ENOMEM;
	}
	free(index->slot);
	index->slot = slot;
	index->slots = slots;
	return 0;
}

int view_pair_index_init(struct view_pair_index *index)
{
	int error;

	*index = (struct view_pair_index){ 0 };
	if (getrandom(&index->key, sizeof(index->key), 0) != sizeof(index->key))
		return -errno;
	error = make_room(index, FIRST_SLOTS);
	if (error)
		view_pair_index_free(index);
	return error;
}

void view_pair_index_free(struct view_pair_index *index)
{
	free(index->slot);
	free(index->pair);
	*index = (struct view_pair_index){ 0 };
}

static bool same(const struct view_pair *pair, const struct berth_address *local,
		 const struct berth_endpoint *remote)
{
	return berth_endpoint_equal(&pair->remote, remote) && berth_address_equal(&pair->local, local);
}

/* The slot where the pair is, or where it would go. */
static uint32_t *slot_of(const struct view_pair_index *index, const struct berth_address *local,
			 const struct berth_endpoint *remote)
{
	uint64_t word[5] = { 0 };
	uint32_t at;

	memcpy(word, local, sizeof(*local));
	memcpy(word + 2, &remote->address, sizeof(remote->address));
	word[4] = remote->port;
	at = (uint32_t)berth_siphash(&index->key, word, 5) & (index->slots - 1);
	while (index->slot[at] && !same(&index->pair[index->slot[at] - 1], local, remote))
		at = (at + 1) & (index->slots - 1);
	return &index->slot[at];
}

static int grow(struct view_pair_index *index)
{
	if (index->slots > UINT32_MAX / 2 || make_room(index, index->slots * 2))
		return -ENOMEM;
	for (uint32_t number = 0; number < index->count; number++)
		*slot_of(index, &index->pair[number].local, &index->pair[number].remote) = number + 1;
	return 0;
}

static uint32_t *lately_of(struct view_pair_index *index, const struct berth_address *local,
			   const struct berth_endpoint *remote)
{
	uint32_t word[2];

	memcpy(&word[0], local->bytes + 12, sizeof(word[0]));
	memcpy(&word[1], remote->address.bytes + 12, sizeof(word[1]));
	return &index->lately[((word[0] ^ word[1] ^ remote->port) * 0x9e3779b1u >> 16) % VIEW_PAIRS_LATELY];
}

static uint32_t add(struct view_pair_index *index, const struct berth_address *local,
		    const struct berth_endpoint *remote)
{
	uint32_t *slot = slot_of(index, local, remote);

	if (*slot)
		return *slot - 1;
	if (index->count == index->slots / 2) {
		if (grow(index))
			return VIEW_NO_PAIR;
		slot = slot_of(index, local, remote);
	}
	index->pair[index->count] = (struct view_pair){ *local, *remote };
	*slot = ++index->count;
	return index->count - 1;
}

uint32_t view_pair_index_add(struct view_pair_index *index, const struct berth_address *local,
			     const struct berth_endpoint *remote)
{
	uint32_t *lately = lately_of(index, local, remote), number;

	if (*lately && same(&index->pair[*lately - 1], local, remote))
		return *lately - 1;
	number = add(index, local, remote);
	if (number != VIEW_NO_PAIR)
		*lately = number + 1;
	return number;
}

uint32_t view_pair_index_find(const struct view_pair_index *index, const struct berth_address *local,
			      const struct berth_endpoint *remote)
{
	return *slot_of(index, local, remote) - 1; /* 0 - 1 is VIEW_NO_PAIR */
}
