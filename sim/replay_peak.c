/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "sim/replay.h"

/* A connection begins, enters TIME_WAIT, or leaves its port. */
struct step {
	uint64_t at_ns;
	uint32_t destination;
	int8_t connected, time_wait; /* how many more */
};

/* Who leaves goes before who comes: what is free at t can be given at t. */
static int by_time(const void *a, const void *b)
{
	const struct step *one = a, *other = b;

	if (one->at_ns != other->at_ns)
		return one->at_ns < other->at_ns ? -1 : 1;
	return one->connected + one->time_wait - (other->connected + other->time_wait);
}

static uint64_t later(uint64_t at_ns, uint64_t by_ns)
{
	return by_ns > SIM_FOR_EVER - at_ns ? SIM_FOR_EVER : at_ns + by_ns;
}

/* The steps of all connections, of which there is room for three each. How many. */
static size_t make_steps(const struct sim_replay *replay, uint64_t time_wait_ns, struct step *step)
{
	size_t steps = 0;

	for (size_t i = 0; i < replay->requests; i++) {
		const struct sim_request *request = &replay->request[i];
		uint32_t to = request->destination;
		uint64_t end_ns = later(request->at_ns, request->hold_ns);
		int8_t waits = request->closer == SIM_CLOSED_HERE && request->hold_ns != SIM_FOR_EVER ? 1 : 0;

		if (request->port != 0)
			continue;
		if (request->hold_ns != 0)
			step[steps++] = (struct step){ request->at_ns, to, 1, 0 };
		if (request->hold_ns != 0 || waits != 0)
			step[steps++] = (struct step){ end_ns, to, request->hold_ns != 0 ? -1 : 0, waits };
		if (waits != 0)
			step[steps++] = (struct step){ later(end_ns, time_wait_ns), to, 0, -1 };
	}
	qsort(step, steps, sizeof(*step), by_time);
	return steps;
}

static void walk(const struct step *step, size_t steps, struct sim_peak *now, struct sim_peak *ret_peak)
{
	struct sim_peak peak = { 0 };

	for (size_t i = 0; i < steps; i++) {
		struct sim_peak *here = &now[step[i].destination];

		here->connected += (uint32_t)step[i].connected;
		here->time_wait += (uint32_t)step[i].time_wait;
		if (here->connected + here->time_wait > peak.connected + peak.time_wait)
			peak = (struct sim_peak){ step[i].destination, here->connected, here->time_wait,
						  step[i].at_ns };
	}
	*ret_peak = peak;
}

int sim_replay_peak(const struct sim_replay *replay, uint64_t time_wait_ns, struct sim_peak *ret_peak)
{
	struct step *step = calloc(3 * replay->connects + 1, sizeof(*step));
	struct sim_peak *now = calloc((size_t)replay->destinations + 1, sizeof(*now));
	int err = step == NULL || now == NULL ? -ENOMEM : 0;

	if (err == 0)
		walk(step, make_steps(replay, time_wait_ns, step), now, ret_peak);
	free(step);
	free(now);
	return err;
}
