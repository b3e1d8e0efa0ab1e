/* SPDX-License-Identifier: MIT */
#include "tests/view/world.h"

#include "view/pair_index.h"

#define PAIRS 50000u

static struct berth_address local_of(unsigned i)
{
	return berth_address_v4(0x0a000000 + i % 7);
}

static struct berth_endpoint remote_of(unsigned i)
{
	return (struct berth_endpoint){ berth_address_v4(0xc0000000 + i / 1000), (uint16_t)(i % 1000) };
}

static void numbers_are_in_order_and_stay(void **state)
{
	struct view_pair_index index;

	(void)state;
	assert_int_equal(view_pair_index_init(&index), 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		struct berth_address local = local_of(i);
		struct berth_endpoint remote = remote_of(i);

		assert_int_equal(view_pair_index_find(&index, &local, &remote), VIEW_NO_PAIR);
		assert_int_equal(view_pair_index_add(&index, &local, &remote), i);
		assert_int_equal(view_pair_index_add(&index, &local, &remote), i);
	}
	assert_int_equal(index.count, PAIRS);
	for (unsigned i = 0; i < PAIRS; i++) {
		struct berth_address local = local_of(i);
		struct berth_endpoint remote = remote_of(i);

		assert_int_equal(view_pair_index_find(&index, &local, &remote), i);
		assert_true(berth_endpoint_equal(&index.pair[i].remote, &remote));
		assert_true(berth_address_equal(&index.pair[i].local, &local));
	}
	view_pair_index_free(&index);
	view_pair_index_free(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_in_order_and_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
