/* SPDX-License-Identifier: MIT
 *
 * The table of sockets whose port was put off, against a list that forgets by the same rule.
 */
#include "supervise/lazy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct lazy_table table;

static int start_empty(void **state)
{
	(void)state;
	table = (struct lazy_table){ 0 };
	return 0;
}

static void remembers_until_removed(void **state)
{
	(void)state;
	assert_false(lazy_has(&table, 7));
	lazy_add(&table, 7);
	lazy_add(&table, 7);
	assert_int_equal(table.count, 1);
	assert_true(lazy_has(&table, 7));
	assert_false(lazy_has(&table, 7 + LAZY_BUCKETS));
	lazy_remove(&table, 7);
	lazy_remove(&table, 7);
	assert_int_equal(table.count, 0);
	assert_false(lazy_has(&table, 7));
}

/* A socket without a cookie (an old kernel) is nobody. */
static void zero_is_nobody(void **state)
{
	(void)state;
	lazy_add(&table, 7);
	assert_false(lazy_has(&table, 0));
	lazy_remove(&table, 0);
	assert_int_equal(table.count, 1);
}

static void all_of_the_newest_stay(void **state)
{
	(void)state;
	for (uint64_t cookie = 1; cookie <= 10ull * LAZY_BUCKETS * LAZY_WAYS; cookie++)
		lazy_add(&table, cookie);
	assert_int_equal(table.count, LAZY_BUCKETS * LAZY_WAYS);
	for (uint64_t cookie = 9ull * LAZY_BUCKETS * LAZY_WAYS + 1;
	     cookie <= 10ull * LAZY_BUCKETS * LAZY_WAYS; cookie++)
		assert_true(lazy_has(&table, cookie));
}

/* Few cookies, so that they meet in buckets; never more than fit, so that none is forgotten. */
static void agrees_with_a_list(void **state)
{
	enum {
		COOKIES = LAZY_WAYS,
		STEPS = 100000
	};
	bool model[COOKIES] = { false };
	uint32_t count = 0;

	(void)state;
	srand(1);
	for (int step = 0; step < STEPS; step++) {
		unsigned which = (unsigned)rand() % COOKIES;
		uint64_t cookie = 5 + (uint64_t)which * LAZY_BUCKETS;

		assert_int_equal(lazy_has(&table, cookie), model[which]);
		if (rand() % 2) {
			lazy_add(&table, cookie);
			count += !model[which];
			model[which] = true;
		} else {
			lazy_remove(&table, cookie);
			count -= model[which];
			model[which] = false;
		}
		assert_int_equal(table.count, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(remembers_until_removed, start_empty),
		cmocka_unit_test_setup(zero_is_nobody, start_empty),
		cmocka_unit_test_setup(all_of_the_newest_stay, start_empty),
		cmocka_unit_test_setup(agrees_with_a_list, start_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
