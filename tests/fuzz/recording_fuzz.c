/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a recording: what is read is within bounds, is read again as it was when it is written anew, and can be
 * replayed by every kind of policy.
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

static bool equal(const struct sim_record *a, const struct sim_record *b)
{
	return a->at_ns == b->at_ns && berth_endpoint_equal(&a->named, &b->named) && a->socket == b->socket &&
	       a->destination == b->destination && a->port == b->port && a->closer == b->closer &&
	       a->no_port == b->no_port;
}

/* Writes a record that was read, reads it, and has it unchanged. A number may have been longer than it need be. */
static void write_again(struct sim_recording_writer *writer, enum sim_record_kind kind,
			const struct sim_record *record, size_t size)
{
	uint8_t byte[SIM_RECORD_BYTES];
	struct sim_recording again = { .data = byte,
				       .now_us = writer->now_us,
				       .destinations = writer->destinations };
	struct sim_record read;

	again.size = sim_recording_put(writer, kind, record, byte);
	require(again.size > 0 && again.size <= size);
	require(sim_recording_next(&again, &read) == kind);
	require(again.offset == again.size && equal(&read, record));
}

/* Each record is within the bounds that its header promises. Whether the whole could be read. */
static bool read_all(const uint8_t *data, size_t size)
{
	struct sim_recording recording;
	struct sim_record record;
	enum sim_record_kind kind;
	uint64_t before = 0;
	struct sim_recording_writer writer = { 0 };
	size_t offset = SIM_RECORDING_HEADER;

	if (!sim_recording_open(&recording, data, size))
		return false;
	while ((kind = sim_recording_next(&recording, &record)) != SIM_RECORD_END && kind != SIM_RECORD_BAD) {
		require(recording.offset > offset && recording.offset <= size);
		require(record.at_ns >= before && record.at_ns <= SIM_RECORDING_MAX_US * 1000);
		require(record.socket < SIM_SOCKETS_MAX);
		require(kind != SIM_RECORD_CONNECT || record.destination < recording.destinations);
		require(recording.destinations <= SIM_DESTINATIONS_MAX);
		write_again(&writer, kind, &record, recording.offset - offset);
		before = record.at_ns;
		offset = recording.offset;
	}
	require(!recording.cut || kind == SIM_RECORD_BAD);
	return kind == SIM_RECORD_END || recording.cut;
}

static void check_peak(const struct sim_replay *replay)
{
	struct sim_peak peak;

	require(sim_replay_peak(replay, 1000000000, &peak) == 0);
	require(peak.destination < replay->destinations || replay->connects == 0);
	require((uint64_t)peak.connected + peak.time_wait <= replay->connects);
	require(replay->failed_connects <= replay->connects);
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
	check_peak(&replay);
	/* A run touches megabytes: one in sixteen. */
	if (replay.connects > 0 && replay.requests % 16 == 3)
		run(size % 2 == 0 ? "berth" : "haproxy", &replay);
	sim_replay_end(&replay);
	return 0;
}
