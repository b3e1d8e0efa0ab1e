/* SPDX-License-Identifier: MIT */
#include "supervise/lazy.h"

#include <stddef.h>

static uint64_t *find(struct lazy_table *table, uint64_t wanted, uint64_t cookie)
{
	uint64_t *bucket = table->cookie[cookie % LAZY_BUCKETS];

	for (unsigned way = 0; way < LAZY_WAYS; way++)
		if (bucket[way] == wanted)
			return &bucket[way];
	return NULL;
}

void lazy_add(struct lazy_table *table, uint64_t cookie)
{
	uint8_t *turn = &table->turn[cookie % LAZY_BUCKETS];
	uint64_t *slot = find(table, cookie, cookie);

	if (slot)
		return;
	slot = find(table, 0, cookie);
	if (slot) {
		table->count++;
	} else {
		slot = &table->cookie[cookie % LAZY_BUCKETS][*turn];
		*turn = (uint8_t)((*turn + 1) % LAZY_WAYS);
	}
	*slot = cookie;
}

bool lazy_has(const struct lazy_table *table, uint64_t cookie)
{
	return table->count > 0 && cookie != 0 && find((struct lazy_table *)table, cookie, cookie);
}

void lazy_remove(struct lazy_table *table, uint64_t cookie)
{
	uint64_t *slot = cookie ? find(table, cookie, cookie) : NULL;

	if (!slot)
		return;
	*slot = 0;
	table->count--;
}
