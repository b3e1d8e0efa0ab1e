/* SPDX-License-Identifier: MIT
 *
 * What is read from a look: the fullest, the busiest, the map, the advice, the words.
 */
#include "tests/view/world.h"

#include <math.h>

#include "view/explanation.h"
#include "view/port_map.h"
#include "view/text.h"

static void fullest_come_first(void **state)
{
	struct view_snapshot *now = world_make(0);
	uint32_t number[4] = { 0 };

	(void)state;
	for (unsigned peer = 0; peer < 20; peer++)
		for (unsigned i = 0; i < 10 + peer * 7 % 20; i++)
			world_add(now, 100 + peer, WORLD_FIRST + i, i % 2 ? TCP_TIME_WAIT : TCP_ESTABLISHED,
				  0);
	assert_int_equal(view_fullest(now, 4, number), 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct view_count *count = &now->count[number[i]];

		assert_int_equal(count->used + count->waiting, 29 - i);
	}
	assert_int_equal(view_fullest(now, 0, number), 0);
	now->destinations.count = 2;
	assert_int_equal(view_fullest(now, 4, number), 2);
	world_end(now);
}

static void fresh_ports_have_nobody(void **state)
{
	struct view_snapshot *now = world_make(0);
	struct berth_address local = world_pair(0).local, other = berth_address_v4(0x0a000001);

	(void)state;
	world_add(now, 80, WORLD_FIRST, TCP_ESTABLISHED, 0);
	world_add(now, 81, WORLD_FIRST, TCP_ESTABLISHED, 0);
	world_add(now, 82, WORLD_FIRST + 1, TCP_TIME_WAIT, 9000);
	assert_int_equal(view_fresh_ports(now, &local, NULL), WORLD_PORTS - 2);
	assert_int_equal(view_fresh_ports(now, &other, NULL), WORLD_PORTS);
	world_end(now);
}

static void map_has_the_strongest_use(void **state)
{
	static const struct {
		uint32_t remaining_ms;
		unsigned use;
	} rows[] = { { 60000, VIEW_WAITING },	  { 59999, VIEW_WAITING },     { 50000, VIEW_WAITING },
		     { 49999, VIEW_WAITING + 1 }, { 10000, VIEW_WAITING + 4 }, { 9999, VIEW_WAITING + 5 },
		     { 0, VIEW_WAITING + 5 } };
	struct view_snapshot *now = world_make(0);
	struct view_pair pair = world_pair(80);
	struct view_port_map map;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		world_add(now, 80, WORLD_FIRST + i, TCP_TIME_WAIT, rows[i].remaining_ms);
	world_add(now, 80, 40050, TCP_TIME_WAIT, 30000);
	world_add(now, 81, 40050, TCP_ESTABLISHED, 0);
	world_add(now, 81, 40051, TCP_TIME_WAIT, 30000);
	berth_port_set_add(&now->held, 80);
	berth_port_set_add(&now->ports.reserved, 40060);

	view_port_map(now, NULL, &map);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(map.use[WORLD_FIRST + i], rows[i].use);
	assert_int_equal(map.use[40050], VIEW_CONNECTED);
	assert_int_equal(map.use[40060], VIEW_RESERVED);
	assert_int_equal(map.use[40070], VIEW_FREE);
	assert_int_equal(map.use[WORLD_FIRST - 1], VIEW_OUTSIDE);
	assert_int_equal(map.use[WORLD_FIRST + WORLD_PORTS], VIEW_OUTSIDE);
	assert_int_equal(map.use[80], VIEW_HELD);

	view_port_map(now, &pair, &map);
	assert_int_equal(map.use[40050], VIEW_WAITING + 2);
	assert_int_equal(map.use[40051], VIEW_ELSEWHERE);
	assert_int_equal(view_port_map_run(&map, 40052), 40059);
	assert_int_equal(view_port_map_run(&map, WORLD_FIRST + WORLD_PORTS), BERTH_PORTS - 1);
	world_end(now);
}

/* A destination with so many connections and so many ports in TIME_WAIT. */
static struct view_explanation explain(struct view_snapshot *now, unsigned used, unsigned waiting)
{
	struct view_pair pair = world_pair(80);
	struct view_explanation explanation;

	for (unsigned i = 0; i < used + waiting; i++)
		world_add(now, 80, WORLD_FIRST + i, i < used ? TCP_SYN_SENT : TCP_TIME_WAIT, 5000);
	assert_int_equal(view_explain(now, NULL, &pair, &explanation), 0);
	return explanation;
}

static bool is_advised(const struct view_advice *advice, size_t count, enum view_advice_id id)
{
	for (size_t i = 0; i < count; i++)
		if (advice[i].id == id)
			return true;
	return false;
}

static void nothing_is_advised_where_there_is_plenty(void **state)
{
	struct view_snapshot *now = world_make(0);
	struct view_explanation explanation = explain(now, 10, 5);
	struct view_advice advice[VIEW_ADVICES];

	(void)state;
	assert_int_equal(explanation.verdict, VIEW_AT_ONCE);
	assert_int_equal(view_advise(now, &explanation, advice), 0);
	world_end(now);
}

static void advice_is_in_order_of_safety(void **state)
{
	struct view_snapshot *now = world_make(0);
	struct view_explanation explanation = explain(now, 50, 50);
	struct view_advice advice[VIEW_ADVICES];
	size_t count;

	(void)state;
	assert_int_equal(explanation.verdict, VIEW_EXHAUSTED);
	explanation.state[TCP_CLOSE_WAIT] = 7;
	berth_port_set_add(&now->ports.reserved, WORLD_FIRST + 99);
	count = view_advise(now, &explanation, advice);
	for (size_t i = 1; i < count; i++)
		assert_true(advice[i].id > advice[i - 1].id && advice[i].risk >= advice[i - 1].risk);
	assert_int_equal(advice[0].id, VIEW_CLOSE_WHEN_PEER_DID);
	assert_int_equal(advice[0].gain, 7);
	assert_int_equal(advice[count - 1].id, VIEW_SHORTER_WAIT);
	assert_true(is_advised(advice, count, VIEW_FEWER_RESERVED));
	assert_true(is_advised(advice, count, VIEW_TW_REUSE));
	assert_false(is_advised(advice, count, VIEW_TIMESTAMPS));
	world_end(now);
}

static void tw_reuse_needs_timestamps(void **state)
{
	struct view_snapshot *now = world_make(0);
	struct view_advice advice[VIEW_ADVICES];
	struct view_explanation explanation;
	size_t count;

	(void)state;
	now->ports.timestamps = false;
	explanation = explain(now, 10, 70);
	count = view_advise(now, &explanation, advice);
	assert_true(is_advised(advice, count, VIEW_TIMESTAMPS));
	assert_false(is_advised(advice, count, VIEW_TW_REUSE));
	world_end(now);
}

static void time_wait_is_no_matter_where_it_is_taken_over(void **state)
{
	struct view_snapshot *now = world_make(0);
	struct view_advice advice[VIEW_ADVICES];
	struct view_explanation explanation;
	size_t count;

	(void)state;
	now->reuse.tw_reuse = TW_REUSE_ALWAYS;
	explanation = explain(now, 50, 50);
	assert_int_equal(explanation.verdict, VIEW_TAKE_OVER);
	count = view_advise(now, &explanation, advice);
	assert_true(count > 0);
	assert_false(is_advised(advice, count, VIEW_PEER_CLOSES));
	assert_false(is_advised(advice, count, VIEW_SHORTER_WAIT));
	world_end(now);
}

static void take_over_waits_for_its_delay(void **state)
{
	static const struct {
		uint32_t remaining_ms;
		enum view_verdict verdict;
	} rows[] = { { 59001, VIEW_EXHAUSTED }, { 59000, VIEW_TAKE_OVER } };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct view_snapshot *now = world_make(0);
		struct view_pair pair = world_pair(80);
		struct view_explanation explanation;

		now->reuse.tw_reuse = TW_REUSE_ALWAYS;
		for (unsigned port = 0; port < WORLD_PORTS; port++)
			world_add(now, 80, WORLD_FIRST + port, TCP_TIME_WAIT, rows[i].remaining_ms);
		assert_int_equal(view_explain(now, NULL, &pair, &explanation), 0);
		assert_int_equal(explanation.verdict, rows[i].verdict);
		world_end(now);
	}
}

static void words(void **state)
{
	char number[VIEW_NUMBER_TEXT];

	(void)state;
	assert_string_equal(view_number_text(0, number), "0");
	assert_string_equal(view_number_text(999, number), "999");
	assert_string_equal(view_number_text(28232, number), "28,232");
	assert_string_equal(view_number_text(UINT64_MAX, number), "18,446,744,073,709,551,615");
	assert_string_equal(view_rate_text(NAN, number), "-");
	assert_string_equal(view_rate_text(0.4, number), "0.4");
	assert_string_equal(view_rate_text(9.96, number), "10");
	assert_string_equal(view_rate_text(1234.5, number), "1,235");
	assert_string_equal(view_duration_text(NAN, number), "-");
	assert_string_equal(view_duration_text(INFINITY, number), "never");
	assert_string_equal(view_duration_text(0, number), "now");
	assert_string_equal(view_duration_text(119, number), "119 s");
	assert_string_equal(view_duration_text(240, number), "4 min");
	assert_string_equal(view_duration_text(7200, number), "2 h");
	assert_string_equal(view_duration_text(400000, number), "5 d");
	assert_string_equal(view_state_name(TCP_TIME_WAIT), "TIME-WAIT");
	assert_string_equal(view_state_name(99), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fullest_come_first),
		cmocka_unit_test(fresh_ports_have_nobody),
		cmocka_unit_test(map_has_the_strongest_use),
		cmocka_unit_test(nothing_is_advised_where_there_is_plenty),
		cmocka_unit_test(advice_is_in_order_of_safety),
		cmocka_unit_test(tw_reuse_needs_timestamps),
		cmocka_unit_test(time_wait_is_no_matter_where_it_is_taken_over),
		cmocka_unit_test(take_over_waits_for_its_delay),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
