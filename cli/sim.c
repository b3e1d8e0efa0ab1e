/* SPDX-License-Identifier: MIT
 *
 * berth sim: policies side by side, under a load that no one machine can show.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/sim_options.h"
#include "cli/sim_plan.h"
#include "cli/sim_plot.h"
#include "cli/sim_report.h"
#include "core/time_wait.h"
#include "sim/replay.h"
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

static struct sim_setup setup_of(const struct sim_options *options)
{
	return (struct sim_setup){
		.host = options->host,
		.destinations = options->load.destinations,
		.seed = options->seed,
		.warm_up_ns = (uint64_t)llround(options->warm_up_s * 1e9),
		.end_ns = (uint64_t)llround((options->warm_up_s + options->duration_s) * 1e9),
	};
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
	struct sim_setup setup = setup_of(options);

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

static int run_replay(struct sim_report *report, struct sim_run_result *run, struct sim_replay *replay)
{
	const struct sim_options *options = report->options;
	struct sim_setup setup = setup_of(options);
	uint32_t capacity = BERTH_TIME_WAIT_CAPACITY_MAX;

	if (replay->connects == 0)
		return failure("sim", "%s: nobody connects in it", options->recording);
	if (setup.end_ns > replay->end_ns + 1)
		setup.end_ns = replay->end_ns + 1;
	if (setup.warm_up_ns >= setup.end_ns)
		return usage_error("sim", "--warm-up=%g: the recording lasts %g s", options->warm_up_s,
				   (double)replay->end_ns / 1e9);
	setup.destinations = replay->destinations;
	setup.time_wait = setup.ended = replay->connects < capacity ? (uint32_t)replay->connects : capacity;
	report->destinations = replay->destinations;
	report->measured_s = (double)(setup.end_ns - setup.warm_up_ns) / 1e9;
	for (size_t i = 0; i < options->policies; i++) {
		int err;

		run[i].policy = options->policy[i];
		sim_replay_rewind(replay);
		err = sim_run(run[i].policy, &setup, &replay->source, &run[i].result);
		if (err < 0)
			return run_failed(err);
		report->runs++;
	}
	return EXIT_OK;
}

/* The whole file. 0 or negative errno; the caller unmaps. */
static int map_file(const char *path, void **ret_data, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		err = -errno;
	else if (!S_ISREG(status.st_mode))
		err = -EINVAL;
	else if (status.st_size == 0)
		err = -ENODATA;
	if (err == 0) {
		*ret_size = (size_t)status.st_size;
		*ret_data = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (*ret_data == MAP_FAILED)
			err = -errno;
	}
	close(fd);
	return err;
}

static int load_recording(const char *path, struct sim_replay *replay)
{
	struct sim_recording recording;
	void *data = NULL;
	size_t size = 0;
	int err = map_file(path, &data, &size);

	if (err < 0)
		return failure("sim", "%s: %s", path,
			       err == -EINVAL ? "it is no regular file" : strerror(-err));
	err = -EBADMSG;
	if (sim_recording_open(&recording, data, size))
		err = sim_replay_start(replay, &recording);
	munmap(data, size);
	if (err == -EBADMSG)
		return failure("sim", "%s: byte %zu: %s", path, recording.offset, recording.fault);
	return err < 0 ? failure("sim", "%s: %s", path, strerror(-err)) : EXIT_OK;
}

static int run_recording(struct sim_report *report, struct sim_run_result *run)
{
	struct sim_replay replay = { 0 };
	int status = load_recording(report->options->recording, &replay);

	if (status == EXIT_OK)
		status = run_replay(report, run, &replay);
	sim_replay_end(&replay);
	return status;
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
		return failure("sim", "%s: %s", options->plot,
			       err == -EPROTO ? "gnuplot could not draw it" : strerror(-err));
	return EXIT_OK;
}

static int simulate(const struct sim_options *options)
{
	size_t most = options->policies * options->rates;
	struct sim_run_result *run = calloc(most, sizeof(*run));
	struct sim_report report = { .options = options, .run = run };
	int status;

	if (run == NULL)
		return run_failed(-ENOMEM);
	if (options->plot != NULL && sim_plot_lacks_gnuplot(options->plot)) {
		free(run);
		return failure("sim", "%s: a PNG is drawn by gnuplot, which is not there; an SVG needs none",
			       options->plot);
	}
	status = options->recording != NULL ? run_recording(&report, run) : run_generated(&report, run);
	if (status == EXIT_OK)
		status = print(&report);
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
