/* SPDX-License-Identifier: MIT
 *
 * A port space in longer stories: the ten steps, capacity, what is forgotten, what changes.
 */
#include "core/settings.h"
#include "tests/core/test_space.h"

#define SECOND 1000000000ull

/* The ten steps of Server 2003 SP1's description, in its default range. Between step 6 and step 7 other
 * programs use each other port once, so that a sequential choice comes around. */
static enum berth_connect_verdict ten_steps(enum berth_policy policy)
{
	struct berth_endpoint a = endpoint_of('a'), b = endpoint_of('b');
	unsigned port = 0, again = 0, ports = BERTH_MAX_USER_PORT - BERTH_FIRST_USER_PORT + 1;
	uint64_t now_ns = 0;

	space = make_space(&some);
	berth_space_set_range(space, BERTH_FIRST_USER_PORT, BERTH_MAX_USER_PORT, NULL);
	berth_space_set_policy(space, policy);
	assert_int_equal(berth_space_pick(space, NULL, now_ns, &port), BERTH_FRESH);
	assert_int_equal(berth_space_connect(space, port, &a, now_ns), BERTH_CONNECTED);
	assert_true(berth_space_close(space, port, &a, now_ns));
	for (unsigned i = 1; i < ports; i++) {
		now_ns += SECOND / 1000;
		assert_int_equal(berth_space_pick(space, NULL, now_ns, &again), BERTH_FRESH);
		assert_int_not_equal(again, port);
		assert_int_equal(berth_space_connect(space, again, &b, now_ns), BERTH_CONNECTED);
		assert_true(berth_space_release(space, again, &b));
	}
	berth_space_pick(space, NULL, now_ns, &again);
	if (policy == BERTH_POLICY_LEGACY)
		assert_int_equal(again, port);
	else
		assert_int_not_equal(again, port);
	return berth_space_connect(space, again, &a, now_ns);
}

static void test_ten_steps(void **state)
{
	(void)state;
	assert_int_equal(ten_steps(BERTH_POLICY_LEGACY), BERTH_TIME_WAIT_COLLISION);
	assert_int_equal(ten_steps(BERTH_POLICY_SP1), BERTH_CONNECTED);
	assert_int_equal(ten_steps(BERTH_POLICY_BERTH), BERTH_CONNECTED);
}

/* The ten steps with the choice of before SP1, and each of the two settings that the source names against the error:
 * once around the range to one destination, 100 closes a second, and then again. */
static void ten_steps_again(uint32_t delay_s, uint32_t max_tcbs, struct berth_space_counts *ret_counts)
{
	struct berth_endpoint a = endpoint_of('a');
	unsigned port, ports = BERTH_MAX_USER_PORT - BERTH_FIRST_USER_PORT + 1;
	uint64_t now_ns = 0;

	space = make_space(&some);
	berth_space_set_range(space, BERTH_FIRST_USER_PORT, BERTH_MAX_USER_PORT, NULL);
	berth_space_set_policy(space, BERTH_POLICY_LEGACY);
	berth_space_set_time_wait(space, delay_s * SECOND, max_tcbs);
	for (unsigned i = 0; i < 2 * ports; i++) {
		now_ns += SECOND / 100;
		berth_space_pick(space, NULL, now_ns, &port);
		assert_int_equal(port, BERTH_FIRST_USER_PORT + i % ports);
		if (berth_space_connect(space, port, &a, now_ns) == BERTH_CONNECTED)
			assert_true(berth_space_close(space, port, &a, now_ns));
	}
	berth_space_count(space, ret_counts);
}

/* The price: connections are not in TIME_WAIT for the minutes that it takes to tell late segments apart. The cap says so by
 * those that it ended, at any rate; the delay by how few are left. */
static void test_ten_steps_mitigated(void **state)
{
	unsigned ports = BERTH_MAX_USER_PORT - BERTH_FIRST_USER_PORT + 1;
	struct berth_space_counts counts;

	(void)state;
	ten_steps_again(240, some.time_wait, &counts);
	assert_int_equal(counts.collisions, ports);
	assert_int_equal(counts.evicted, 0);
	ten_steps_again(30, some.time_wait, &counts);
	assert_int_equal(counts.collisions, 0);
	assert_int_equal(counts.time_wait, 30 * 100);
	assert_int_equal(counts.evicted, 0);
	ten_steps_again(240, 1000, &counts);
	assert_int_equal(counts.collisions, 0);
	assert_int_equal(counts.evicted, 2 * ports - 1000);
	assert_int_equal(counts.time_wait, 1000);
}

/* One port in the range: the second pass, and then it depends on the destination. */
static void test_one_port(void **state)
{
	static const struct {
		enum berth_policy policy;
		enum berth_verdict same, other;
	} rows[] = {
		{ BERTH_POLICY_LEGACY, BERTH_WAITING, BERTH_WAITING },
		{ BERTH_POLICY_SP1, BERTH_WAITING, BERTH_WAITING },
		{ BERTH_POLICY_BERTH, BERTH_WAITING, BERTH_SHARED },
	};
	struct berth_endpoint a = endpoint_of('a'), b = endpoint_of('b');

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct berth_space_counts counts;
		unsigned port = 0;

		space = make_space(&some);
		berth_space_set_range(space, 65535, 65535, NULL);
		berth_space_set_policy(space, rows[i].policy);
		assert_int_equal(berth_space_pick(space, &a, 0, &port), BERTH_FRESH);
		assert_int_equal(port, 65535);
		assert_int_equal(berth_space_connect(space, port, &a, 0), BERTH_CONNECTED);
		assert_true(berth_space_close(space, port, &a, 0));
		assert_int_equal(berth_space_pick(space, &a, 1, &port), rows[i].same);
		assert_int_equal(berth_space_connect(space, port, &a, 1), BERTH_TIME_WAIT_COLLISION);
		assert_int_equal(berth_space_pick(space, &b, 1, &port), rows[i].other);
		assert_int_equal(berth_space_connect(space, port, &b, 1), BERTH_CONNECTED);
		berth_space_count(space, &counts);
		assert_int_equal(counts.collisions, 1);
		assert_int_equal(counts.verdicts[BERTH_FRESH], 1);
	}
}

/* MaxFreeTWTcbs: one more, and the oldest leaves at once; its port is fresh again. */
static void test_max_free_tw_tcbs(void **state)
{
	struct berth_endpoint a = endpoint_of('a');
	struct berth_space_counts counts;
	unsigned port;

	(void)state;
	space = make_space(&some);
	berth_space_set_range(space, BASE, BASE + 9, NULL);
	berth_space_set_time_wait(space, 30 * SECOND, 3);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(berth_space_connect(space, BASE + i, &a, i * SECOND), BERTH_CONNECTED);
		assert_true(berth_space_close(space, BASE + i, &a, i * SECOND));
	}
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(berth_space_state(space, BASE + i, &a),
				 i < 2 ? BERTH_NO_CONNECTION : BERTH_TIME_WAIT);
	berth_space_count(space, &counts);
	assert_int_equal(counts.evicted, 2);
	assert_int_equal(counts.fresh, 7);
	berth_space_set_time_wait(space, 30 * SECOND, 1);
	berth_space_count(space, &counts);
	assert_int_equal(counts.time_wait, 1);
	assert_true(berth_space_next_expiry(space) == 34 * SECOND);
	/* A longer or shorter delay holds for those that are in. */
	berth_space_set_time_wait(space, 300 * SECOND, 1);
	assert_true(berth_space_next_expiry(space) == 304 * SECOND);
	berth_space_expire(space, 304 * SECOND);
	assert_true(berth_space_next_expiry(space) == UINT64_MAX);
	/* None at all: closed is gone. */
	berth_space_set_time_wait(space, 30 * SECOND, 0);
	assert_int_equal(berth_space_connect(space, BASE, &a, 400 * SECOND), BERTH_CONNECTED);
	assert_true(berth_space_close(space, BASE, &a, 400 * SECOND));
	berth_space_hold(space, BASE + 1, false);
	berth_space_count(space, &counts);
	assert_int_equal(counts.time_wait, 0);
	assert_int_equal(counts.fresh, 9);
	assert_int_equal(berth_space_pick(space, &a, 400 * SECOND, &port), BERTH_FRESH);
}

/* All tuples of a range and some destinations, IPv4 and IPv6, can be had, and not one more. */
static void test_capacity(void **state)
{
	static const char letters[] = "abcd";
	struct berth_space_counts counts;
	unsigned port;

	(void)state;
	space = make_space(&some);
	berth_space_set_range(space, 50000, 50999, NULL);
	for (unsigned i = 0; i < 4; i++) {
		struct berth_endpoint endpoint = endpoint_of(letters[i]);
		struct berth_destination_counts known;

		for (unsigned k = 0; k < 1000; k++) {
			enum berth_verdict verdict = berth_space_pick(space, &endpoint, 0, &port);

			assert_int_equal(verdict, i == 0 ? BERTH_FRESH : BERTH_SHARED);
			assert_int_equal(berth_space_connect(space, port, &endpoint, 0), BERTH_CONNECTED);
		}
		assert_int_equal(berth_space_pick(space, &endpoint, 0, &port), BERTH_EXHAUSTED);
		berth_space_count_destination(space, &endpoint, &known);
		assert_int_equal(known.live, 1000);
		assert_int_equal(known.time_wait, 0);
	}
	berth_space_count(space, &counts);
	assert_int_equal(counts.verdicts[BERTH_SHARED], 3000);
	assert_int_equal(counts.bitmaps, 4);
	/* Not one is lost on the way back. */
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 50000; k <= 50999; k++) {
			struct berth_endpoint endpoint = endpoint_of(letters[i]);

			assert_true(berth_space_release(space, k, &endpoint));
		}
	berth_space_count(space, &counts);
	assert_int_equal(counts.fresh, 1000);
	assert_int_equal(counts.destinations, 0);
}

/* More destinations than there is room for: ports are still counted right, collisions are still seen. */
static void test_forgotten(void **state)
{
	const struct berth_space_limits tight = { .destinations = 2, .bitmaps = 1, .time_wait = 100 };
	struct berth_endpoint destination = { .port = 443 };
	struct berth_space_counts counts;

	(void)state;
	space = make_space(&tight);
	berth_space_set_range(space, BASE, BASE + 9, NULL);
	for (unsigned i = 0; i < 10; i++) {
		destination.address = berth_address_v4(i);
		assert_int_equal(berth_space_connect(space, BASE + i, &destination, 0), BERTH_CONNECTED);
		if (i % 2)
			assert_true(berth_space_close(space, BASE + i, &destination, 0));
	}
	berth_space_count(space, &counts);
	assert_int_equal(counts.destinations, 2);
	assert_int_equal(counts.forgotten, 8);
	assert_int_equal(counts.fresh, 0);
	assert_int_equal(counts.waiting, 5);
	for (unsigned i = 0; i < 10; i++) {
		destination.address = berth_address_v4(i);
		if (i % 2)
			assert_int_equal(berth_space_connect(space, BASE + i, &destination, 0),
					 BERTH_TIME_WAIT_COLLISION);
		else
			assert_true(berth_space_release(space, BASE + i, &destination));
	}
	berth_space_expire(space, 200 * SECOND);
	berth_space_count(space, &counts);
	assert_int_equal(counts.fresh, 10);
	assert_int_equal(counts.destinations, 0);
}

/* A forgotten destination: its connections in TIME_WAIT are not given as shared, however many there are. */
static void test_forgotten_waits(void **state)
{
	const struct berth_space_limits tight = { .destinations = 1, .bitmaps = 1, .time_wait = 100 };
	struct berth_endpoint a = endpoint_of('a'), b = { berth_address_v4(7), 80 };
	unsigned port;

	(void)state;
	space = make_space(&tight);
	berth_space_set_range(space, BASE, BASE + 39, NULL);
	for (unsigned i = 0; i < 39; i++) {
		assert_int_equal(berth_space_connect(space, BASE + i, &a, 0), BERTH_CONNECTED);
		assert_true(berth_space_close(space, BASE + i, &a, 0));
	}
	assert_int_equal(berth_space_connect(space, BASE + 39, &b, 0), BERTH_CONNECTED);
	for (unsigned i = 0; i < 100; i++) {
		enum berth_verdict verdict = berth_space_pick(space, &a, 0, &port);

		/* 16 of the 39 are known again after the first pick, 32 after the second. */
		assert_int_equal(verdict == BERTH_SHARED, port == BASE + 39);
		assert_true(verdict == BERTH_SHARED || (verdict == BERTH_WAITING && i < 3));
	}
}

/* A live connection was forgotten, its port picked for the same destination and refused. When it ends the
 * space believes that it was there, and the port is not lost. */
static void test_refused_by_oneself(void **state)
{
	const struct berth_space_limits tight = { .destinations = 1, .bitmaps = 1, .time_wait = 100 };
	struct berth_endpoint a = endpoint_of('a'), b = { berth_address_v4(7), 80 };
	struct berth_space_counts counts;

	(void)state;
	for (unsigned closes = 0; closes < 2; closes++) {
		space = make_space(&tight);
		berth_space_set_range(space, BASE, BASE, NULL);
		assert_int_equal(berth_space_connect(space, BASE, &a, 0), BERTH_CONNECTED);
		assert_int_equal(berth_space_connect(space, BASE, &b, 0), BERTH_CONNECTED);
		berth_space_refuse(space, BASE, &a, 0);
		assert_true(berth_space_release(space, BASE, &b));
		if (closes)
			assert_true(berth_space_close(space, BASE, &a, SECOND));
		else
			assert_true(berth_space_release(space, BASE, &a));
		berth_space_count(space, &counts);
		assert_int_equal(counts.time_wait, closes);
		assert_int_equal(counts.waiting, closes);
		assert_int_equal(counts.fresh, !closes);
	}
}

static void test_clear(void **state)
{
	struct berth_endpoint a = endpoint_of('a');
	struct berth_space_counts counts;
	unsigned port;

	(void)state;
	space = make_space(&some);
	berth_space_set_range(space, BASE, BASE + 99, NULL);
	berth_space_set_policy(space, BERTH_POLICY_SP1);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(berth_space_connect(space, BASE + i, &a, 0), BERTH_CONNECTED);
		if (i % 2)
			assert_true(berth_space_close(space, BASE + i, &a, 0));
		berth_space_hold(space, BASE + 60 + i, i % 3);
	}
	berth_space_clear(space);
	berth_space_count(space, &counts);
	assert_int_equal(counts.fresh, 100);
	assert_int_equal(counts.time_wait, 0);
	assert_int_equal(counts.destinations, 0);
	assert_true(berth_space_next_expiry(space) == UINT64_MAX);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(berth_space_pick(space, NULL, 0, &port), BERTH_FRESH);
		assert_int_equal(berth_space_connect(space, port, &a, 0), BERTH_CONNECTED);
		assert_true(berth_space_close(space, port, &a, 0));
	}
	/* The policy stayed: berth would find the ports shared. */
	a = endpoint_of('b');
	assert_int_equal(berth_space_pick(space, &a, 0, &port), BERTH_WAITING);
}

/* The range may change under live connections, and what is outside it is still counted. */
static void test_range_changes(void **state)
{
	struct berth_endpoint a = endpoint_of('a'), b = endpoint_of('b');
	struct berth_space_counts counts;
	unsigned port;

	(void)state;
	space = make_space(&some);
	assert_int_equal(berth_space_pick(space, &a, 0, &port), BERTH_ALL_RESERVED);
	berth_space_set_range(space, BASE, BASE + 9, NULL);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(berth_space_connect(space, BASE + i, &a, 0), BERTH_CONNECTED);
	assert_int_equal(berth_space_connect(space, 1, &a, 0), BERTH_CONNECTED);
	assert_int_equal(berth_space_connect(space, 65535, &a, 0), BERTH_CONNECTED);
	berth_space_set_range(space, BASE + 10, BASE + 10, NULL);
	assert_int_equal(berth_space_pick(space, &a, 0, &port), BERTH_FRESH);
	assert_int_equal(berth_space_connect(space, BASE + 10, &a, 0), BERTH_CONNECTED);
	assert_int_equal(berth_space_pick(space, &a, 0, &port), BERTH_EXHAUSTED);
	assert_int_equal(berth_space_pick(space, &b, 0, &port), BERTH_SHARED);
	assert_int_equal(port, BASE + 10);
	berth_space_set_range(space, 1, 65535, NULL);
	berth_space_count(space, &counts);
	assert_int_equal(counts.ports, 65535);
	assert_int_equal(counts.fresh, 65535 - 13);
	assert_int_equal(counts.shareable, 13);
}

static void test_limits(void **state)
{
	static const struct berth_space_limits bad[] = {
		{ .destinations = 0, .bitmaps = 1, .time_wait = 1 },
		{ .destinations = 1, .bitmaps = 0, .time_wait = 1 },
		{ .destinations = 1, .bitmaps = 1, .time_wait = 0 },
		{ .destinations = 1, .bitmaps = 1, .time_wait = 1 << 24 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(berth_space_size(&bad[i]), 0);
		assert_null(berth_space_init(memory, SIZE_MAX, &bad[i], test_key));
	}
	assert_null(berth_space_init(memory, berth_space_size(&some) - 1, &some, test_key));
}

static void test_names(void **state)
{
	enum berth_policy policy = BERTH_POLICY_SP1;

	(void)state;
	assert_string_equal(berth_verdict_name(BERTH_FRESH), "fresh");
	assert_string_equal(berth_verdict_name(BERTH_ALL_RESERVED), "all-reserved");
	assert_string_equal(berth_connect_verdict_name(BERTH_TIME_WAIT_COLLISION), "time-wait-collision");
	assert_true(berth_policy_find("legacy", &policy));
	assert_int_equal(policy, BERTH_POLICY_LEGACY);
	assert_false(berth_policy_find("legacy2", &policy));
	assert_false(berth_policy_find("", &policy));
	assert_int_equal(policy, BERTH_POLICY_LEGACY);
	assert_string_equal(berth_policy_name(policy), "legacy");
}

/* One port, which is back for its destination when the delay is over and no sooner, whatever others do meanwhile; also if it
 * was seen in TIME_WAIT late. */
static void test_delay(void **state)
{
	static const uint64_t delays_s[] = { BERTH_TIMED_WAIT_DELAY_MIN, 60, 61, BERTH_TIMED_WAIT_DELAY,
					     BERTH_TIMED_WAIT_DELAY_MAX };
	struct berth_endpoint a = endpoint_of('a'), b = endpoint_of('b');
	uint64_t begun_ns = SECOND, now_ns, end_ns;
	unsigned port;

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(delays_s) / sizeof(delays_s[0]); i++) {
		end_ns = begun_ns + delays_s[i / 2] * SECOND;
		space = make_space(&some);
		berth_space_set_range(space, BASE, BASE, NULL);
		berth_space_set_time_wait(space, delays_s[i / 2] * SECOND, 100);
		if (i % 2 == 0) {
			berth_space_connect(space, BASE, &a, begun_ns);
			berth_space_close(space, BASE, &a, begun_ns);
		} else {
			berth_space_observe_time_wait(space, BASE, &a, begun_ns);
		}
		for (now_ns = begun_ns; now_ns < end_ns; now_ns += SECOND / 2) {
			assert_int_equal(berth_space_pick(space, &a, now_ns, &port), BERTH_WAITING);
			assert_int_equal(berth_space_pick(space, &b, now_ns, &port), BERTH_SHARED);
			berth_space_connect(space, BASE, &b, now_ns);
			berth_space_release(space, BASE, &b);
		}
		assert_int_equal(berth_space_pick(space, &a, end_ns, &port), BERTH_FRESH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_steps),
		cmocka_unit_test(test_ten_steps_mitigated),
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_max_free_tw_tcbs),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_forgotten_waits),
		cmocka_unit_test(test_refused_by_oneself),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_range_changes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("port_space", tests, NULL, release_memory);
}
