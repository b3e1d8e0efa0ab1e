/* SPDX-License-Identifier: MIT
 *
 * Rates and forecasts: against a model that lets the ports go and come back one by one.
 */
#include "tests/view/world.h"

#include <math.h>

#include "view/outlook.h"

#define PEER 443u

static struct view_outlook outlook_of(const struct view_snapshot *now, bool takes_over,
				      const struct view_snapshot *before)
{
	uint32_t number = 0;
	struct view_ages ages, ages_before;

	assert_int_equal(view_ages(now, &number, 1, &ages), 0);
	if (before)
		assert_int_equal(view_ages(before, &number, 1, &ages_before), 0);
	return view_outlook(now, number, &ages, takes_over, before, &ages_before);
}

static void ages_are_of_usable_ports_only(void **state)
{
	struct view_snapshot *now = world_make(0);
	uint32_t number[2] = { 1, 0 };
	struct view_ages ages[2];

	(void)state;
	world_add(now, PEER, 40000, TCP_TIME_WAIT, 59999);
	world_add(now, PEER, 40001, TCP_TIME_WAIT, 60000); /* just entered */
	world_add(now, PEER, 40002, TCP_TIME_WAIT, 999);
	world_add(now, PEER, 40003, TCP_ESTABLISHED, 0);
	world_add(now, PEER, 30000, TCP_TIME_WAIT, 5000); /* outside of the range */
	world_add(now, PEER + 1, 40000, TCP_TIME_WAIT, 1000);
	assert_int_equal(view_ages(now, number, 2, ages), 0);
	assert_int_equal(ages[1].left[59], 2);
	assert_int_equal(ages[1].left[0], 1);
	assert_int_equal(ages[1].left[5], 0);
	assert_int_equal(ages[0].left[1], 1);
	world_end(now);
}

static void one_look_knows_the_rate_of_time_wait(void **state)
{
	struct view_snapshot *now = world_make(0);
	struct view_outlook outlook;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		world_add(now, PEER, WORLD_FIRST + i, TCP_TIME_WAIT, i < 20 ? 55000 : 30000);
	outlook = outlook_of(now, false, NULL);
	assert_int_equal(outlook.blocked, 50);
	assert_int_equal(outlook.free, 50);
	assert_true(outlook.taken_per_s == 2);
	assert_true(outlook.seconds_left == 25); /* before the first comes back, after 30 s */
	outlook = outlook_of(now, true, NULL);
	assert_int_equal(outlook.blocked, 0);
	assert_true(isnan(outlook.seconds_left));
	world_end(now);
}

static void open_connections_have_no_rate_in_one_look(void **state)
{
	struct view_snapshot *now = world_make(0);

	(void)state;
	world_add(now, PEER, 40000, TCP_ESTABLISHED, 0);
	assert_true(isnan(outlook_of(now, false, NULL).taken_per_s));
	world_end(now);
}

static void two_looks_count_what_came_back_between(void **state)
{
	struct view_snapshot *before = world_make(1000000000), *now = world_make(3000000000);
	struct view_outlook outlook;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		world_add(before, PEER, WORLD_FIRST + i, i < 6 ? TCP_ESTABLISHED : TCP_TIME_WAIT,
			  i == 6 ? 1500 : 30000);
	for (unsigned i = 0; i < 17; i++)
		world_add(now, PEER, WORLD_FIRST + i, i < 11 ? TCP_ESTABLISHED : TCP_TIME_WAIT, 28000);
	outlook = outlook_of(now, false, before);
	assert_true(outlook.taken_per_s == (17 - 10 + 1) / 2.0);
	outlook = outlook_of(now, true, before);
	assert_true(outlook.seconds_left == (100 - 11) / (5 / 2.0));
	world_end(before);
	world_end(now);
}

static void a_new_destination_had_nothing(void **state)
{
	struct view_snapshot *before = world_make(0), *now = world_make(1000000000);

	(void)state;
	world_add(before, PEER + 1, 40000, TCP_ESTABLISHED, 0);
	for (unsigned i = 0; i < 4; i++)
		world_add(now, PEER, WORLD_FIRST + i, TCP_ESTABLISHED, 0);
	before->destinations.count = 1;
	{
		struct view_ages none = { { 0 } };

		assert_true(view_outlook(now, 0, &none, false, before, &none).taken_per_s == 4);
	}
	world_end(before);
	world_end(now);
}

/* Seconds until none is free, by steps of a thousandth. */
static double model(double free_ports, const struct view_ages *ages, double taken, double waiting)
{
	for (unsigned step = 0; step < 1000000; step++) {
		unsigned s = step / 1000;

		free_ports -= taken / 1000;
		free_ports += (s < VIEW_AGES ? ages->left[s] : waiting) / 1000;
		if (free_ports <= 0)
			return step / 1000.0;
	}
	return INFINITY;
}

static void forecast_is_that_of_the_model(void **state)
{
	unsigned finite = 0, infinite = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 300; i++) {
		struct view_ages ages;
		unsigned burst = 1 + (unsigned)rand() % 60, most = (unsigned)rand() % 50;
		double taken = rand() % 40 + 0.0137, waiting = taken * (rand() % 2 ? 1 : rand() % 10 / 10.0);
		uint32_t free_ports = 1 + (uint32_t)rand() % 1000;
		double expected, got;

		for (unsigned s = 0; s < VIEW_AGES; s++)
			ages.left[s] = s % burst == 0 ? most * burst / 8 : 0;
		expected = model(free_ports, &ages, taken, waiting);
		got = view_seconds_left(free_ports, &ages, taken, waiting);
		if (isinf(expected)) {
			assert_true(isinf(got) || got > 999);
			infinite++;
		} else {
			assert_true(fabs(got - expected) < 0.1 + expected / 500);
			finite++;
		}
	}
	assert_true(finite > 50 && infinite > 50);
}

static void forecast_of_nothing(void **state)
{
	struct view_ages ages = { { 0 } };

	(void)state;
	assert_true(view_seconds_left(0, &ages, NAN, 0) == 0);
	assert_true(isnan(view_seconds_left(1, &ages, NAN, 0)));
	assert_true(isinf(view_seconds_left(1, &ages, 0, 0)));
}

static void take_over_is_where_the_settings_say(void **state)
{
	static const struct {
		uint32_t local, remote;
		enum tw_reuse reuse;
		bool timestamps, takes_over;
	} rows[] = {
		{ 0x7f000001, 0x7f000001, TW_REUSE_LOOPBACK, true, true },
		{ 0x7f000009, 0x7f000001, TW_REUSE_LOOPBACK, true, true },
		{ 0x0a000001, 0x0a000001, TW_REUSE_LOOPBACK, true, false },
		{ 0x0a000001, 0x0a000002, TW_REUSE_ALWAYS, true, true },
		{ 0x0a000001, 0x0a000002, TW_REUSE_ALWAYS, false, false },
		{ 0x7f000001, 0x7f000001, TW_REUSE_LOOPBACK, false, false },
		{ 0x7f000001, 0x7f000001, TW_REUSE_NEVER, true, false },
	};
	struct view_snapshot *now = world_make(0);
	struct view_pair v6 = { { { [15] = 1 } }, { { { [15] = 1 } }, 80 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct view_pair pair = { berth_address_v4(rows[i].local),
					  { berth_address_v4(rows[i].remote), 80 } };

		now->ports.timestamps = rows[i].timestamps;
		now->reuse.tw_reuse = rows[i].reuse;
		assert_int_equal(view_takes_over(now, &pair), rows[i].takes_over);
	}
	now->ports.timestamps = true;
	now->reuse.tw_reuse = TW_REUSE_LOOPBACK;
	assert_true(view_takes_over(now, &v6));
	world_end(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_are_of_usable_ports_only),
		cmocka_unit_test(one_look_knows_the_rate_of_time_wait),
		cmocka_unit_test(open_connections_have_no_rate_in_one_look),
		cmocka_unit_test(two_looks_count_what_came_back_between),
		cmocka_unit_test(a_new_destination_had_nothing),
		cmocka_unit_test(forecast_is_that_of_the_model),
		cmocka_unit_test(forecast_of_nothing),
		cmocka_unit_test(take_over_is_where_the_settings_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
