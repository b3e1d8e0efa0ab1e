/* SPDX-License-Identifier: MIT */
#include "sim/plan.h"

#include <math.h>

#include "sim/host.h"

#define ADDRESSES_MOST 65536u
#define RATE_MOST      1e9 /* a second; more is taken for any */

double sim_erlang_b(unsigned places, double load)
{
	double blocked = 1;

	for (unsigned n = 1; n <= places; n++)
		blocked = load * blocked / (n + load * blocked);
	return blocked;
}

/* The largest load that so many places take, by SIM_PLAN_FAILING. */
static double capacity_of(unsigned places)
{
	double low = 0, high = 2.0 * places + 1;

	for (unsigned i = 0; i < 50; i++) {
		double middle = (low + high) / 2;

		if (sim_erlang_b(places, middle) <= SIM_PLAN_FAILING)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static double total_rate(const struct sim_demand *demand)
{
	double sum = 0;

	for (size_t i = 0; i < demand->destinations; i++)
		sum += demand->rate[i];
	return sum;
}

/* How long TIME_WAIT lasts at a rate: the limit is full, and the oldest leaves, that many closes after it
 * came. */
static double time_wait_at(const struct sim_demand *demand, const struct sim_supply *supply, double rate)
{
	double closes = rate * demand->closed_here;

	if (supply->max_tcbs == SIM_NO_LIMIT || closes == 0)
		return supply->time_wait_s;
	return fmin(supply->time_wait_s, supply->max_tcbs / closes);
}

/* How long a port is taken. */
static double taken_s(const struct sim_demand *demand, const struct sim_supply *supply, double rate)
{
	return demand->hold_s + demand->closed_here * time_wait_at(demand, supply, rate);
}

/* The share of the load that meets in one set of ports: the busiest destination's, or all of it. */
static double crowded_share(const struct sim_demand *demand, const struct sim_supply *supply)
{
	return supply->shared ? demand->rate[0] / total_rate(demand) : 1;
}

static double rate_most(const struct sim_demand *demand, const struct sim_supply *supply, double capacity)
{
	double share = crowded_share(demand, supply) / supply->addresses;
	double low = 0, high = RATE_MOST;

	if (high * share * taken_s(demand, supply, high) <= capacity)
		return INFINITY;
	for (unsigned i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (middle * share * taken_s(demand, supply, middle) <= capacity)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Of all connections. Destinations that would take less than half of the ports lose nothing that could be
 * seen. */
static double failing_share(const struct sim_demand *demand, const struct sim_supply *supply)
{
	double all = total_rate(demand), taken = taken_s(demand, supply, all) / supply->addresses, lost = 0;

	if (!supply->shared)
		return sim_erlang_b(supply->ports, all * taken);
	for (size_t i = 0; i < demand->destinations && demand->rate[i] * taken > supply->ports / 2.0; i++) {
		/* Equal ones are one computation. */
		double each = demand->rate[i] * sim_erlang_b(supply->ports, demand->rate[i] * taken);

		for (; i + 1 < demand->destinations && demand->rate[i + 1] == demand->rate[i]; i++)
			lost += each;
		lost += each;
	}
	return lost / all;
}

void sim_plan(const struct sim_demand *demand, const struct sim_supply *supply,
	      struct sim_forecast *ret_forecast)
{
	double capacity = capacity_of(supply->ports), all = total_rate(demand);
	double load = all * crowded_share(demand, supply) * taken_s(demand, supply, all);
	double addresses = fmax(1, ceil(load / capacity));

	*ret_forecast = (struct sim_forecast){
		.time_wait_s = time_wait_at(demand, supply, all),
		.busy = load / supply->addresses,
		.failing = failing_share(demand, supply),
		.fits = load / supply->addresses <= capacity,
		.addresses = addresses <= ADDRESSES_MOST ? (unsigned)addresses : 0,
		.rate_most = rate_most(demand, supply, capacity),
	};
}
