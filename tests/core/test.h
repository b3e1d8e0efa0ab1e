/* SPDX-License-Identifier: MIT
 *
 * What the tests of the core share: cmocka, and random operations that can be repeated.
 *
 * Every random run prints its seed when it fails; BERTH_SEED=N runs it again. The generator is not the one
 * under test.
 */
#ifndef BERTH_TESTS_CORE_TEST_H
#define BERTH_TESTS_CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t test_key[32] = { 0x62, 0x65, 0x72, 0x74, 0x68 };

/* BERTH_SEED, or one that differs from run to run. */
static inline uint64_t test_seed(void)
{
	const char *text = getenv("BERTH_SEED");
	struct timespec now;

	if (text != NULL)
		return strtoull(text, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* splitmix64 (S. Vigna, public domain algorithm). */
struct dice {
	uint64_t state;
};

static inline uint64_t roll(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 .. n-1; the bias does not matter here. */
static inline uint32_t roll_below(struct dice *dice, uint32_t n)
{
	return (uint32_t)(roll(dice) % n);
}

/* For a random run against a model: the first disagreement ends it and says where. */
struct run {
	struct dice dice;
	uint64_t seed;
	unsigned step;
	const char *wrong; /* NULL: none yet */
};

#define AGREE(run, condition)                             \
	do {                                              \
		if (!(condition) && (run)->wrong == NULL) \
			(run)->wrong = #condition;        \
	} while (0)

static inline void assert_agreed(const struct run *run)
{
	if (run->wrong != NULL)
		fail_msg("BERTH_SEED=%llu step %u: %s", (unsigned long long)run->seed, run->step, run->wrong);
}

/* A run with a planted fault must end in a disagreement, or the check proves nothing. */
static inline void assert_disagreed(const struct run *run)
{
	if (run->wrong == NULL)
		fail_msg("BERTH_SEED=%llu: the planted fault was not noticed", (unsigned long long)run->seed);
}

/* Chi-square of counts that should be equal, as a distance from its mean in standard deviations (normal
 * approximation; good for the hundreds of cells used here). */
static inline double chi_square_sigmas(const uint32_t *count, size_t cells, uint32_t draws)
{
	double expected = (double)draws / (double)cells, sum = 0, degrees = (double)cells - 1;
	double distance, root = 1;

	for (size_t i = 0; i < cells; i++)
		sum += (count[i] - expected) * (count[i] - expected) / expected;
	for (unsigned i = 0; i < 50; i++)
		root = (root + 2 * degrees / root) / 2;
	distance = (sum - degrees) / root;
	return distance < 0 ? -distance : distance;
}

#endif
