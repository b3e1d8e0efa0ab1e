/* SPDX-License-Identifier: MIT
 *
 * Recordings: read as written, refused when wrong, and replayed.
 */
#include "sim/recording.h"
#include "sim/replay.h"
#include "tests/sim/sim_test.h"

/* A recording in the making. */
struct tape {
	uint8_t byte[4096];
	size_t size;
};

static void put_byte(struct tape *tape, unsigned value)
{
	assert_true(tape->size < sizeof(tape->byte));
	tape->byte[tape->size++] = (uint8_t)value;
}

static void put_varint(struct tape *tape, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte(tape, (unsigned)(value & 0x7f) | 0x80);
	put_byte(tape, (unsigned)value);
}

static void put_record(struct tape *tape, enum sim_record_kind kind, uint64_t after_us)
{
	put_byte(tape, kind);
	put_varint(tape, after_us);
}

static void put_destination(struct tape *tape, uint32_t v4, unsigned port)
{
	struct berth_address address = berth_address_v4(v4);

	put_record(tape, SIM_RECORD_DESTINATION, 0);
	for (unsigned i = 0; i < sizeof(address.bytes); i++)
		put_byte(tape, address.bytes[i]);
	put_byte(tape, port & 0xff);
	put_byte(tape, port >> 8);
}

static void put_bind(struct tape *tape, uint64_t after_us, uint64_t socket, unsigned port)
{
	put_record(tape, SIM_RECORD_BIND, after_us);
	put_varint(tape, socket);
	put_byte(tape, port & 0xff);
	put_byte(tape, port >> 8);
}

static void put_connect(struct tape *tape, uint64_t after_us, uint64_t socket, uint64_t destination)
{
	put_record(tape, SIM_RECORD_CONNECT, after_us);
	put_varint(tape, socket);
	put_varint(tape, destination);
}

static void put_close(struct tape *tape, uint64_t after_us, uint64_t socket, unsigned closer)
{
	put_record(tape, SIM_RECORD_CLOSE, after_us);
	put_varint(tape, socket);
	put_byte(tape, closer);
}

static struct tape blank(void)
{
	struct tape tape = { .size = SIM_RECORDING_HEADER };

	memcpy(tape.byte, SIM_RECORDING_MAGIC, 8);
	tape.byte[8] = SIM_RECORDING_VERSION;
	return tape;
}

static struct tape whole(void)
{
	struct tape tape = blank();

	put_destination(&tape, 0x7f000001, 443);
	put_destination(&tape, 0xc0000201, 8080);
	put_bind(&tape, 5, 3, 0);
	put_connect(&tape, 7, 3, 1);
	put_bind(&tape, 1000000, 300, 40001);
	put_connect(&tape, 0, 4, 0);
	put_close(&tape, 300000000, 3, SIM_CLOSED_BY_PEER);
	put_close(&tape, 1, 300, SIM_RESET);
	put_connect(&tape, 2, 3, 0);
	return tape;
}

static void test_read(void **state)
{
	const struct tape tape = whole();
	struct sim_recording recording;
	struct sim_record record;

	(void)state;
	assert_true(sim_recording_open(&recording, tape.byte, tape.size));
	assert_false(recording.hashed);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_DESTINATION);
	assert_int_equal(berth_address_to_v4(&record.named.address), 0x7f000001);
	assert_int_equal(record.named.port, 443);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_DESTINATION);
	assert_int_equal(record.named.port, 8080);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_BIND);
	assert_int_equal(record.at_ns, 5000);
	assert_int_equal(record.port, 0);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CONNECT);
	assert_int_equal(record.at_ns, 12000);
	assert_int_equal(record.socket, 3);
	assert_int_equal(record.destination, 1);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_BIND);
	assert_int_equal(record.socket, 300);
	assert_int_equal(record.port, 40001);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CONNECT);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CLOSE);
	assert_int_equal(record.at_ns, 301000012000ull);
	assert_int_equal(record.closer, SIM_CLOSED_BY_PEER);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CLOSE);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CONNECT);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_END);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_END);
}

/* Cut anywhere, it is whole records and then either the end or a fault. */
static void test_cut(void **state)
{
	const struct tape tape = whole();
	unsigned ends = 0;

	(void)state;
	for (size_t size = 0; size < tape.size; size++) {
		/* A copy of that size, for the sanitizer to guard its end. */
		uint8_t *copy = malloc(size + 1);
		struct sim_recording recording;
		struct sim_record record;
		enum sim_record_kind kind = SIM_RECORD_BAD;

		memcpy(copy, tape.byte, size);
		if (sim_recording_open(&recording, copy, size))
			while ((kind = sim_recording_next(&recording, &record)) != SIM_RECORD_END &&
			       kind != SIM_RECORD_BAD)
				;
		assert_true((kind == SIM_RECORD_BAD) == (recording.fault != NULL));
		ends += kind == SIM_RECORD_END;
		free(copy);
	}
	assert_int_equal(ends, 9);
}

static void must_be_bad(const struct tape *tape, const char *fault)
{
	struct sim_recording recording;
	struct sim_record record;
	enum sim_record_kind kind = SIM_RECORD_BAD;

	if (sim_recording_open(&recording, tape->byte, tape->size))
		while ((kind = sim_recording_next(&recording, &record)) < SIM_RECORD_BAD &&
		       kind != SIM_RECORD_END)
			;
	assert_int_equal(kind, SIM_RECORD_BAD);
	assert_string_equal(recording.fault, fault);
	/* And stays so. */
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_BAD);
}

static void test_bad(void **state)
{
	struct tape tape = blank();

	(void)state;
	tape.byte[0] = 'B';
	must_be_bad(&tape, "this is no recording of berth's");
	tape = blank();
	tape.byte[8] = 2;
	must_be_bad(&tape, "a version of the format that is not known here");
	tape = blank();
	tape.byte[9] = 2;
	must_be_bad(&tape, "a flag that is not known here");
	tape = blank();
	tape.byte[15] = 1;
	must_be_bad(&tape, "a flag that is not known here");
	tape = blank();
	put_record(&tape, SIM_RECORD_BAD, 0);
	must_be_bad(&tape, "a kind of record that is not known");
	tape = blank();
	put_bind(&tape, SIM_RECORDING_MAX_US, 0, 0);
	put_bind(&tape, 1, 0, 0);
	must_be_bad(&tape, "longer than a year");
	tape = blank();
	put_byte(&tape, SIM_RECORD_BIND);
	for (unsigned i = 0; i < 12; i++)
		put_byte(&tape, 0xff);
	must_be_bad(&tape, "longer than a year");
	tape = blank();
	put_bind(&tape, 0, SIM_SOCKETS_MAX, 0);
	must_be_bad(&tape, "a socket's number is too large");
	tape = blank();
	put_destination(&tape, 1, 1);
	put_connect(&tape, 0, 0, 1);
	must_be_bad(&tape, "a destination that was not named before");
	tape = blank();
	put_close(&tape, 0, 0, 3);
	must_be_bad(&tape, "a way to close that is not known");
	tape = blank();
	put_byte(&tape, SIM_RECORD_CLOSE);
	must_be_bad(&tape, "the last record is cut short");
}

static void replay_start(struct sim_replay *replay, const struct tape *tape)
{
	struct sim_recording recording;

	assert_true(sim_recording_open(&recording, tape->byte, tape->size));
	assert_int_equal(sim_replay_start(replay, &recording), 0);
}

static void test_requests(void **state)
{
	static const struct sim_request wanted[] = {
		{ .at_ns = 12000, .hold_ns = 301000000000, .destination = 1, .closer = SIM_CLOSED_BY_PEER },
		{ .at_ns = 1000012000, .hold_ns = 300000001000, .port = 40001, .closer = SIM_RESET },
		{ .at_ns = 1000012000, .hold_ns = SIM_FOR_EVER, .destination = 0, .closer = SIM_RESET },
		{ .at_ns = 301000015000, .hold_ns = SIM_FOR_EVER, .destination = 0, .closer = SIM_RESET },
	};
	const struct tape tape = whole();
	struct sim_replay replay;

	(void)state;
	replay_start(&replay, &tape);
	for (unsigned round = 0; round < 2; round++) {
		struct sim_request request;

		for (size_t i = 0; i < COUNT(wanted); i++) {
			assert_true(replay.source.next(&replay.source, &request));
			assert_int_equal(request.at_ns, wanted[i].at_ns);
			assert_int_equal(request.hold_ns, wanted[i].hold_ns);
			assert_int_equal(request.destination, wanted[i].destination);
			assert_int_equal(request.port, wanted[i].port);
			assert_int_equal(request.closer, wanted[i].closer);
		}
		assert_false(replay.source.next(&replay.source, &request));
		sim_replay_rewind(&replay);
	}
	assert_int_equal(replay.connects, 3);
	assert_int_equal(replay.destinations, 2);
	sim_replay_end(&replay);
}

/* A second attempt on the same socket ends the first; so does a connect on a socket that held a port. */
static void test_again(void **state)
{
	struct tape tape = blank();
	struct sim_replay replay;
	struct sim_request request;

	(void)state;
	put_destination(&tape, 1, 80);
	put_bind(&tape, 0, 7, 5000);
	put_connect(&tape, 10, 7, 0);
	put_connect(&tape, 20, 7, 0);
	put_close(&tape, 30, 7, SIM_CLOSED_HERE);
	put_close(&tape, 40, 7, SIM_CLOSED_HERE); /* of nothing */
	replay_start(&replay, &tape);
	assert_int_equal(replay.requests, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(replay.source.next(&replay.source, &request));
		assert_int_equal(request.hold_ns, (i + 1) * 10000);
		assert_int_equal(request.closer, i < 2 ? SIM_RESET : SIM_CLOSED_HERE);
	}
	sim_replay_end(&replay);
}

/* The ten steps, recorded: two ports, one taken by a listener; to A, closed here, and to A again. */
static void test_ten_steps(void **state)
{
	const struct sim_setup setup = { .host = { .first = 40000,
						   .last = 40001,
						   .addresses = 1,
						   .time_wait_ns = 240 * SECOND,
						   .max_tcbs = SIM_NO_LIMIT },
					 .destinations = 2,
					 .time_wait = 10,
					 .ended = 10,
					 .end_ns = 600 * SECOND };
	struct tape tape = blank();
	struct sim_replay replay;
	struct sim_result result;

	(void)state;
	put_destination(&tape, 1, 80);
	put_destination(&tape, 2, 80);
	put_bind(&tape, 0, 0, 40001);
	put_connect(&tape, 1, 1, 0);
	put_close(&tape, 1, 1, SIM_CLOSED_HERE);
	put_connect(&tape, 1000000, 1, 0); /* collides, whoever chooses */
	put_close(&tape, 1, 1, SIM_RESET);
	put_connect(&tape, 1, 1, 1); /* but not to B */
	put_close(&tape, 1, 1, SIM_CLOSED_HERE);
	put_connect(&tape, 240000000, 1, 0); /* nor to A when TIME_WAIT is over */
	put_close(&tape, 1, 0, SIM_RESET);
	put_connect(&tape, 1, 2, 0); /* nor from the listener's port when it has gone */
	replay_start(&replay, &tape);
	assert_int_equal(sim_run(sim_policy_find("sp1"), &setup, &replay.source, &result), 0);
	assert_int_equal(result.attempts, 5);
	assert_int_equal(result.outcome[SIM_CONNECTED], 4);
	assert_int_equal(result.outcome[SIM_TIME_WAIT_COLLISION], 1);
	assert_int_equal(result.rank[SIM_RANK_FRESH], 3);
	assert_int_equal(result.rank[SIM_RANK_SHARED], 1);
	sim_replay_end(&replay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad),   cmocka_unit_test(test_requests),
		cmocka_unit_test(test_again), cmocka_unit_test(test_ten_steps),
	};

	return cmocka_run_group_tests_name("recordings", tests, NULL, NULL);
}
