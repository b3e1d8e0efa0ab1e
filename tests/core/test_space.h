/* SPDX-License-Identifier: MIT
 *
 * A port space in the memory of a test.
 */
#ifndef BERTH_TESTS_CORE_TEST_SPACE_H
#define BERTH_TESTS_CORE_TEST_SPACE_H

#include "core/port_space.h"
#include "tests/core/test.h"

static void *memory;
static struct berth_space *space;

/* Room for more than most tests need. */
static const struct berth_space_limits some = {
	.destinations = 100, .bitmaps = 4, .time_wait = 5000, .ipv6 = true
};

/* Ports 1, 2, 3 of a test stand for 40001, 40002, 40003. */
#define BASE 40000u

static inline struct berth_endpoint endpoint_of(char letter)
{
	struct berth_endpoint endpoint = { .port = 443 };

	if (letter == 'A') {
		static const uint8_t mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1 };

		memcpy(endpoint.address.bytes, mapped, sizeof(mapped));
	} else if (letter == 'a') {
		endpoint.address = berth_address_v4(0xc0000201);
	} else {
		endpoint.address.bytes[0] = 0x20;
		endpoint.address.bytes[15] = (uint8_t)letter;
	}
	return endpoint;
}

/* A new one in place of the last. */
static inline struct berth_space *make_space(const struct berth_space_limits *limits)
{
	size_t bytes = berth_space_size(limits);

	free(memory);
	memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(memory);
	memset(memory, 0, bytes);
	return berth_space_init(memory, bytes, limits, test_key);
}

/* The group's teardown. */
static inline int release_memory(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

#endif
