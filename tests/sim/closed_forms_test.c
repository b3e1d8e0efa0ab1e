/* SPDX-License-Identifier: MIT
 *
 * What can be computed, the simulator must give: capacity, and the share of connections that fail under
 * each of the Windows policies, for one local address, one destination, regular arrivals, closed here at
 * once. N is the number of ports, D TIME_WAIT, L the rate; a = L D / N.
 *
 * Tolerances. Where nothing is random: none, or one arrival and one tick of the library in each TIME_WAIT,
 * as a port that becomes free between two arrivals is given by the second. Where ports are random:
 * sampling_error().
 */
#include "tests/sim/sim_test.h"

/* At most so much of what is computed is lost to arrivals and ticks being discrete. */
static double one_arrival_and_tick(const struct scene *scene)
{
	double arrivals = scene->load.rate * time_wait_s(scene);

	return (1 + scene->load.rate * TICK_S) / arrivals;
}

static double offered(const struct scene *scene)
{
	return scene->load.rate * time_wait_s(scene) / ports_of(scene);
}

/* Capacity: N / D connections a second, for each range and each TIME_WAIT of the tables. */
static void test_capacity(void **state)
{
	static const struct {
		unsigned first, last, ports;
	} ranges[] = { { 1025, 5000, 3976 },
		       { 1025, 65534, 64510 },
		       { 49152, 65535, 16384 },
		       { 32768, 60999, 28232 },
		       { 1024, 5119, 4096 } };
	static const unsigned delays[] = { 30, 60, 120, 240 };

	(void)state;
	for (size_t i = 0; i < COUNT(ranges) * COUNT(delays); i++) {
		unsigned delay = delays[i % COUNT(delays)], ports = ranges[i / COUNT(delays)].ports;
		double capacity = (double)ports / delay;
		struct scene scene = scene_at(1.05 * capacity);
		struct sim_result result;

		scene.host.first = ranges[i / COUNT(delays)].first;
		scene.host.last = ranges[i / COUNT(delays)].last;
		scene.host.time_wait_ns = delay * SECOND;
		scene.warm_up_s = scene.measured_s = delay;
		assert_int_equal(ports_of(&scene), ports);
		result = run("sp1", &scene);
		assert_near("made a second", (double)result.outcome[SIM_CONNECTED] / scene.measured_s,
			    capacity, capacity * one_arrival_and_tick(&scene));
		if (delay != 60)
			continue;
		/* Slower by one port and one tick, and all of them are made. */
		scene.load.rate = (ports - 1) / (delay + TICK_S);
		result = run("berth", &scene);
		assert_int_equal(result.outcome[SIM_CONNECTED], result.attempts);
	}
}

/* SP1, and berth with one destination: max(0, 1 - N / (L D)). */
static void test_sp1(void **state)
{
	static const double rates[] = { 1, 16.5, 17, 20, 50 };

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct scene scene = scene_at(rates[i]);
		double failing = fmax(0, 1 - 1 / offered(&scene));
		double tolerance = failing == 0 ? 0 : one_arrival_and_tick(&scene) / offered(&scene);
		struct sim_result sp1 = run("sp1", &scene), berth = run("berth", &scene);

		assert_near("sp1", sim_failed_share(&sp1), failing, tolerance);
		assert_near("berth", sim_failed_share(&berth), failing, tolerance);
		/* What fails is step 10, and nothing else. */
		assert_int_equal(sp1.outcome[SIM_CONNECTED] + sp1.outcome[SIM_TIME_WAIT_COLLISION],
				 sp1.attempts);
	}
}

/* Before SP1, at random: a / (1 + a). */
static void test_random(void **state)
{
	static const double rates[] = { 1, 5, 10, 17, 20 };

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct scene scene = scene_at(rates[i]);
		double a = offered(&scene), failing = a / (1 + a);
		struct sim_result result = run("legacy-random", &scene);

		assert_near("legacy-random", sim_failed_share(&result), failing,
			    sampling_error(failing, result.attempts));
	}
}

/* Before SP1, the lowest port: all but the first in each TIME_WAIT fail, 1 - 1 / (L D). */
static void test_first_fit(void **state)
{
	static const double rates[] = { 1, 17, 20 };

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct scene scene = scene_at(rates[i]);
		struct sim_result result = run("legacy-first-fit", &scene);

		assert_near("legacy-first-fit", sim_failed_share(&result), 1 - 1 / (rates[i] * 240), 1e-12);
	}
}

/* How many of the attempts from a to b, counted from 0, fail with a cursor that is back at a port before
 * TIME_WAIT is over: every second lap, as the failed attempt does not prolong it. */
static uint64_t second_laps(uint64_t a, uint64_t b, unsigned ports)
{
	uint64_t failed = 0;

	for (uint64_t i = a; i < b; i++)
		failed += i / ports % 2;
	return failed;
}

/* Before SP1, the next port: nothing below capacity, half of all just above. */
static void test_sequential(void **state)
{
	struct scene scene = scene_at(16.5);
	struct sim_result result = run("legacy", &scene);

	(void)state;
	assert_int_equal(result.outcome[SIM_CONNECTED], result.attempts);
	for (unsigned rate = 17; rate <= 20; rate += 3) {
		scene = scene_at(rate);
		result = run("legacy", &scene);
		assert_int_equal(result.attempts, 6 * 240 * rate);
		assert_int_equal(result.outcome[SIM_TIME_WAIT_COLLISION],
				 second_laps(2 * 240 * rate, 8 * 240 * rate, ports_of(&scene)));
		/* A ring that knows no TIME_WAIT is a cursor, as long as connections are short. */
		assert_int_equal(run("haproxy", &scene).outcome[SIM_TIME_WAIT_COLLISION],
				 result.outcome[SIM_TIME_WAIT_COLLISION]);
	}
}

/* MaxFreeTWTcbs: TIME_WAIT lasts min(D, M / L); what is in it never exceeds M, so random fails by M / N at
 * most, and the others not at all. */
static void test_cap(void **state)
{
	static const double rates[] = { 10, 20, 50 };

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct scene scene = scene_at(rates[i]);
		struct sim_result random, sp1, legacy;
		double plateau = 1000.0 / ports_of(&scene), lasts_s;

		scene.host.max_tcbs = 1000;
		random = run("legacy-random", &scene);
		sp1 = run("sp1", &scene);
		legacy = run("legacy", &scene);
		assert_near("plateau", sim_failed_share(&random), plateau,
			    sampling_error(plateau, random.attempts));
		assert_int_equal(sp1.outcome[SIM_CONNECTED], sp1.attempts);
		assert_int_equal(legacy.outcome[SIM_CONNECTED], legacy.attempts);
		assert_int_equal(sp1.time_wait_most, 1000);
		/* The 1,001st makes the first one go. */
		lasts_s = 1000 / rates[i];
		assert_near("shortest", sp1.shortest_time_wait_s, lasts_s, 1e-6);
	}
}

/* With M = 1000, the full 240 s are kept up to 4.17 closes a second, and 60 s up to 16.67. */
static void test_cap_promises(void **state)
{
	struct scene scene = scene_at(4.16);

	(void)state;
	scene.host.max_tcbs = 1000;
	assert_int_equal(run("sp1", &scene).evicted, 0);
	scene.load.rate = 4.18;
	assert_true(run("sp1", &scene).evicted > 0);
	scene.load.rate = 16.66;
	assert_true(run("sp1", &scene).shortest_time_wait_s >= 60);
	scene.load.rate = 16.68;
	assert_true(run("sp1", &scene).shortest_time_wait_s < 60);
}

/* A NAT that draws ten times: at a fill of f, f^10 fail, and f = a (1 - f^10). */
static void test_ten_tries(void **state)
{
	static const double rates[] = { 10, 17, 20 };

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct scene scene = scene_at(rates[i]);
		double low = 0, high = 1;
		struct sim_result result = run("nat-ten-tries", &scene);

		for (unsigned k = 0; k < 60; k++) {
			double fill = (low + high) / 2;

			if (fill < offered(&scene) * (1 - pow(fill, 10)))
				low = fill;
			else
				high = fill;
		}
		assert_near("nat-ten-tries", sim_failed_share(&result), pow(low, 10),
			    sampling_error(pow(low, 10), result.attempts));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capacity),     cmocka_unit_test(test_sp1),
		cmocka_unit_test(test_random),	     cmocka_unit_test(test_first_fit),
		cmocka_unit_test(test_sequential),   cmocka_unit_test(test_cap),
		cmocka_unit_test(test_cap_promises), cmocka_unit_test(test_ten_tries),
	};

	return cmocka_run_group_tests_name("closed forms", tests, NULL, NULL);
}
