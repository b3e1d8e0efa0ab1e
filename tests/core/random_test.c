/* SPDX-License-Identifier: MIT
 *
 * The generator: known answers, the same numbers for the same seed, no bias.
 */
#include "core/random.h"
#include "tests/core/test.h"

/* ChaCha8 with a zero key and nonce, block 0, words 2 and 3 (published test vector TC1 of ChaCha8 with 256
 * bits of key: 3e00ef2f 895f40d6 7f5bb8e8 1f09a5a1 ...). Words 0 and 1 of each block become the next key. */
static void test_known_answer(void **state)
{
	static const uint8_t zero[BERTH_SEED_BYTES];
	struct berth_random random;
	uint32_t word[8];

	(void)state;
	berth_random_seed(&random, zero);
	for (unsigned i = 0; i < 8; i++)
		word[i] = berth_random_next(&random);
	assert_int_equal(word[0], 0xe8b85b7f);
	assert_int_equal(word[4], 0xa1a5091f);
}

static void test_repeats(void **state)
{
	struct berth_random a, b;
	uint8_t other[BERTH_SEED_BYTES] = { 0x62, 0x65, 0x72, 0x74, 0x69 };
	unsigned same = 0;

	(void)state;
	berth_random_seed(&a, test_key);
	berth_random_seed(&b, test_key);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(berth_random_next(&a), berth_random_next(&b));
	berth_random_seed(&b, other);
	for (unsigned i = 0; i < 1000; i++)
		same += berth_random_next(&a) == berth_random_next(&b);
	assert_true(same < 3);
}

/* What was given is not to be found in the state. */
static void test_erases(void **state)
{
	struct berth_random random;

	(void)state;
	berth_random_seed(&random, test_key);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t word = berth_random_next(&random), held;

		for (size_t at = 0; at < sizeof(random); at += sizeof(held)) {
			memcpy(&held, (const char *)&random + at, sizeof(held));
			assert_int_not_equal(held, word);
		}
	}
}

static void test_below(void **state)
{
	static const uint32_t bounds[] = { 1, 2, 3, 7, 100, 1000 };
	uint32_t count[1000], draws = 200000;
	struct berth_random random;

	(void)state;
	berth_random_seed(&random, test_key);
	for (size_t i = 0; i < COUNT(bounds); i++) {
		memset(count, 0, sizeof(count));
		for (uint32_t k = 0; k < draws; k++) {
			uint32_t value = berth_random_below(&random, bounds[i]);

			assert_true(value < bounds[i]);
			count[value]++;
		}
		if (bounds[i] > 1)
			assert_true(chi_square_sigmas(count, bounds[i], draws) < 4);
	}
}

/* Three quarters of 2^32: without the correction the first third of the results would come twice as often
 * as the others. */
static void test_below_large(void **state)
{
	const uint32_t n = 0xc0000000;
	uint32_t third[3] = { 0 }, draws = 60000;
	struct berth_random random;

	(void)state;
	berth_random_seed(&random, test_key);
	for (uint32_t i = 0; i < draws; i++)
		third[berth_random_below(&random, n) % 3]++;
	assert_true(chi_square_sigmas(third, 3, draws) < 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answer), cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_erases),	     cmocka_unit_test(test_below),
		cmocka_unit_test(test_below_large),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
