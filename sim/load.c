/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 * Which destination: Walker's alias method (A. J. Walker, 1977; M. D. Vose, 1991). Every destination has a
 * cell of the same width; what of its share is missing there is filled by one other. A draw is one cell and
 * one comparison, with a million destinations as with two.
 *
 * Fixed arrivals are computed from their number, never by adding up, so that the 4,080th at 17 a second is
 * at 240 seconds exactly: the closed forms that the tests compare with live from such coincidences.
 */
#include "sim/load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1e9

void sim_seed(struct berth_random *random, uint64_t seed, enum sim_purpose purpose)
{
	uint8_t key[BERTH_SEED_BYTES] = { 0 };

	for (unsigned i = 0; i < sizeof(seed); i++)
		key[i] = (uint8_t)(seed >> 8 * i);
	key[sizeof(seed)] = (uint8_t)purpose;
	berth_random_seed(random, key);
}

/* Uniform in [0, 1), 53 bits. */
static double draw_uniform(struct berth_random *random)
{
	uint64_t high = berth_random_next(random) >> 5, low = berth_random_next(random) >> 6;

	return (double)(high << 26 | low) * 0x1p-53;
}

void sim_load_shares(const struct sim_load *load, double *ret_share)
{
	double sum = 0;

	for (uint32_t k = 0; k < load->destinations; k++)
		sum += ret_share[k] = load->zipf == 0 ? 1 : pow(k + 1.0, -load->zipf);
	for (uint32_t k = 0; k < load->destinations; k++)
		ret_share[k] /= sum;
}

/* Fills the cells. keep holds the shares and becomes how much of each cell is its own; todo is room for n. */
static void fill_cells(double *keep, uint32_t *alias, uint32_t *todo, uint32_t n)
{
	uint32_t small = 0, large = n; /* todo: the short ones from the front, the others from the back */

	for (uint32_t i = 0; i < n; i++) {
		keep[i] *= n;
		alias[i] = i;
		if (keep[i] < 1)
			todo[small++] = i;
		else
			todo[--large] = i;
	}
	while (small > 0 && large < n) {
		uint32_t taker = todo[--small], giver = todo[large];

		alias[taker] = giver;
		keep[giver] -= 1 - keep[taker];
		if (keep[giver] < 1) {
			large++;
			todo[small++] = giver;
		}
	}
	/* What rounding left over is full. */
	while (small > 0)
		keep[todo[--small]] = 1;
}

static int make_cells(struct sim_generator *generator)
{
	uint32_t n = generator->load.destinations;
	uint32_t *todo = malloc(n * sizeof(*todo));

	generator->keep = malloc(n * sizeof(*generator->keep));
	generator->alias = malloc(n * sizeof(*generator->alias));
	if (todo == NULL || generator->keep == NULL || generator->alias == NULL) {
		free(todo);
		return -ENOMEM;
	}
	sim_load_shares(&generator->load, generator->keep);
	fill_cells(generator->keep, generator->alias, todo, n);
	free(todo);
	return 0;
}

static uint32_t draw_destination(struct sim_generator *generator)
{
	uint32_t cell = berth_random_below(&generator->random, generator->load.destinations);

	if (generator->alias == NULL || draw_uniform(&generator->random) < generator->keep[cell])
		return cell;
	return generator->alias[cell];
}

static double draw_exponential(struct berth_random *random)
{
	return -log1p(-draw_uniform(random));
}

static double draw_hold_s(struct berth_random *random, const struct sim_hold *hold)
{
	switch (hold->shape) {
	case SIM_HOLD_EXPONENTIAL:
		return hold->mean_s * draw_exponential(random);
	case SIM_HOLD_PARETO:
		return hold->mean_s * (hold->alpha - 1) / hold->alpha *
		       exp(draw_exponential(random) / hold->alpha);
	case SIM_HOLD_FIXED:
		break;
	}
	return hold->mean_s;
}

static void next_burst(struct sim_generator *generator)
{
	const struct sim_load *load = &generator->load;

	if (load->arrivals == SIM_POISSON)
		generator->at_s += draw_exponential(&generator->random) * load->burst / load->rate;
	else
		generator->at_s = (double)(generator->bursts * load->burst) / load->rate;
	generator->bursts++;
	generator->in_burst = load->burst;
}

static bool next_request(struct sim_source *source, struct sim_request *ret_request)
{
	struct sim_generator *generator = (struct sim_generator *)source;
	const struct sim_load *load = &generator->load;
	double hold_ns;

	if (generator->in_burst == 0)
		next_burst(generator);
	generator->in_burst--;
	hold_ns = draw_hold_s(&generator->random, &load->hold) * SECOND_NS;
	*ret_request = (struct sim_request){
		.at_ns = (uint64_t)llround(generator->at_s * SECOND_NS),
		/* A Pareto hold may exceed all that a simulation lasts. */
		.hold_ns = hold_ns < 0x1p62 ? (uint64_t)llround(hold_ns) : SIM_FOR_EVER,
		.destination = draw_destination(generator),
		.closer = SIM_CLOSED_HERE,
	};
	if (load->closed_here < 1 && draw_uniform(&generator->random) >= load->closed_here)
		ret_request->closer = SIM_CLOSED_BY_PEER;
	return true;
}

int sim_generator_start(struct sim_generator *generator, const struct sim_load *load, uint64_t seed)
{
	*generator = (struct sim_generator){ .source.next = next_request, .load = *load };
	sim_seed(&generator->random, seed, SIM_FOR_LOAD);
	return load->zipf == 0 ? 0 : make_cells(generator);
}

void sim_generator_end(struct sim_generator *generator)
{
	free(generator->alias);
	free(generator->keep);
	memset(generator, 0, sizeof(*generator));
}
