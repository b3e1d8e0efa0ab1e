/* SPDX-License-Identifier: MIT
 *
 * berth sim: policies side by side, under a load that no one machine can show.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sim_options.h"
#include "cli/sim_plan.h"
#include "cli/sim_plot.h"
#include "cli/sim_recorded.h"
#include "cli/sim_report.h"
#include "core/time_wait.h"
#include "sim/simulation.h"

static int list(bool json)
{
	json_t *array;

	if (!json) {
		for (size_t i = 0; sim_policies[i] != NULL; i++)
			printf(" %-17s %s\n", sim_policies[i]->name, sim_policies[i]->source);
		return EXIT_OK;
	}
	array = json_array();
	for (size_t i = 0; sim_policies[i] != NULL; i++)
		json_array_append_new(array, json_pack("{s:s, s:s}", "policy", sim_policies[i]->name,
						       "source", sim_policies[i]->source));
	print_json(array, JSON_INDENT(2));
	return EXIT_OK;
}

/* How many of that share of the connections can be in TIME_WAIT at once: twice what is expected, and some.
 * Random arrivals of such a number do not come near; and there are no more than 4-tuples. */
static double time_wait_bound(const struct sim_options *options, double rate, double share)
{
	const struct sim_host_settings *host = &options->host;
	double ports = host->last - host->first + 1.0;
	double expected = rate * (double)host->time_wait_ns / 1e9 * share;

	return ceil(
		fmin(2 * expected + 10.0 * options->load.burst + 1000, ports * options->load.destinations));
}

static int run_failed(int err)
{
	return failure("sim", "cannot simulate: %s; fewer --destinations or a lower --rate need less",
		       strerror(-err));
}

/* One policy after the other, rate by rate. Exit status. */
static int run_generated(struct sim_report *report, struct sim_run_result *run)
{
	const struct sim_options *options = report->options;
	struct sim_setup setup = sim_options_setup(options);

	for (size_t i = 0; i < options->rates * options->policies; i++) {
		struct sim_load load = options->load;
		struct sim_generator generator;
		double ended, here;
		int err;

		load.rate = options->rate[i / options->policies];
		ended = time_wait_bound(options, load.rate, 1);
		here = fmin(time_wait_bound(options, load.rate, load.closed_here),
			    options->host.max_tcbs + 1.0);
		if (ended > BERTH_TIME_WAIT_CAPACITY_MAX)
			return usage_error(
				"sim",
				"--rate=%g: up to %.0f connections in TIME_WAIT; at most %u can be simulated",
				load.rate, ended, BERTH_TIME_WAIT_CAPACITY_MAX);
		setup.time_wait = (uint32_t)here;
		setup.ended = (uint32_t)ended;
		run[i] = (struct sim_run_result){ .policy = options->policy[i % options->policies],
						  .rate = load.rate };
		err = sim_generator_start(&generator, &load, options->seed);
		if (err == 0)
			err = sim_run(run[i].policy, &setup, &generator.source, &run[i].result);
		sim_generator_end(&generator);
		if (err < 0)
			return run_failed(err);
		report->runs++;
	}
	report->measured_s = options->duration_s;
	return EXIT_OK;
}

static int print(const struct sim_report *report)
{
	const struct sim_options *options = report->options;
	int err;

	if (options->json)
		print_json(sim_report_json(report), JSON_INDENT(2));
	else if (options->csv)
		sim_report_csv(report, stdout);
	else
		sim_report_text(report, stdout);
	err = options->plot == NULL ? 0 : sim_report_plot(report, options->plot);
	if (err < 0)
		return failure(options->command, "%s: %s", options->plot,
			       err == -EPROTO ? "gnuplot could not draw it" : strerror(-err));
	return EXIT_OK;
}

static int simulate(struct sim_options *options)
{
	size_t most = options->policies * options->rates;
	struct sim_run_result *run = calloc(most, sizeof(*run));
	struct sim_report report = { .options = options, .run = run };
	struct sim_recorded recorded = { 0 };
	int status;

	if (run == NULL)
		return run_failed(-ENOMEM);
	if (options->plot != NULL && sim_plot_lacks_gnuplot(options->plot)) {
		free(run);
		return failure(options->command,
			       "%s: a PNG is drawn by gnuplot, which is not there; an SVG needs none",
			       options->plot);
	}
	if (options->recording != NULL) {
		report.recorded = &recorded;
		status = sim_recorded_run(options, &report, run, &recorded);
	} else {
		status = run_generated(&report, run);
	}
	if (status == EXIT_OK)
		status = print(&report);
	if (status == EXIT_OK)
		status = sim_recorded_status(options, &recorded);
	sim_recorded_end(&recorded);
	free(run);
	return status;
}

int command_sim(int argc, char **argv)
{
	struct sim_options options;
	int status = sim_options_read(argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.list)
		return list(options.json);
	if (options.plan)
		return sim_plan_print(&options);
	return simulate(&options);
}
