/* SPDX-License-Identifier: MIT
 *
 * Made-up load: is it what was asked for.
 */
#include "tests/sim/sim_test.h"

#define SAMPLE 200000u

static struct sim_load a_load(void)
{
	return (struct sim_load){ .rate = 50, .burst = 1, .destinations = 1, .closed_here = 1 };
}

static void draw(const struct sim_load *load, uint64_t seed, struct sim_request *request, size_t count)
{
	struct sim_generator generator;

	assert_int_equal(sim_generator_start(&generator, load, seed), 0);
	for (size_t i = 0; i < count; i++)
		assert_true(generator.source.next(&generator.source, &request[i]));
	sim_generator_end(&generator);
}

static struct sim_request sample[SAMPLE], other[SAMPLE];

static void test_seeds(void **state)
{
	struct sim_load load = a_load();

	(void)state;
	load.arrivals = SIM_POISSON;
	load.destinations = 1000;
	load.zipf = 1;
	load.hold = (struct sim_hold){ .shape = SIM_HOLD_PARETO, .mean_s = 3, .alpha = 1.5 };
	draw(&load, 5, sample, 1000);
	draw(&load, 5, other, 1000);
	assert_memory_equal(sample, other, 1000 * sizeof(sample[0]));
	draw(&load, 6, other, 1000);
	assert_memory_not_equal(sample, other, 1000 * sizeof(sample[0]));
}

/* Regular arrivals do not drift: after an hour they are where they should be, to the nanosecond. */
static void test_fixed(void **state)
{
	struct sim_load load = a_load();

	(void)state;
	load.rate = 17;
	draw(&load, 1, sample, 17 * 3600 + 1);
	for (unsigned second = 0; second <= 3600; second++)
		assert_int_equal(sample[17 * second].at_ns, second * SECOND);
	load.burst = 10;
	draw(&load, 1, sample, 17 * 100 + 1);
	for (unsigned i = 0; i <= 17 * 100; i++) {
		unsigned begun = i / 10 * 10;

		assert_int_equal(sample[i].at_ns, llround(begun / 17.0 * 1e9));
	}
}

static void test_poisson(void **state)
{
	struct sim_load load = a_load();
	double mean, variance = 0;

	(void)state;
	load.arrivals = SIM_POISSON;
	draw(&load, 1, sample, SAMPLE);
	mean = (double)sample[SAMPLE - 1].at_ns / 1e9 / SAMPLE;
	for (size_t i = 1; i < SAMPLE; i++) {
		double interval = (double)(sample[i].at_ns - sample[i - 1].at_ns) / 1e9;

		assert_true(sample[i].at_ns >= sample[i - 1].at_ns);
		variance += (interval - mean) * (interval - mean) / SAMPLE;
	}
	/* An exponential's standard deviation is its mean, its fourth moment gives the variance's error. */
	assert_near("mean", mean, 1 / 50.0, 4 / 50.0 / sqrt(SAMPLE));
	assert_near("variance", variance, 1 / 2500.0, 4 * sqrt(8.0 / SAMPLE) / 2500);
}

/* Each destination as often as its share says. */
static void test_zipf(void **state)
{
	enum {
		K = 50
	};
	struct sim_load load = a_load();
	double share[K], sum = 0;
	uint32_t count[K] = { 0 };

	(void)state;
	load.destinations = K;
	load.zipf = 1.2;
	sim_load_shares(&load, share);
	draw(&load, 1, sample, SAMPLE);
	for (size_t i = 0; i < SAMPLE; i++)
		count[sample[i].destination]++;
	for (unsigned k = 0; k < K; k++) {
		assert_near("share", share[k] / share[0], pow(k + 1, -1.2), 1e-12);
		assert_near("drawn", (double)count[k] / SAMPLE, share[k], sampling_error(share[k], SAMPLE));
		sum += share[k];
	}
	assert_near("sum", sum, 1, 1e-9);
}

/* A million of them: every one can come, none beyond. */
static void test_many(void **state)
{
	struct sim_load load = a_load();
	uint32_t high = 0;

	(void)state;
	load.destinations = SIM_DESTINATIONS_MAX;
	load.zipf = 0.2;
	draw(&load, 1, sample, SAMPLE);
	for (size_t i = 0; i < SAMPLE; i++) {
		assert_true(sample[i].destination < SIM_DESTINATIONS_MAX);
		high += sample[i].destination >= SIM_DESTINATIONS_MAX / 2;
	}
	/* The upper half has 1 - 0.5^0.8 of the shares. */
	assert_near("upper half", (double)high / SAMPLE, 1 - pow(0.5, 0.8), sampling_error(0.43, SAMPLE));
}

static void test_holds_and_closers(void **state)
{
	static const struct sim_hold holds[] = {
		{ SIM_HOLD_FIXED, 2.5, 0 },
		{ SIM_HOLD_EXPONENTIAL, 2.5, 0 },
		{ SIM_HOLD_PARETO, 2.5, 3 },
	};
	/* Standard deviations: none; the mean; the mean / sqrt(alpha (alpha - 2)). */
	const double deviation[] = { 0, 2.5, 2.5 / sqrt(3) };

	(void)state;
	for (size_t i = 0; i < COUNT(holds); i++) {
		struct sim_load load = a_load();
		double mean = 0, here = 0;

		load.hold = holds[i];
		load.closed_here = 0.3;
		draw(&load, 1, sample, SAMPLE);
		for (size_t k = 0; k < SAMPLE; k++) {
			mean += (double)sample[k].hold_ns / 1e9 / SAMPLE;
			here += sample[k].closer == SIM_CLOSED_HERE;
			assert_true(sample[k].closer != SIM_RESET && sample[k].port == 0);
		}
		assert_near("hold", mean, 2.5, 4 * deviation[i] / sqrt(SAMPLE) + 1e-9);
		assert_near("closed here", here / SAMPLE, 0.3, sampling_error(0.3, SAMPLE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),	cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_poisson), cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_many),	cmocka_unit_test(test_holds_and_closers),
	};

	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
