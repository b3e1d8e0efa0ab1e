/* SPDX-License-Identifier: MIT */
#include "daemon/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/time_wait.h"

static struct berth_tuple tuple_of(uint64_t cookie)
{
	return (struct berth_tuple){
		.remote = { berth_address_v4((uint32_t)(cookie >> 32)), (uint16_t)(cookie >> 16) },
		.local_port = (uint16_t)cookie,
	};
}

int waiting_init(struct waiting *waiting, uint32_t capacity)
{
	size_t size = berth_time_wait_size(capacity, false);
	/* Cookies count up: nobody chooses them, but some random bits cost nothing. */
	uint8_t key[16] = { 0 };
	void *memory = calloc(1, size);

	*waiting = (struct waiting){ .who = calloc((size_t)capacity + 1, sizeof(*waiting->who)) };
	if (!memory || !waiting->who || getrandom(key, sizeof(key), 0) < 0) {
		free(memory);
		waiting_free(waiting);
		return -ENOMEM;
	}
	waiting->table = berth_time_wait_init(memory, size, capacity, false, key);
	return 0;
}

void waiting_free(struct waiting *waiting)
{
	free(waiting->table);
	free(waiting->who);
	*waiting = (struct waiting){ 0 };
}

uint32_t waiting_count(const struct waiting *waiting)
{
	return waiting->table ? berth_time_wait_count(waiting->table) : 0;
}

bool waiting_enter(struct waiting *waiting, const struct left_over *who, uint64_t entered_ns)
{
	struct berth_tuple tuple = tuple_of(who->cookie);
	uint32_t slot;

	if (berth_time_wait_find(waiting->table, &tuple) != 0)
		return false;
	slot = berth_time_wait_enter(waiting->table, &tuple, entered_ns);
	while (slot == 0) {
		berth_time_wait_leave(waiting->table, berth_time_wait_oldest(waiting->table));
		slot = berth_time_wait_enter(waiting->table, &tuple, entered_ns);
	}
	waiting->who[slot] = *who;
	return true;
}

uint64_t waiting_entered(const struct waiting *waiting, uint64_t cookie)
{
	struct berth_tuple tuple = tuple_of(cookie);
	uint32_t slot = waiting->table ? berth_time_wait_find(waiting->table, &tuple) : 0;

	return slot ? berth_time_wait_entered(waiting->table, slot) : 0;
}

uint64_t waiting_oldest(const struct waiting *waiting)
{
	uint32_t slot = berth_time_wait_oldest(waiting->table);

	return slot ? berth_time_wait_entered(waiting->table, slot) : UINT64_MAX;
}

unsigned waiting_take_oldest(struct waiting *waiting, uint64_t until_ns, unsigned most,
			     struct left_over ret_gone[])
{
	unsigned count = 0;
	uint32_t slot;

	while (count < most) {
		slot = berth_time_wait_oldest(waiting->table);
		if (slot == 0 || waiting_oldest(waiting) > until_ns)
			break;
		ret_gone[count++] = waiting->who[slot];
		berth_time_wait_leave(waiting->table, slot);
	}
	return count;
}
