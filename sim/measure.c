/* SPDX-License-Identifier: MIT */
#include "sim/measure.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REMEMBERED_MAX	(1ull << 23)
#define SAMPLE_PER_PORT 5u
#define NEVER		UINT64_MAX

const char *const sim_outcome_names[SIM_OUTCOMES] = {
	[SIM_CONNECTED] = "connected",
	[SIM_EXHAUSTED] = "exhausted",
	[SIM_TIME_WAIT_COLLISION] = "time-wait-collision",
	[SIM_PEER_COLLISION] = "peer-collision",
	[SIM_IN_USE] = "in-use",
};

const char *const sim_rank_names[SIM_RANKS] = {
	[SIM_RANK_FRESH] = "fresh",
	[SIM_RANK_SHARED] = "shared",
	[SIM_RANK_WAITING] = "waiting",
	[SIM_RANK_TAKEN] = "taken",
};

int sim_measure_start(struct sim_measure *measure, const struct sim_host_settings *settings,
		      uint32_t destinations)
{
	unsigned span = settings->last - settings->first + 1;
	uint64_t pairs = (uint64_t)settings->addresses * destinations, tuples = pairs * span;

	*measure = (struct sim_measure){ .first = settings->first,
					 .span = span,
					 .addresses = settings->addresses,
					 .destinations = destinations,
					 .result.first_failure_s = -1,
					 .reuse_least_ns = NEVER };
	measure->given = calloc(span, sizeof(*measure->given));
	measure->step = calloc(span, sizeof(*measure->step));
	measure->same_step = calloc(span, sizeof(*measure->same_step));
	measure->attempts_to = calloc(destinations, sizeof(*measure->attempts_to));
	measure->failures_to = calloc(destinations, sizeof(*measure->failures_to));
	if (pairs <= REMEMBERED_MAX)
		measure->last_to = calloc(pairs, sizeof(*measure->last_to));
	if (tuples <= REMEMBERED_MAX)
		measure->ended_ns = calloc(tuples, sizeof(*measure->ended_ns));
	if (measure->given == NULL || measure->step == NULL || measure->same_step == NULL ||
	    measure->attempts_to == NULL || measure->failures_to == NULL ||
	    (pairs <= REMEMBERED_MAX && measure->last_to == NULL) ||
	    (tuples <= REMEMBERED_MAX && measure->ended_ns == NULL))
		return -ENOMEM;
	return 0;
}

void sim_measure_end(struct sim_measure *measure)
{
	free(measure->given);
	free(measure->step);
	free(measure->same_step);
	free(measure->attempts_to);
	free(measure->failures_to);
	free(measure->last_to);
	free(measure->ended_ns);
	memset(measure, 0, sizeof(*measure));
}

/* Where the end of the last connection on this 4-tuple is kept; NULL: nowhere. */
static uint64_t *ended_at(const struct sim_measure *measure, unsigned address, unsigned port,
			  uint32_t destination)
{
	size_t tuple = ((size_t)destination * measure->addresses + address) * measure->span;

	return measure->ended_ns == NULL ? NULL : &measure->ended_ns[tuple + port - measure->first];
}

/* Buckets of a 64th of an octave, of milliseconds. */
static unsigned bucket_of(uint64_t ns)
{
	uint64_t ms = ns / 1000000;
	unsigned octave;

	if (ms < 64)
		return (unsigned)ms;
	octave = 63 - (unsigned)__builtin_clzll(ms);
	return (octave - 5) * 64 + (unsigned)(ms >> (octave - 6) & 63);
}

/* The middle of a bucket, in seconds. */
static double bucket_middle_s(unsigned bucket)
{
	unsigned octave = bucket / 64 + 5;

	if (bucket < 64)
		return (bucket + 0.5) / 1000;
	return ldexp(64 + bucket % 64 + 0.5, (int)octave - 6) / 1000;
}

static void note_reuse(struct sim_measure *measure, const struct sim_attempt *attempt)
{
	const uint64_t *ended = ended_at(measure, attempt->address, attempt->port, attempt->destination);
	uint64_t distance_ns;

	/* 0 is kept for "never": an end at the very start is one nanosecond late. */
	if (ended == NULL || *ended == 0)
		return;
	distance_ns = attempt->now_ns + 1 - *ended;
	measure->result.reused++;
	measure->bucket[bucket_of(distance_ns)]++;
	if (distance_ns < measure->reuse_least_ns)
		measure->reuse_least_ns = distance_ns;
}

/* Counts the step from the port before, if there was one, and remembers this one. Whether it counted. */
static bool note_step(uint32_t *step, uint16_t *before, unsigned port, unsigned span)
{
	bool first = *before == 0;

	if (!first)
		step[(port + span - *before) % span]++;
	*before = (uint16_t)port;
	return !first;
}

static void note_port(struct sim_measure *measure, const struct sim_attempt *attempt)
{
	size_t pair = (size_t)attempt->destination * measure->addresses + attempt->address;
	unsigned port = attempt->port, span = measure->span;

	measure->ports++;
	measure->given[port - measure->first]++;
	measure->steps += note_step(measure->step, &measure->last[attempt->address], port, span);
	if (measure->last_to != NULL)
		measure->same_steps += note_step(measure->same_step, &measure->last_to[pair], port, span);
}

static void note_failure(struct sim_measure *measure, const struct sim_attempt *attempt)
{
	struct sim_result *result = &measure->result;

	measure->failures_to[attempt->destination]++;
	result->bin_failures[attempt->bin]++;
	if (result->first_failure_s >= 0)
		return;
	result->first_failure_s = (double)attempt->now_ns / 1e9;
	result->first_failure_destination = attempt->destination;
}

void sim_measure_attempt(struct sim_measure *measure, const struct sim_attempt *attempt)
{
	struct sim_result *result = &measure->result;

	result->attempts++;
	result->outcome[attempt->outcome]++;
	result->probes += attempt->probes;
	if (attempt->probes > result->probes_most)
		result->probes_most = attempt->probes;
	result->bin_attempts[attempt->bin]++;
	measure->attempts_to[attempt->destination]++;
	if (attempt->outcome != SIM_CONNECTED)
		note_failure(measure, attempt);
	measure->time_wait_sum += attempt->time_wait;
	if (attempt->time_wait > result->time_wait_most)
		result->time_wait_most = attempt->time_wait;
	if (attempt->port == 0)
		return;
	result->rank[attempt->rank]++;
	if (attempt->outcome != SIM_CONNECTED)
		return;
	note_port(measure, attempt);
	note_reuse(measure, attempt);
}

void sim_measure_end_of(struct sim_measure *measure, unsigned address, unsigned port, uint32_t destination,
			uint64_t now_ns)
{
	uint64_t *ended = ended_at(measure, address, port, destination);

	if (ended != NULL)
		*ended = now_ns + 1;
}

void sim_measure_evicted(struct sim_measure *measure, uint64_t after_ns)
{
	struct sim_result *result = &measure->result;
	double after_s = (double)after_ns / 1e9;

	if (result->evicted++ == 0 || after_s < result->shortest_time_wait_s)
		result->shortest_time_wait_s = after_s;
}

static double entropy(const uint32_t *count, unsigned cells, uint64_t sum)
{
	double bits = 0;
	unsigned seen = 0;

	for (unsigned i = 0; i < cells; i++) {
		double p = (double)count[i] / (double)sum;

		if (count[i] == 0)
			continue;
		bits -= p * log2(p);
		seen++;
	}
	bits += (seen - 1) / (2 * (double)sum * M_LN2);
	return fmin(bits, log2(cells));
}

static void finish_foresight(struct sim_measure *measure)
{
	struct sim_result *result = &measure->result;
	unsigned span = measure->span;
	double expected = (double)measure->ports / span, degrees = span - 1.0;
	double spread = 2 / (9 * degrees);

	result->entropy_most_bits = log2(span);
	result->foresight_known = span > 1 && measure->steps >= (uint64_t)SAMPLE_PER_PORT * span;
	if (!result->foresight_known)
		return;
	result->entropy_bits = entropy(measure->step, span, measure->steps);
	result->same_known = measure->same_steps >= (uint64_t)SAMPLE_PER_PORT * span;
	if (result->same_known)
		result->entropy_same_bits = entropy(measure->same_step, span, measure->same_steps);
	for (unsigned i = 0; i < span; i++)
		result->chi_square +=
			(measure->given[i] - expected) * (measure->given[i] - expected) / expected;
	result->chi_square_degrees = span - 1;
	result->chi_square_sigmas = (cbrt(result->chi_square / degrees) - (1 - spread)) / sqrt(spread);
}

static void finish_reuse(struct sim_measure *measure)
{
	struct sim_result *result = &measure->result;
	uint64_t before = 0;
	unsigned bucket = 0;

	result->reuse_known = measure->ended_ns != NULL;
	if (result->reused == 0)
		return;
	while (before + measure->bucket[bucket] <= result->reused / 2)
		before += measure->bucket[bucket++];
	result->reuse_least_s = (double)measure->reuse_least_ns / 1e9;
	result->reuse_median_s = fmax(result->reuse_least_s, bucket_middle_s(bucket));
}

static void finish_worst(struct sim_measure *measure)
{
	struct sim_result *result = &measure->result;

	for (uint32_t to = 0; to < measure->destinations; to++) {
		if (measure->failures_to[to] <= result->worst_failures)
			continue;
		result->worst_destination = to;
		result->worst_failures = measure->failures_to[to];
		result->worst_attempts = measure->attempts_to[to];
	}
}

void sim_measure_finish(struct sim_measure *measure, struct sim_result *ret_result)
{
	struct sim_result *result = &measure->result;

	if (result->attempts != 0)
		result->time_wait_mean = (double)measure->time_wait_sum / (double)result->attempts;
	finish_foresight(measure);
	finish_reuse(measure);
	finish_worst(measure);
	*ret_result = *result;
}
