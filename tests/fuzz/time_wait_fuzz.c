/* SPDX-License-Identifier: MIT
 *
 * A stream of operations on a TIME_WAIT table; after each, what must hold of its list, its index and time.
 *
 *	build/tests/fuzz/time_wait_fuzz -max_total_time=60
 */
#include "core/time_wait.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY 12u
#define SECOND	 1000000000ull

static _Alignas(64) uint8_t memory[1024];

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct berth_tuple tuple_of(uint8_t byte, bool ipv6)
{
	struct berth_tuple tuple = { { berth_address_v4(byte & 3u), (uint16_t)(byte >> 2 & 3) },
				     (uint16_t)(1 + (byte >> 4)) };

	if (ipv6 && byte & 1)
		tuple.remote.address.bytes[3] = 1;
	return tuple;
}

static void check(struct berth_time_wait *table, uint64_t now_ns)
{
	uint32_t slot = berth_time_wait_oldest(table), count = 0, found = 0;
	bool ipv6 = now_ns & 1;
	uint64_t entered = 0;

	for (; slot != 0; slot = berth_time_wait_younger(table, slot)) {
		struct berth_tuple tuple;

		require(++count <= CAPACITY);
		require(slot <= CAPACITY);
		require(berth_time_wait_entered(table, slot) >= entered);
		entered = berth_time_wait_entered(table, slot);
		require(entered <= now_ns + 10000000);
		berth_time_wait_get(table, slot, &tuple);
		require(berth_time_wait_find(table, &tuple) == slot);
	}
	require(count == berth_time_wait_count(table));
	for (unsigned byte = 0; byte < 256; byte++) {
		struct berth_tuple tuple = tuple_of((uint8_t)byte, ipv6);

		found += berth_time_wait_find(table, &tuple) != 0;
	}
	require(found == count);
}

/* The lowest bit of the time says IPv6, so that check() knows. */
static uint64_t step(uint8_t byte)
{
	static const uint64_t steps[] = { 2,	       5000000,	      10000000,		 SECOND,
					  60 * SECOND, 3600 * SECOND, 50 * 3600 * SECOND };

	return steps[byte % (sizeof(steps) / sizeof(steps[0]))];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool ipv6 = size > 0 && data[0] & 1;
	struct berth_tuple gone[BERTH_EXPIRE_BATCH];
	struct berth_time_wait *table;
	uint64_t now_ns = ipv6;

	memset(memory, 0, sizeof(memory));
	table = berth_time_wait_init(memory, sizeof(memory), CAPACITY, ipv6, memory);
	require(table != NULL);
	for (; size >= 2; data += 2, size -= 2) {
		struct berth_tuple tuple = tuple_of(data[1], ipv6);
		uint32_t slot = berth_time_wait_find(table, &tuple);

		switch (data[0] >> 1 & 7) {
		case 0:
		case 1:
		case 2:
			if (slot == 0 && berth_time_wait_enter(table, &tuple, now_ns) == 0 &&
			    berth_time_wait_oldest(table) != 0)
				berth_time_wait_leave(table, berth_time_wait_oldest(table));
			break;
		case 3:
			if (slot != 0)
				berth_time_wait_leave(table, slot);
			break;
		case 4:
			if (slot != 0)
				berth_time_wait_restart(table, slot, now_ns);
			break;
		case 5:
			now_ns += step(data[1]);
			break;
		case 6:
			berth_time_wait_set_delay(table, data[1] * SECOND);
			break;
		case 7:
			berth_time_wait_expire(table, now_ns, gone);
			require(berth_time_wait_next_expiry(table) > now_ns);
			break;
		}
		check(table, now_ns);
	}
	return 0;
}
