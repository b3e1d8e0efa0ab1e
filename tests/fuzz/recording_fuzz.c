/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a recording: what is read is within bounds, and can be replayed by every kind of policy.
 *
 *	build/tests/fuzz/recording_fuzz -max_total_time=60
 */
#include "sim/recording.h"

#include <stdlib.h>
#include <string.h>

#include "sim/replay.h"
#include "sim/simulation.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Each record is within the bounds that its header promises. Whether the whole could be read. */
static bool read_all(const uint8_t *data, size_t size)
{
	struct sim_recording recording;
	struct sim_record record;
	enum sim_record_kind kind;
	uint64_t before = 0;
	size_t offset = 0;

	if (!sim_recording_open(&recording, data, size))
		return false;
	while ((kind = sim_recording_next(&recording, &record)) != SIM_RECORD_END && kind != SIM_RECORD_BAD) {
		require(recording.offset > offset && recording.offset <= size);
		require(record.at_ns >= before && record.at_ns <= SIM_RECORDING_MAX_US * 1000);
		require(record.socket < SIM_SOCKETS_MAX);
		require(kind != SIM_RECORD_CONNECT || record.destination < recording.destinations);
		require(recording.destinations <= SIM_DESTINATIONS_MAX);
		before = record.at_ns;
		offset = recording.offset;
	}
	return kind == SIM_RECORD_END;
}

static void run(const char *policy, struct sim_replay *replay)
{
	const struct sim_setup setup = { .host = { .first = 40000,
						   .last = 40007,
						   .addresses = 2,
						   .time_wait_ns = 1000000000,
						   .max_tcbs = 5 },
					 .destinations = replay->destinations,
					 .time_wait = 100,
					 .ended = 100,
					 .end_ns = replay->end_ns + 1 };
	struct sim_result result;

	sim_replay_rewind(replay);
	require(sim_run(sim_policy_find(policy), &setup, &replay->source, &result) == 0);
	require(result.attempts == replay->connects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Once as it is, and once behind a header, so that bytes are spent on records. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[4096] = SIM_RECORDING_MAGIC "\1";
	struct sim_recording recording;
	struct sim_replay replay;

	read_all(data, size);
	if (size > sizeof(file) - SIM_RECORDING_HEADER)
		return 0;
	if (size > 0)
		memcpy(file + SIM_RECORDING_HEADER, data, size);
	size += SIM_RECORDING_HEADER;
	if (!read_all(file, size))
		return 0;
	require(sim_recording_open(&recording, file, size));
	require(sim_replay_start(&replay, &recording) == 0);
	/* A run touches megabytes: one in sixteen. */
	if (replay.connects > 0 && replay.requests % 16 == 3)
		run(size % 2 == 0 ? "berth" : "haproxy", &replay);
	sim_replay_end(&replay);
	return 0;
}
