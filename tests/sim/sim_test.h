/* SPDX-License-Identifier: MIT
 *
 * What the tests of the simulator share: a run in one call, and how far from a closed form it may be.
 */
#ifndef BERTH_TESTS_SIM_SIM_TEST_H
#define BERTH_TESTS_SIM_SIM_TEST_H

#include <math.h>

#include "core/settings.h"
#include "sim/simulation.h"
#include "tests/core/test.h"

#define SECOND 1000000000ull

/* The library ends TIME_WAIT by ticks (core/time_wait.h), at most so much late. */
#define TICK_S 0.01

/* A run: the defaults are those of reference tables, 3,976 ports, TIME_WAIT 240 s, closed here at once. */
struct scene {
	struct sim_host_settings host;
	struct sim_load load;
	double warm_up_s, measured_s; /* negative: twice and six times TIME_WAIT */
	uint64_t seed;
};

static inline struct scene scene_at(double rate)
{
	return (struct scene){
		.host = { .first = BERTH_FIRST_USER_PORT,
			  .last = BERTH_MAX_USER_PORT,
			  .addresses = 1,
			  .time_wait_ns = 240 * SECOND,
			  .max_tcbs = SIM_NO_LIMIT },
		.load = { .rate = rate, .burst = 1, .destinations = 1, .closed_here = 1 },
		.warm_up_s = -1,
		.measured_s = -1,
		.seed = 1,
	};
}

static inline double time_wait_s(const struct scene *scene)
{
	return (double)scene->host.time_wait_ns / 1e9;
}

static inline unsigned ports_of(const struct scene *scene)
{
	return scene->host.last - scene->host.first + 1;
}

static inline struct sim_result run_policy(const struct sim_policy *policy, const struct scene *scene)
{
	double warm_up_s = scene->warm_up_s >= 0 ? scene->warm_up_s : 2 * time_wait_s(scene);
	double measured_s = scene->measured_s >= 0 ? scene->measured_s : 6 * time_wait_s(scene);
	double attempts = scene->load.rate * (warm_up_s + measured_s);
	double tuples = (double)ports_of(scene) * scene->load.destinations;
	const struct sim_setup setup = {
		.host = scene->host,
		.destinations = scene->load.destinations,
		.time_wait = (uint32_t)fmin(2 * attempts + 1000, tuples),
		.ended = (uint32_t)fmin(2 * attempts + 1000, tuples),
		.seed = scene->seed,
		.warm_up_ns = (uint64_t)llround(warm_up_s * 1e9),
		.end_ns = (uint64_t)llround((warm_up_s + measured_s) * 1e9),
	};
	struct sim_generator generator;
	struct sim_result result = { 0 };

	assert_int_equal(sim_generator_start(&generator, &scene->load, scene->seed), 0);
	assert_int_equal(sim_run(policy, &setup, &generator.source, &result), 0);
	sim_generator_end(&generator);
	return result;
}

static inline struct sim_result run(const char *policy, const struct scene *scene)
{
	const struct sim_policy *found = sim_policy_find(policy);

	assert_non_null(found);
	return run_policy(found, scene);
}

/* Four standard errors of a share p of n independent trials: by chance exceeded once in 16,000. Seeds are
 * fixed, so what passes once passes always. */
static inline double sampling_error(double p, uint64_t n)
{
	return 4 * sqrt(p * (1 - p) / (double)n);
}

static inline void assert_near(const char *what, double is, double should, double tolerance)
{
	if (!(fabs(is - should) <= tolerance))
		fail_msg("%s: %.6f, should be %.6f within %.6f", what, is, should, tolerance);
}

#endif
