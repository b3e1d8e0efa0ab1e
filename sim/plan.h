/* SPDX-License-Identifier: MIT
 *
 * Planning: will a load fit, by arithmetic instead of simulation.
 *
 * A connection takes a port towards its destination from connect until it has left TIME_WAIT. If
 * connections come at random and each takes one of N ports for any time with the mean T, the share that
 * finds none is Erlang's loss formula B(N, rate * T), whatever the distribution of that time (A. K. Erlang,
 * 1917; insensitivity: B. A. Sevast'yanov, 1957). That is what a policy reaches that never gives a port in
 * TIME_WAIT while another is left: sp1 and berth.
 */
#ifndef BERTH_SIM_PLAN_H
#define BERTH_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A load fits if no more than this share of the connections to the busiest destination finds no port. */
#define SIM_PLAN_FAILING 1e-6

/* Erlang's B: the share of requests lost when `load` of them (arrivals in the mean time that one takes)
 * meet `places`. Cost: proportional to places. */
double sim_erlang_b(unsigned places, double load);

/* What connections are made. */
struct sim_demand {
	const double *rate; /* a second, to each destination, largest first */
	size_t destinations;
	double hold_s;	    /* mean */
	double closed_here; /* the share that this host closes first, 0 .. 1 */
};

/* What they are made with. */
struct sim_supply {
	unsigned ports; /* of one local address, at least 1 */
	unsigned addresses;
	double time_wait_s;
	uint32_t max_tcbs; /* MaxFreeTWTcbs; SIM_NO_LIMIT: none */
	/* A port serves several destinations at a time. If not: bind to port 0, and stacks that want the
	 * port for themselves. */
	bool shared;
};

struct sim_forecast {
	double time_wait_s; /* that the limit leaves */
	double busy;	    /* ports of one address in use on average, towards the busiest destination */
	double failing;	    /* the share of all connections that finds no port */
	bool fits;
	unsigned addresses; /* local addresses needed; 0: more than 65,536 */
	double rate_most;   /* all told, that fits if it is spread as now; INFINITY: any */
};

void sim_plan(const struct sim_demand *demand, const struct sim_supply *supply,
	      struct sim_forecast *ret_forecast);

#endif
