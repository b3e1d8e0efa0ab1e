/* SPDX-License-Identifier: MIT */
#include "cli/sim_recorded.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "core/time_wait.h"
#include "host/address_text.h"
#include "sim/simulation.h"

#define SECOND_NS 1000000000ull

/* ---- reading ---- */

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

static int read_file(const struct sim_options *options, struct sim_recorded *recorded)
{
	struct sim_recording recording;
	const char *path = options->recording;
	void *data = NULL;
	size_t size = 0;
	int err = map_file(path, &data, &size);

	if (err < 0)
		return failure(options->command, "%s: %s", path,
			       err == -EINVAL	 ? "it is no regular file"
			       : err == -ENODATA ? "it is empty"
						 : strerror(-err));
	err = -EBADMSG;
	recorded->path = path;
	if (sim_recording_open(&recording, data, size))
		err = sim_replay_start(&recorded->replay, &recording);
	munmap(data, size);
	if (err == -EBADMSG)
		return failure(options->command, "%s: byte %zu: %s", path, recording.offset, recording.fault);
	recorded->host = recording.host;
	recorded->whole_bytes = recording.cut ? recording.offset : 0;
	return err < 0 ? failure(options->command, "%s: %s", path, strerror(-err)) : EXIT_OK;
}

int sim_recorded_status(const struct sim_options *options, const struct sim_recorded *recorded)
{
	if (recorded->whole_bytes == 0)
		return EXIT_OK;
	return failure(options->command,
		       "%s: byte %zu: the last record is cut short; this is what lies before it",
		       recorded->path, recorded->whole_bytes);
}

void sim_recorded_end(struct sim_recorded *recorded)
{
	sim_replay_end(&recorded->replay);
}

/* ---- running ---- */

/* What the command line does not say is as it was where the recording was made. */
static void complete(struct sim_options *options, const struct sim_recorded_host *host)
{
	if (!options->ports_given && host->first != 0) {
		options->host.first = host->first;
		options->host.last = host->last;
	}
	if (!options->time_wait_given && host->time_wait_s != 0)
		options->host.time_wait_ns = host->time_wait_s * SECOND_NS;
}

static int run_policies(const struct sim_options *options, struct sim_report *report,
			struct sim_run_result *run, struct sim_replay *replay)
{
	struct sim_setup setup = sim_options_setup(options);
	uint32_t capacity = BERTH_TIME_WAIT_CAPACITY_MAX;

	if (setup.end_ns > replay->end_ns + 1)
		setup.end_ns = replay->end_ns + 1;
	if (setup.warm_up_ns >= setup.end_ns)
		return usage_error(options->command, "--warm-up=%g: the recording lasts %g s",
				   options->warm_up_s, (double)replay->end_ns / 1e9);
	setup.destinations = replay->destinations;
	setup.time_wait = setup.ended = replay->connects < capacity ? (uint32_t)replay->connects : capacity;
	report->measured_s = (double)(setup.end_ns - setup.warm_up_ns) / 1e9;
	for (size_t i = 0; i < options->policies; i++) {
		int err;

		run[i].policy = options->policy[i];
		sim_replay_rewind(replay);
		err = sim_run(run[i].policy, &setup, &replay->source, &run[i].result);
		if (err < 0)
			return failure(options->command, "cannot simulate: %s", strerror(-err));
		report->runs++;
	}
	return EXIT_OK;
}

int sim_recorded_run(struct sim_options *options, struct sim_report *report, struct sim_run_result *run,
		     struct sim_recorded *recorded)
{
	int status = read_file(options, recorded);

	if (status != EXIT_OK)
		return status;
	if (recorded->replay.connects == 0)
		return failure(options->command, "%s: nobody connects in it", recorded->path);
	complete(options, &recorded->host);
	if (sim_replay_peak(&recorded->replay, options->host.time_wait_ns, &recorded->peak) < 0)
		return failure(options->command, "%s: %s", recorded->path, strerror(ENOMEM));
	return run_policies(options, report, run, &recorded->replay);
}

/* ---- what was recorded ---- */

/* "192.0.2.1:443"; of a hashed address the first digits, which tell it from others: "#0123456789ab:443". */
static const char *name_of(const struct sim_recorded *recorded, uint32_t destination,
			   char text[ENDPOINT_TEXT])
{
	const struct berth_endpoint *named = &recorded->replay.named[destination];
	const uint8_t *b = named->address.bytes;

	if (!recorded->host.hashed)
		return endpoint_text(named, text);
	snprintf(text, ENDPOINT_TEXT, "#%02x%02x%02x%02x%02x%02x:%u", b[0], b[1], b[2], b[3], b[4], b[5],
		 named->port);
	return text;
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

void sim_recorded_text(const struct sim_recorded *recorded, FILE *out)
{
	const struct sim_replay *replay = &recorded->replay;
	const struct sim_peak *peak = &recorded->peak;
	char name[ENDPOINT_TEXT];

	fprintf(out, " Recorded: %zu connect%s to %u destination%s and %zu bind%s in %g s", replay->connects,
		plural(replay->connects), replay->destinations, plural(replay->destinations), replay->binds,
		plural(replay->binds), (double)replay->end_ns / 1e9);
	if (replay->first_failed_ns == SIM_FOR_EVER)
		fputs("; none failed for want of a port.\n", out);
	else
		fprintf(out,
			";\n for want of a port %zu connect%s and %zu bind%s failed, the first after %g s.\n",
			replay->failed_connects, plural(replay->failed_connects), replay->failed_binds,
			plural(replay->failed_binds), (double)replay->first_failed_ns / 1e9);
	fprintf(out, " Most ports at once: %u to %s after %g s, %u of them in TIME_WAIT.\n",
		peak->connected + peak->time_wait, name_of(recorded, peak->destination, name),
		(double)peak->at_ns / 1e9, peak->time_wait);
}

json_t *sim_recorded_json(const struct sim_recorded *recorded)
{
	const struct sim_replay *replay = &recorded->replay;
	const struct sim_peak *peak = &recorded->peak;
	char name[ENDPOINT_TEXT];

	return json_pack("{s:s, s:b, s:b, s:f, s:i, s:I, s:I, s:I, s:I, s:o, s:{s:s, s:i, s:i, s:f}}",
			 "recording", recorded->path, "hashed", recorded->host.hashed, "cut",
			 recorded->whole_bytes != 0, "lasts_s", (double)replay->end_ns / 1e9, "destinations",
			 replay->destinations, "connects", (json_int_t)replay->connects, "binds",
			 (json_int_t)replay->binds, "failed_connects", (json_int_t)replay->failed_connects,
			 "failed_binds", (json_int_t)replay->failed_binds, "first_failed_s",
			 replay->first_failed_ns == SIM_FOR_EVER
				 ? json_null()
				 : json_real((double)replay->first_failed_ns / 1e9),
			 "peak", "remote", name_of(recorded, peak->destination, name), "connected",
			 peak->connected, "time_wait", peak->time_wait, "at_s", (double)peak->at_ns / 1e9);
}

/* ---- what would have failed ---- */

void sim_recorded_failures_text(const struct sim_recorded *recorded, const struct sim_run_result *run,
				size_t runs, FILE *out)
{
	char first[ENDPOINT_TEXT], worst[ENDPOINT_TEXT];

	fprintf(out, "\n %-17s%10s  %-30s%s\n", "failed", "first, s", "to", "most, of attempts to");
	for (size_t i = 0; i < runs; i++) {
		const struct sim_result *r = &run[i].result;

		if (r->first_failure_s < 0)
			continue;
		fprintf(out, " %-17s%10.3f  %-30s%llu of %llu to %s\n", run[i].policy->name,
			r->first_failure_s, name_of(recorded, r->first_failure_destination, first),
			(unsigned long long)r->worst_failures, (unsigned long long)r->worst_attempts,
			name_of(recorded, r->worst_destination, worst));
	}
}

json_t *sim_recorded_failures_json(const struct sim_recorded *recorded, const struct sim_result *result)
{
	char first[ENDPOINT_TEXT], worst[ENDPOINT_TEXT];

	if (result->first_failure_s < 0)
		return json_null();
	return json_pack(
		"{s:s, s:s, s:I, s:I}", "first", name_of(recorded, result->first_failure_destination, first),
		"most", name_of(recorded, result->worst_destination, worst), "most_failures",
		(json_int_t)result->worst_failures, "most_attempts", (json_int_t)result->worst_attempts);
}
