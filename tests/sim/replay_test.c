/* SPDX-License-Identifier: MIT
 *
 * Recordings as load.
 */
#include "sim/replay.h"
#include "tests/sim/tape.h"

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

/* What failed is asked for again, and is in nobody's way; what failed to bind has no destination to ask for. */
static void test_failed(void **state)
{
	struct tape tape = blank();
	struct sim_replay replay;

	(void)state;
	put_destination(&tape, 1, 80);
	put_bind(&tape, 10, 0, 0);
	put_connect(&tape, 0, 0, 0);
	put_close(&tape, 10, 0, SIM_RECORDING_NO_PORT);
	put_bind(&tape, 10, 0, 0);
	put_close(&tape, 0, 0, SIM_RECORDING_NO_PORT);
	put_bind(&tape, 10, 0, 0); /* and listens: one bind */
	put_bind(&tape, 0, 0, 5000);
	replay_start(&replay, &tape);
	assert_int_equal(replay.connects, 1);
	assert_int_equal(replay.failed_connects, 1);
	assert_int_equal(replay.failed_binds, 1);
	assert_int_equal(replay.binds, 3);
	assert_int_equal(replay.first_failed_ns, 10000);
	assert_int_equal(replay.requests, 2);
	assert_int_equal(replay.request[0].hold_ns, 0);
	assert_int_equal(replay.request[0].closer, SIM_RESET);
	sim_replay_end(&replay);
}

/* Of a recording that was cut, what is whole. */
static void test_replay_cut(void **state)
{
	struct sim_recording recording;
	struct sim_replay replay;
	struct tape tape = blank();
	size_t first;

	(void)state;
	put_destination(&tape, 1, 80);
	put_connect(&tape, 10, 0, 0);
	first = tape.size;
	put_connect(&tape, 10, 1, 0);
	assert_true(sim_recording_open(&recording, tape.byte, tape.size - 1));
	assert_int_equal(sim_replay_start(&replay, &recording), 0);
	assert_true(recording.cut);
	assert_int_equal(recording.offset, first);
	assert_int_equal(replay.connects, 1);
	sim_replay_end(&replay);
}

/* Two destinations: to one three at once, of which one closed here is in TIME_WAIT for two seconds; to the other
 * two. A failed one takes nothing, and who leaves at the instant in which another comes is not there any more. */
static void test_peak(void **state)
{
	struct tape tape = blank();
	struct sim_replay replay;
	struct sim_peak peak;

	(void)state;
	put_destination(&tape, 1, 80);
	put_destination(&tape, 2, 80);
	put_connect(&tape, 0, 0, 0);
	put_connect(&tape, 0, 1, 0);
	put_connect(&tape, 0, 2, 1);
	put_connect(&tape, 0, 3, 1);
	put_connect(&tape, 0, 4, 0);
	put_close(&tape, 0, 4, SIM_RECORDING_NO_PORT);
	put_close(&tape, 1000000, 0, SIM_CLOSED_HERE);
	put_close(&tape, 0, 1, SIM_CLOSED_BY_PEER);
	put_connect(&tape, 0, 0, 0);
	put_connect(&tape, 1000000, 1, 0);
	put_close(&tape, 1000000, 0, SIM_RESET); /* at 3 s, as TIME_WAIT ends */
	put_connect(&tape, 0, 0, 0);
	replay_start(&replay, &tape);
	assert_int_equal(sim_replay_peak(&replay, 2 * SECOND, &peak), 0);
	assert_int_equal(peak.destination, 0);
	assert_int_equal(peak.connected, 2);
	assert_int_equal(peak.time_wait, 1);
	assert_int_equal(peak.at_ns, 2 * SECOND);
	/* Without TIME_WAIT: the first of several. */
	assert_int_equal(sim_replay_peak(&replay, 0, &peak), 0);
	assert_int_equal(peak.connected + peak.time_wait, 2);
	assert_int_equal(peak.at_ns, 0);
	sim_replay_end(&replay);
}

/* What fails, is said: when, to whom, and how many of them. */
static void test_worst(void **state)
{
	const struct sim_setup setup = { .host = { .first = 40000,
						   .last = 40001,
						   .addresses = 1,
						   .time_wait_ns = 60 * SECOND,
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
	put_connect(&tape, 0, 0, 0);
	put_connect(&tape, 1000000, 1, 1);
	for (unsigned i = 2; i < 6; i++)
		put_connect(&tape, 1000000, i, 1);
	for (unsigned i = 6; i < 9; i++)
		put_connect(&tape, 1000000, i, 0);
	replay_start(&replay, &tape);
	assert_int_equal(sim_run(sim_policy_find("berth"), &setup, &replay.source, &result), 0);
	assert_int_equal(result.outcome[SIM_EXHAUSTED], 3 + 2);
	assert_true(result.first_failure_s == 3);
	assert_int_equal(result.first_failure_destination, 1);
	assert_int_equal(result.worst_destination, 1);
	assert_int_equal(result.worst_failures, 3);
	assert_int_equal(result.worst_attempts, 5);
	sim_replay_end(&replay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),   cmocka_unit_test(test_again),
		cmocka_unit_test(test_ten_steps),  cmocka_unit_test(test_failed),
		cmocka_unit_test(test_replay_cut), cmocka_unit_test(test_peak),
		cmocka_unit_test(test_worst),
	};

	return cmocka_run_group_tests_name("replays", tests, NULL, NULL);
}
