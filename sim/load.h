/* SPDX-License-Identifier: MIT
 *
 * Load: what connections are asked for, when, to whom, for how long, and who closes them.
 *
 * A source is asked for one request after the other, in the order of time. Here is the one that makes them
 * up; sim/replay.h has the one that reads a recording.
 */
#ifndef BERTH_SIM_LOAD_H
#define BERTH_SIM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/random.h"
#include "sim/host.h"

#define SIM_FOR_EVER UINT64_MAX

struct sim_request {
	uint64_t at_ns;
	uint64_t hold_ns; /* from then until it is closed; SIM_FOR_EVER: beyond the end */
	uint32_t destination;
	uint16_t port; /* 0: a connection, from any port; else somebody listens on this one */
	enum sim_closer closer;
};

/* Gives the next request; false when there are no more. */
struct sim_source {
	bool (*next)(struct sim_source *source, struct sim_request *ret_request);
};

enum sim_arrivals {
	SIM_FIXED, /* equal intervals */
	SIM_POISSON,
};

enum sim_hold_shape {
	SIM_HOLD_FIXED,
	SIM_HOLD_EXPONENTIAL,
	SIM_HOLD_PARETO,
};

struct sim_hold {
	enum sim_hold_shape shape;
	double mean_s;
	double alpha; /* Pareto's, above 1 */
};

struct sim_load {
	double rate; /* connections asked for in a second, all told */
	enum sim_arrivals arrivals;
	uint32_t burst; /* so many at once, 1: one by one; the rate is the same */
	struct sim_hold hold;
	uint32_t destinations; /* 1 .. SIM_DESTINATIONS_MAX */
	double zipf;	       /* the k-th destination gets a share as 1 / k^zipf; 0: all the same */
	double closed_here;    /* the share that this host closes first, 0 .. 1; the peer the others */
};

/* The share of each destination, summing to 1, largest first. */
void sim_load_shares(const struct sim_load *load, double *ret_share);

/* A source of made-up requests. Fields are private. */
struct sim_generator {
	struct sim_source source;
	struct sim_load load;
	struct berth_random random;
	uint64_t bursts;   /* begun */
	uint32_t in_burst; /* left of this one */
	double at_s;	   /* of this one */
	uint32_t *alias;   /* NULL: all destinations the same */
	double *keep;
};

/* Starts a generator; the same seed gives the same requests. 0 or -ENOMEM. It is its own source, and must
 * stay where it is. end frees what start took. */
int sim_generator_start(struct sim_generator *generator, const struct sim_load *load, uint64_t seed);
void sim_generator_end(struct sim_generator *generator);

/* Starts random for one purpose of a run: different purposes, unrelated numbers, so that every policy meets
 * the same load. */
enum sim_purpose {
	SIM_FOR_LOAD = 1,
	SIM_FOR_POLICY,
};
void sim_seed(struct berth_random *random, uint64_t seed, enum sim_purpose purpose);

#endif
