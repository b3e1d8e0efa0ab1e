/* SPDX-License-Identifier: MIT
 *
 * Erlang's formula against published values, against the simulator, and what --plan makes of it.
 */
#include "sim/plan.h"
#include "tests/sim/sim_test.h"

/* B(N, A) from the tables of traffic engineering: the load that N lines take at this loss. */
static void test_table(void **state)
{
	static const struct {
		unsigned places;
		double load, blocked;
	} rows[] = {
		{ 1, 0.010101, 0.01 }, { 1, 1, 0.5 },	     { 2, 1, 0.2 },	   { 10, 4.461, 0.01 },
		{ 20, 12.03, 0.01 },   { 100, 84.06, 0.01 }, { 100, 95.24, 0.05 }, { 0, 3, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_near("B", sim_erlang_b(rows[i].places, rows[i].load), rows[i].blocked,
			    rows[i].blocked * 0.005);
	/* With no end of ports there is no end of numbers either. */
	assert_near("B", sim_erlang_b(64510, 2 * 64510.0), 0.5, 1e-4);
}

/* Random arrivals, 100 ports, any distribution of hold times: sp1 and berth lose what Erlang says. The
 * error is that of the mean of eight runs, from how they differ among each other: four times it. */
static void test_simulated(void **state)
{
	static const struct sim_hold holds[] = {
		{ SIM_HOLD_FIXED, 0, 0 },
		{ SIM_HOLD_EXPONENTIAL, 10, 0 },
		{ SIM_HOLD_PARETO, 10, 2.5 },
	};
	const double runs = 8;

	(void)state;
	for (size_t i = 0; i < COUNT(holds); i++) {
		struct scene scene = scene_at(100 / (30 + holds[i].mean_s + TICK_S / 2));
		double mean = 0, variance = 0, lost[8];

		scene.host.last = scene.host.first + 99;
		scene.host.time_wait_ns = 30 * SECOND;
		scene.load.arrivals = SIM_POISSON;
		scene.load.hold = holds[i];
		scene.warm_up_s = 400;
		scene.measured_s = 4000;
		for (unsigned k = 0; k < COUNT(lost); k++) {
			struct sim_result result;

			scene.seed = k + 1;
			result = run(k % 2 == 0 ? "sp1" : "berth", &scene);
			lost[k] = sim_failed_share(&result);
			mean += lost[k] / runs;
		}
		for (unsigned k = 0; k < COUNT(lost); k++)
			variance += (lost[k] - mean) * (lost[k] - mean) / (runs - 1);
		assert_true(variance > 0);
		assert_near("lost", mean, sim_erlang_b(100, 100), 4 * sqrt(variance / runs));
	}
}

static struct sim_forecast plan_for(const double *rate, size_t destinations, struct sim_supply supply)
{
	const struct sim_demand demand = { .rate = rate, .destinations = destinations, .closed_here = 1 };
	struct sim_forecast forecast;

	sim_plan(&demand, &supply, &forecast);
	return forecast;
}

static void test_forecast(void **state)
{
	static const double even[] = { 250, 250 }, uneven[] = { 450, 50 };
	const struct sim_supply linux_host = {
		.ports = 28232, .addresses = 1, .time_wait_s = 60, .max_tcbs = SIM_NO_LIMIT, .shared = true
	};
	struct sim_supply other = linux_host;
	struct sim_forecast f = plan_for(even, 2, linux_host);

	(void)state;
	/* 15,000 of 28,232 ports. */
	assert_true(f.fits && f.addresses == 1 && f.failing < 1e-12);
	assert_near("busy", f.busy, 15000, 1e-6);
	/* Some 2 % below two ranges a TIME_WAIT: what randomness needs. */
	assert_true(f.rate_most < 2 * 470.53 && f.rate_most > 0.97 * 2 * 470.53);

	/* It is the busiest destination that counts. */
	f = plan_for(uneven, 2, linux_host);
	assert_near("busy", f.busy, 27000, 1e-6);
	assert_true(f.fits);

	/* Ports that serve one destination: 30,000 are too many, two addresses are enough. */
	other.shared = false;
	f = plan_for(even, 2, other);
	assert_true(!f.fits && f.addresses == 2);
	assert_near("failing", f.failing, sim_erlang_b(28232, 30000), 1e-12);
	other.addresses = 2;
	assert_true(plan_for(even, 2, other).fits);

	/* One destination too busy: the other loses nothing. */
	other = linux_host;
	other.ports = 20000;
	f = plan_for(uneven, 2, other);
	assert_true(!f.fits && f.addresses == 2);
	assert_near("failing", f.failing, 0.9 * sim_erlang_b(20000, 27000), 1e-12);

	/* A limit of 1,000: two seconds at 500 a second, and any rate fits. */
	other.max_tcbs = 1000;
	f = plan_for(even, 2, other);
	assert_near("TIME_WAIT", f.time_wait_s, 2, 1e-9);
	assert_true(f.fits && isinf(f.rate_most));
}

/* What a plan calls the most that fits does fit, and 5 % more does not. */
static void test_most(void **state)
{
	struct sim_supply supply = { .ports = 3976, .addresses = 3, .time_wait_s = 120, .shared = true };
	double rate[] = { 70, 20, 10 };
	struct sim_forecast f;
	double all;

	(void)state;
	supply.max_tcbs = SIM_NO_LIMIT;
	all = plan_for(rate, 3, supply).rate_most;
	for (unsigned i = 0; i < 3; i++)
		rate[i] *= all / 100 * 0.999;
	assert_true(plan_for(rate, 3, supply).fits);
	for (unsigned i = 0; i < 3; i++)
		rate[i] *= 1.05;
	f = plan_for(rate, 3, supply);
	assert_true(!f.fits && f.addresses == 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_simulated),
		cmocka_unit_test(test_forecast),
		cmocka_unit_test(test_most),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
