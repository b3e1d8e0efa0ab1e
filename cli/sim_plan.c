/* SPDX-License-Identifier: MIT */
#include "cli/sim_plan.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sim_live.h"
#include "core/settings.h"
#include "host/address_text.h"
#include "sim/plan.h"

/* What is planned for, wherever it comes from. */
struct plan {
	struct sim_live live;
	double *rate;
	struct sim_demand demand;
	struct sim_supply supply;
	bool live_load, live_ports;
	double all; /* connections a second */
};

/* A change, and what it would come to. */
struct change {
	char what[64];
	struct sim_supply supply;
	struct sim_forecast forecast;
};

#define CHANGES 6u

static int read_load(struct plan *plan, const struct sim_options *options)
{
	struct sim_load load = options->load;

	if (!options->rate_given) {
		plan->demand = (struct sim_demand){ .rate = plan->live.rate,
						    .destinations = plan->live.destinations,
						    .closed_here = 1 };
		plan->live_load = true;
		if (plan->live.destinations == 0)
			return usage_error(
				"sim",
				"--plan: nothing is in TIME_WAIT here to tell the load from; say --rate");
		return EXIT_OK;
	}
	plan->rate = calloc(load.destinations, sizeof(*plan->rate));
	if (plan->rate == NULL)
		return failure("sim", "no memory for %u destinations", load.destinations);
	sim_load_shares(&load, plan->rate);
	for (uint32_t i = 0; i < load.destinations; i++)
		plan->rate[i] *= options->rate[0];
	plan->demand = (struct sim_demand){ .rate = plan->rate,
					    .destinations = load.destinations,
					    .hold_s = load.hold.mean_s,
					    .closed_here = load.closed_here };
	return EXIT_OK;
}

static int read_plan(struct plan *plan, const struct sim_options *options)
{
	const struct sim_host_settings *host = &options->host;
	int err = sim_live_read(&plan->live, !options->rate_given);

	if (err < 0)
		return failure("sim", "--plan: cannot read this host's ports: %s", strerror(-err));
	plan->live_ports = !options->ports_given;
	plan->supply = (struct sim_supply){
		.ports = plan->live_ports ? plan->live.ports : host->last - host->first + 1,
		.addresses = options->addresses_given || options->rate_given ? host->addresses
									     : plan->live.addresses,
		.time_wait_s =
			options->time_wait_given ? (double)host->time_wait_ns / 1e9 : SIM_LIVE_TIME_WAIT_S,
		.max_tcbs = host->max_tcbs,
		.shared = true,
	};
	if (plan->supply.ports == 0)
		return failure("sim",
			       "--plan: all ports of ip_local_port_range are reserved here; say --ports");
	err = read_load(plan, options);
	if (err != EXIT_OK)
		return err;
	if (plan->supply.addresses == 0)
		plan->supply.addresses = 1;
	for (size_t i = 0; i < plan->demand.destinations; i++)
		plan->all += plan->demand.rate[i];
	return EXIT_OK;
}

/* As it is, and one change at a time. */
static void forecast_changes(const struct plan *plan, struct change change[CHANGES])
{
	for (unsigned i = 0; i < CHANGES; i++)
		change[i] = (struct change){ .supply = plan->supply };
	snprintf(change[0].what, sizeof(change[0].what), "as it is");
	change[1].supply.shared = false;
	snprintf(change[1].what, sizeof(change[1].what), "a port serves one destination (bind to port 0)");
	change[2].supply.time_wait_s = BERTH_TIMED_WAIT_DELAY_MIN;
	snprintf(change[2].what, sizeof(change[2].what), "TcpTimedWaitDelay=%u", BERTH_TIMED_WAIT_DELAY_MIN);
	change[3].supply.max_tcbs = BERTH_MAX_FREE_TW_TCBS;
	snprintf(change[3].what, sizeof(change[3].what), "MaxFreeTWTcbs=%u", BERTH_MAX_FREE_TW_TCBS);
	change[4].supply.ports = BERTH_MAX_USER_PORT_MAX - BERTH_FIRST_USER_PORT + 1;
	snprintf(change[4].what, sizeof(change[4].what), "MaxUserPort=%u (ports %u-%u)",
		 BERTH_MAX_USER_PORT_MAX, BERTH_FIRST_USER_PORT, BERTH_MAX_USER_PORT_MAX);
	change[5].supply.addresses++;
	snprintf(change[5].what, sizeof(change[5].what), "one more source address");
	for (unsigned i = 0; i < CHANGES; i++)
		sim_plan(&plan->demand, &change[i].supply, &change[i].forecast);
}

static json_t *json_change(const struct change *change)
{
	const struct sim_forecast *f = &change->forecast;

	return json_pack("{s:s, s:i, s:i, s:b, s:f, s:o, s:f, s:f, s:b, s:o, s:o}", "what", change->what,
			 "ports", change->supply.ports, "addresses", change->supply.addresses, "ports_shared",
			 change->supply.shared, "time_wait_s", f->time_wait_s, "MaxFreeTWTcbs",
			 change->supply.max_tcbs == SIM_NO_LIMIT ? json_null()
								 : json_integer(change->supply.max_tcbs),
			 "busy", f->busy, "failed_share", f->failing, "fits", f->fits, "addresses_needed",
			 f->addresses == 0 ? json_null() : json_integer(f->addresses), "rate_most",
			 isinf(f->rate_most) ? json_null() : json_real(f->rate_most));
}

static json_t *json_plan(const struct plan *plan, const struct change change[CHANGES])
{
	json_t *changes = json_array();

	for (unsigned i = 0; i < CHANGES; i++)
		json_array_append_new(changes, json_change(&change[i]));
	return json_pack("{s:s, s:b, s:b, s:f, s:I, s:f, s:f, s:f, s:o}", "berth", BERTH_VERSION, "live_load",
			 plan->live_load, "live_ports", plan->live_ports, "rate", plan->all, "destinations",
			 (json_int_t)plan->demand.destinations, "rate_to_busiest", plan->demand.rate[0],
			 "hold_s", plan->demand.hold_s, "closed_here", plan->demand.closed_here, "changes",
			 changes);
}

static void print_demand(const struct plan *plan)
{
	char busiest[ENDPOINT_TEXT];

	if (plan->live_load)
		printf(" This host now: %zu connections in TIME_WAIT, %g s each.\n", plan->live.time_wait,
		       SIM_LIVE_TIME_WAIT_S);
	printf(" %.4g connections a second to %zu destination%s, %.4g of them to the busiest", plan->all,
	       plan->demand.destinations, plan->demand.destinations == 1 ? "" : "s", plan->demand.rate[0]);
	if (plan->live_load)
		printf(" (%s)", endpoint_text(&plan->live.busiest, busiest));
	printf(",\n open for %g s, %g %% closed here first; %u ports of each of %u source address%s, TIME_WAIT %g s",
	       plan->demand.hold_s, plan->demand.closed_here * 100, plan->supply.ports,
	       plan->supply.addresses, plan->supply.addresses == 1 ? "" : "es", plan->supply.time_wait_s);
	if (plan->supply.max_tcbs != SIM_NO_LIMIT)
		printf(", at most %u in it", plan->supply.max_tcbs);
	puts(".");
}

static void print_row(const struct change *change)
{
	const struct sim_forecast *f = &change->forecast;
	char addresses[16] = ">65536", most[16] = "any";

	if (f->addresses != 0)
		snprintf(addresses, sizeof(addresses), "%u", f->addresses);
	if (!isinf(f->rate_most))
		snprintf(most, sizeof(most), "%.0f", floor(f->rate_most));
	printf(" %-47s%9.1f%11.1f%8u%10.4f%10s%11s\n", change->what, f->time_wait_s, f->busy,
	       change->supply.ports, f->failing * 100, addresses, most);
}

static void print_text(const struct plan *plan, const struct change change[CHANGES])
{
	const struct sim_forecast *now = &change[0].forecast;

	print_demand(plan);
	if (now->fits)
		printf(" It fits: the busiest destination has %.1f of %u ports in use on average.\n\n",
		       now->busy, plan->supply.ports);
	else
		printf(" It does not fit: the busiest destination would need %.1f of %u ports on average, and has "
		       "to have some to spare.\n\n",
		       now->busy, plan->supply.ports);
	printf(" %-47s%9s%11s%8s%10s%10s%11s\n", "", "TIME_WAIT", "ports busy", "", "failing", "addresses",
	       "fits up to");
	printf(" %-47s%9s%11s%8s%10s%10s%11s\n", "what would change", "s", "of each", "of", "%", "needed",
	       "/s");
	for (unsigned i = 0; i < CHANGES; i++)
		print_row(&change[i]);
	puts("\n Random arrivals (Erlang B); \"fits\": at most one connection in a million fails.\n"
	     " Less TIME_WAIT is less protection from late segments of an old connection (RFC 1337).");
}

int sim_plan_print(const struct sim_options *options)
{
	struct plan plan = { 0 };
	struct change change[CHANGES];
	int status = read_plan(&plan, options);

	if (status == EXIT_OK) {
		forecast_changes(&plan, change);
		if (options->json)
			print_json(json_plan(&plan, change), JSON_INDENT(2));
		else
			print_text(&plan, change);
	}
	free(plan.rate);
	sim_live_end(&plan.live);
	return status;
}
