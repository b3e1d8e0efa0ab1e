/* SPDX-License-Identifier: MIT
 *
 * Uniform picks: in each rank each port has the same chance, in every form that a destination can have.
 * Fixed seed, chi-square within four standard deviations.
 */
#include "tests/core/test_space.h"

#define FIRST 30000u
#define PORTS 500u
#define DRAWS 250000u

static struct berth_endpoint name(unsigned n)
{
	return (struct berth_endpoint){ berth_address_v4(0x0a000000 + n), 443 };
}

static void start(enum berth_policy policy)
{
	const struct berth_space_limits limits = { .destinations = 100, .bitmaps = 4, .time_wait = 5000 };

	space = make_space(&limits);
	berth_space_set_range(space, FIRST, FIRST + PORTS - 1, NULL);
	berth_space_set_policy(space, policy);
}

static void take(unsigned i, unsigned n)
{
	struct berth_endpoint endpoint = name(n);

	assert_int_equal(berth_space_connect(space, FIRST + i, &endpoint, 0), BERTH_CONNECTED);
}

static void end(unsigned i, unsigned n)
{
	struct berth_endpoint endpoint = name(n);

	assert_true(berth_space_close(space, FIRST + i, &endpoint, 0));
}

/* Draws, and requires that just the ports i with is_right(i) come, all equally often. */
static void assert_uniform(unsigned n, enum berth_verdict wanted, bool (*is_right)(unsigned))
{
	static uint32_t count[PORTS], cell[PORTS];
	struct berth_endpoint endpoint = name(n);
	size_t cells = 0;

	memset(count, 0, sizeof(count));
	for (uint32_t draw = 0; draw < DRAWS; draw++) {
		unsigned port;

		assert_int_equal(berth_space_pick(space, n == 0 ? NULL : &endpoint, 0, &port), wanted);
		count[port - FIRST]++;
	}
	for (unsigned i = 0; i < PORTS; i++) {
		if (is_right(i))
			cell[cells++] = count[i];
		else
			assert_int_equal(count[i], 0);
	}
	assert_true(cells > 100);
	assert_true(chi_square_sigmas(cell, cells, DRAWS) < 4);
}

static bool every_third(unsigned i)
{
	return i % 3 == 0;
}

static bool any(unsigned i)
{
	(void)i;
	return true;
}

static bool not_few(unsigned i)
{
	return i % 40 != 0;
}

static bool beside_listeners(unsigned i)
{
	return every_third(i) && i % 27 != 0;
}

/* Ports are taken in an order that leaves runs of free ones of every length. */
static void test_fresh(void **state)
{
	(void)state;
	start(BERTH_POLICY_BERTH);
	for (unsigned i = 0; i < PORTS; i++)
		if (!every_third(i))
			take(i, 1);
	assert_uniform(1, BERTH_FRESH, every_third);
	assert_uniform(0, BERTH_FRESH, every_third);
	berth_space_set_policy(space, BERTH_POLICY_SP1);
	assert_uniform(1, BERTH_FRESH, every_third);
}

static void test_shared(void **state)
{
	(void)state;
	start(BERTH_POLICY_BERTH);
	for (unsigned i = 0; i < PORTS; i++)
		take(i, 1);
	assert_uniform(2, BERTH_SHARED, any);
	assert_uniform(0, BERTH_SHARED, any);
	/* Beside few ports, then beside a bitmap. */
	for (unsigned i = 0; i < PORTS; i += 40)
		take(i, 3);
	assert_uniform(3, BERTH_SHARED, not_few);
	for (unsigned i = 0; i < PORTS; i++)
		if (!every_third(i))
			take(i, 2);
	assert_uniform(2, BERTH_SHARED, every_third);
}

/* Listeners on some of the ports: a few are stepped over, with many all words are looked at. */
static void test_shared_beside_listeners(void **state)
{
	(void)state;
	start(BERTH_POLICY_BERTH);
	for (unsigned i = 0; i < PORTS; i++) {
		take(i, 1);
		if (!every_third(i))
			take(i, 2);
	}
	for (unsigned i = 0; i < 10; i++)
		berth_space_hold(space, FIRST + 1 + 3 * i, false);
	assert_uniform(2, BERTH_SHARED, every_third);
	for (unsigned i = 0; i < PORTS; i += 27)
		berth_space_hold(space, FIRST + i, false);
	assert_uniform(2, BERTH_SHARED, beside_listeners);
}

static void test_second_pass(void **state)
{
	(void)state;
	start(BERTH_POLICY_SP1);
	for (unsigned i = 0; i < PORTS; i++) {
		take(i, 1);
		if (every_third(i))
			end(i, 1);
	}
	assert_uniform(1, BERTH_WAITING, every_third);
	assert_uniform(0, BERTH_WAITING, every_third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_shared_beside_listeners),
		cmocka_unit_test(test_second_pass),
	};

	return cmocka_run_group_tests_name("pick", tests, NULL, release_memory);
}
