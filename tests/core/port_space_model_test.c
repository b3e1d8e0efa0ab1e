/* SPDX-License-Identifier: MIT
 *
 * A port space against its model: random operations on both, which must agree on everything.
 */
#include "tests/core/port_space_model.h"

static void pick(struct run *run)
{
	unsigned n = roll_below(&run->dice, NAMES), port = 0, only; /* nobody stands for "not known" */
	struct berth_endpoint endpoint = name(n);
	enum berth_verdict wanted, verdict;

	model_expire();
	if (n == NOBODY)
		n = NAMES;
	wanted = model_pick(n, &only);
	verdict = berth_space_pick(space, n == NAMES ? NULL : &endpoint, model.now_ns, &port);
	AGREE(run, verdict == wanted);
	if (run->wrong != NULL || !berth_verdict_has_port(verdict))
		return;
	AGREE(run, port >= BASE && port < BASE + PORTS);
	if (run->wrong != NULL)
		return;
	AGREE(run, is_candidate(port - BASE, n, verdict));
	AGREE(run, only == NO_PORT || port == BASE + only);
	if (model.policy == BERTH_POLICY_LEGACY)
		model.cursor = port + 1;
}

static void connect_or_end(struct run *run, unsigned i, unsigned n, unsigned act)
{
	struct berth_endpoint endpoint = name(n);
	struct connection *c = &model.at[i][n];
	enum berth_connect_verdict verdict;
	bool live;

	if (act == 2) {
		AGREE(run, berth_space_release(space, BASE + i, &endpoint) == (c->state == BERTH_LIVE));
		if (c->state == BERTH_LIVE)
			c->state = BERTH_NO_CONNECTION;
		return;
	}
	model_expire();
	live = c->state == BERTH_LIVE;
	if (act == 3) {
		AGREE(run, berth_space_close(space, BASE + i, &endpoint, model.now_ns) == live);
		if (!live)
			return;
		c->state = BERTH_NO_CONNECTION;
		model_enter(i, n, model.now_ns);
		return;
	}
	verdict = berth_space_connect(space, BASE + i, &endpoint, model.now_ns);
	AGREE(run, verdict == (c->state == BERTH_TIME_WAIT ? BERTH_TIME_WAIT_COLLISION
			       : live			   ? BERTH_IN_USE
							   : BERTH_CONNECTED));
	if (verdict == BERTH_CONNECTED)
		c->state = BERTH_LIVE;
}

static void hold_or_not(struct run *run, unsigned i, unsigned act)
{
	bool sharing = act & 1;
	uint32_t *count = sharing ? &model.sharers[i] : &model.holders[i];

	if (act < 2 && *count < 3) {
		berth_space_hold(space, BASE + i, sharing);
		++*count;
		return;
	}
	AGREE(run, berth_space_unhold(space, BASE + i, sharing) == (*count != 0));
	*count -= *count != 0;
}

static void time_wait_from_outside(struct run *run, unsigned i, unsigned n, unsigned act)
{
	struct berth_endpoint endpoint = name(n);
	struct connection *c = &model.at[i][n];
	uint64_t entered_ns = model.now_ns;

	if (act == 0) {
		AGREE(run, berth_space_leave_time_wait(space, BASE + i, &endpoint) ==
				   (c->state == BERTH_TIME_WAIT));
		if (c->state == BERTH_TIME_WAIT)
			c->state = BERTH_NO_CONNECTION;
		return;
	}
	if (act == 1) {
		entered_ns -= roll_below(&run->dice, 10) * SECOND;
		berth_space_observe_time_wait(space, BASE + i, &endpoint, entered_ns);
	} else {
		model_expire();
		berth_space_refuse(space, BASE + i, n == NOBODY ? NULL : &endpoint, model.now_ns);
	}
	if (c->state != BERTH_LIVE)
		model_enter(i, n, entered_ns);
}

static void change_settings(struct run *run)
{
	static struct berth_port_set reserved;
	unsigned first = roll_below(&run->dice, PORTS), last = first + roll_below(&run->dice, PORTS - first);
	bool all = roll_below(&run->dice, 16) == 0;

	memset(&reserved, 0, sizeof(reserved));
	for (unsigned i = 0; i < PORTS; i++) {
		bool out = all || roll_below(&run->dice, 8) == 0;

		model.usable[i] = i >= first && i <= last && !out;
		if (out)
			berth_port_set_add(&reserved, BASE + i);
	}
	model.cursor = BASE + first;
	model.policy = (enum berth_policy)(roll_below(&run->dice, 5) % 3);
	berth_space_set_range(space, BASE + first, BASE + last, &reserved);
	berth_space_set_policy(space, model.policy);
	notice_waiting();
	model.max_tcbs = roll_below(&run->dice, 4) ? CAPACITY : roll_below(&run->dice, 20);
	model.delay_ns = (30 + roll_below(&run->dice, 270)) * SECOND;
	berth_space_set_time_wait(space, model.delay_ns,
				  model.max_tcbs + (model.max_tcbs == CAPACITY) * 1000);
	model_evict_to(model.max_tcbs);
}

static void compare(struct run *run)
{
	struct berth_space_counts counts;
	uint32_t fresh = 0, waiting = 0, shareable = 0;

	for (unsigned i = 0; i < PORTS; i++) {
		fresh += is_fresh(i);
		waiting += is_waiting(i);
		shareable += is_shareable(i);
		for (unsigned n = 0; n < NAMES; n++) {
			struct berth_endpoint endpoint = name(n);

			AGREE(run, berth_space_state(space, BASE + i, &endpoint) == model.at[i][n].state);
		}
	}
	berth_space_count(space, &counts);
	AGREE(run, counts.fresh == fresh);
	AGREE(run, counts.waiting == waiting);
	AGREE(run, counts.shareable == shareable);
	AGREE(run, counts.time_wait == time_wait_count());
	AGREE(run, counts.forgotten == 0);
}

static void start(void)
{
	space = make_space(&limits);
	assert_non_null(space);
	memset(&model, 0, sizeof(model));
	model.now_ns = 1000 * SECOND;
}

static void act_once(struct run *run)
{
	unsigned i = roll_below(&run->dice, PORTS), n = roll_below(&run->dice, NOBODY);
	unsigned act = roll_below(&run->dice, 32);
	unsigned connects = run->step / 500 % 2 ? 8 : 2;

	/* More connects than ends for a while, then fewer. */
	if (act < 14)
		connect_or_end(run, i, n, act < connects ? 0 : act < connects + 2 ? 2 : 3);
	else if (act < 18)
		hold_or_not(run, i, roll_below(&run->dice, 4) | (roll_below(&run->dice, 3) == 0) << 1);
	else if (act < 21)
		time_wait_from_outside(run, i, roll_below(&run->dice, NAMES), act - 18);
	else if (act < 23)
		model.now_ns += roll_below(&run->dice, 4) * (SECOND / 3);
	else
		pick(run);
	notice_waiting();
	if (roll_below(&run->dice, 400) == 0)
		model.now_ns += roll_below(&run->dice, 400) * SECOND;
	if (roll_below(&run->dice, 300) == 0)
		change_settings(run);
}

/* A connection that the model never hears of. */
static void plant_fault(void)
{
	struct berth_endpoint endpoint = name(0);
	unsigned i = 0;

	while (model.at[i][0].state != BERTH_NO_CONNECTION)
		i++;
	berth_space_connect(space, BASE + i, &endpoint, model.now_ns);
}

static struct run random_run(uint64_t seed, unsigned steps, unsigned fault_step)
{
	struct run run = { .dice = { seed }, .seed = seed };

	start();
	change_settings(&run);
	for (run.step = 0; run.step < steps && run.wrong == NULL; run.step++) {
		act_once(&run);
		if (run.step == fault_step)
			plant_fault();
		if (run.step % 32 == 0) {
			berth_space_expire(space, model.now_ns);
			model_expire();
			compare(&run);
		}
	}
	return run;
}

static void test_against_model(void **state)
{
	uint64_t seed = test_seed(), verdicts[BERTH_VERDICTS] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct run run = random_run(seed + i, 10000, UINT32_MAX);
		struct berth_space_counts counts;

		assert_agreed(&run);
		berth_space_count(space, &counts);
		for (unsigned verdict = 0; verdict < BERTH_VERDICTS; verdict++)
			verdicts[verdict] += counts.verdicts[verdict];
	}
	/* Each answer was put to the test, and not just now and then. */
	for (unsigned verdict = 0; verdict < BERTH_VERDICTS; verdict++)
		assert_true(verdicts[verdict] > 100);
}

static void test_planted_fault(void **state)
{
	struct run run = random_run(test_seed(), 10000, 3000);

	(void)state;
	assert_disagreed(&run);
	assert_true(run.step >= 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_planted_fault),
	};

	return cmocka_run_group_tests_name("port_space_model", tests, NULL, release_memory);
}
