/* SPDX-License-Identifier: MIT */
#include "supervise/cookie_set.h"

#include <stddef.h>

static uint64_t *find(struct cookie_set *set, uint64_t wanted, uint64_t cookie)
{
	uint64_t *bucket = set->cookie[cookie % COOKIE_BUCKETS];

	for (unsigned way = 0; way < COOKIE_WAYS; way++)
		if (bucket[way] == wanted)
			return &bucket[way];
	return NULL;
}

void cookie_set_add(struct cookie_set *set, uint64_t cookie)
{
	uint8_t *turn = &set->turn[cookie % COOKIE_BUCKETS];
	uint64_t *slot = find(set, cookie, cookie);

	if (slot)
		return;
	slot = find(set, 0, cookie);
	if (slot) {
		set->count++;
	} else {
		slot = &set->cookie[cookie % COOKIE_BUCKETS][*turn];
		*turn = (uint8_t)((*turn + 1) % COOKIE_WAYS);
	}
	*slot = cookie;
}

bool cookie_set_has(const struct cookie_set *set, uint64_t cookie)
{
	const uint64_t *bucket = set->cookie[cookie % COOKIE_BUCKETS];
	bool has = false;

	for (unsigned way = 0; way < COOKIE_WAYS; way++)
		has |= bucket[way] == cookie;
	return has && cookie != 0;
}

void cookie_set_remove(struct cookie_set *set, uint64_t cookie)
{
	uint64_t *slot = cookie ? find(set, cookie, cookie) : NULL;

	if (!slot)
		return;
	*slot = 0;
	set->count--;
}
