/* SPDX-License-Identifier: MIT
 *
 * A set of cookies, against a list that forgets by the same rule.
 */
#include "supervise/cookie_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct cookie_set set;

static int start_empty(void **state)
{
	(void)state;
	set = (struct cookie_set){ 0 };
	return 0;
}

static void remembers_until_removed(void **state)
{
	(void)state;
	assert_false(cookie_set_has(&set, 7));
	cookie_set_add(&set, 7);
	cookie_set_add(&set, 7);
	assert_int_equal(set.count, 1);
	assert_true(cookie_set_has(&set, 7));
	assert_false(cookie_set_has(&set, 7 + COOKIE_BUCKETS));
	cookie_set_remove(&set, 7);
	cookie_set_remove(&set, 7);
	assert_int_equal(set.count, 0);
	assert_false(cookie_set_has(&set, 7));
}

/* A socket without a cookie (an old kernel) is nobody. */
static void zero_is_nobody(void **state)
{
	(void)state;
	cookie_set_add(&set, 7);
	assert_false(cookie_set_has(&set, 0));
	cookie_set_remove(&set, 0);
	assert_int_equal(set.count, 1);
}

static void all_of_the_newest_stay(void **state)
{
	(void)state;
	for (uint64_t cookie = 1; cookie <= 10ull * COOKIE_BUCKETS * COOKIE_WAYS; cookie++)
		cookie_set_add(&set, cookie);
	assert_int_equal(set.count, COOKIE_BUCKETS * COOKIE_WAYS);
	for (uint64_t cookie = 9ull * COOKIE_BUCKETS * COOKIE_WAYS + 1;
	     cookie <= 10ull * COOKIE_BUCKETS * COOKIE_WAYS; cookie++)
		assert_true(cookie_set_has(&set, cookie));
}

/* Few cookies, so that they meet in buckets; never more than fit, so that none is forgotten. */
static void agrees_with_a_list(void **state)
{
	enum {
		COOKIES = COOKIE_WAYS,
		STEPS = 100000
	};
	bool model[COOKIES] = { false };
	uint32_t count = 0;

	(void)state;
	srand(1);
	for (int step = 0; step < STEPS; step++) {
		unsigned which = (unsigned)rand() % COOKIES;
		uint64_t cookie = 5 + (uint64_t)which * COOKIE_BUCKETS;

		assert_int_equal(cookie_set_has(&set, cookie), model[which]);
		if (rand() % 2) {
			cookie_set_add(&set, cookie);
			count += !model[which];
			model[which] = true;
		} else {
			cookie_set_remove(&set, cookie);
			count -= model[which];
			model[which] = false;
		}
		assert_int_equal(set.count, count);
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
