/* SPDX-License-Identifier: MIT
 *
 * Port sets against an array of 65,536 booleans.
 */
#include "core/port_set.h"
#include "core/port_word.h"
#include "tests/core/test.h"

struct model {
	bool in[BERTH_PORTS];
	uint32_t count;
};

static struct berth_port_set set, part;
static struct model model;

static uint32_t model_rank(unsigned port)
{
	uint32_t rank = 0;

	for (unsigned i = 0; i < port; i++)
		rank += model.in[i];
	return rank;
}

/* The k-th port whose state is in; BERTH_PORTS if there are not so many. */
static unsigned model_select(bool in, uint32_t k)
{
	for (unsigned port = 0; port < BERTH_PORTS; port++)
		if (model.in[port] == in && k-- == 0)
			return port;
	return BERTH_PORTS;
}

static unsigned model_next(unsigned from)
{
	while (from < BERTH_PORTS && !model.in[from])
		from++;
	return from;
}

static void change(struct run *run, unsigned port, bool in)
{
	bool changed = in ? berth_port_set_add(&set, port) : berth_port_set_remove(&set, port);

	AGREE(run, changed == (model.in[port] != in));
	model.count += (uint32_t)in - model.in[port];
	model.in[port] = in;
}

static void change_range(struct run *run, unsigned first, unsigned last, bool in)
{
	if (in && roll_below(&run->dice, 2)) {
		berth_port_set_add_range(&set, first, last);
		for (unsigned port = first; port <= last; port++) {
			model.count += !model.in[port];
			model.in[port] = true;
		}
		return;
	}
	for (unsigned port = first; port <= last; port++)
		change(run, port, in);
}

static void ask(struct run *run)
{
	unsigned port = roll_below(&run->dice, BERTH_PORTS + 1), found = BERTH_PORTS, next = model_next(port);
	uint32_t absent = BERTH_PORTS - model.count, k;
	struct berth_random random = { .left = 0 };

	AGREE(run, berth_port_set_count(&set) == model.count);
	AGREE(run, berth_port_set_rank(&set, port) == model_rank(port));
	AGREE(run, berth_port_set_next(&set, port, &found) == (next < BERTH_PORTS));
	AGREE(run, found == next);
	AGREE(run, berth_port_set_pick(&set, &random, &found) == (model.count != 0));
	AGREE(run, model.count == 0 || model.in[found]);
	AGREE(run, berth_port_set_pick_absent(&set, &random, &found) == (absent != 0));
	AGREE(run, absent == 0 || !model.in[found]);
	if (run->wrong != NULL)
		return;
	if (model.count != 0) {
		k = roll_below(&run->dice, model.count);
		AGREE(run, berth_port_set_select(&set, k) == model_select(true, k));
	}
	if (absent != 0) {
		k = roll_below(&run->dice, absent);
		AGREE(run, berth_port_set_select_absent(&set, k) == model_select(false, k));
	}
	if (port < BERTH_PORTS)
		AGREE(run, berth_port_set_contains(&set, port) == model.in[port]);
}

/* Sets from empty to full: single ports, runs of ports, in narrow and in wide places. */
static struct run random_run(uint64_t seed, unsigned steps, unsigned fault_step)
{
	struct run run = { .dice = { seed }, .seed = seed };

	memset(&set, 0, sizeof(set));
	memset(&model, 0, sizeof(model));
	for (run.step = 0; run.step < steps && run.wrong == NULL; run.step++) {
		unsigned width = 1u << roll_below(&run.dice, 17);
		unsigned first = roll_below(&run.dice, BERTH_PORTS - width + 1);
		bool in = roll_below(&run.dice, 2);

		if (roll_below(&run.dice, 8) == 0)
			change_range(&run, first, first + width - 1, in);
		for (unsigned i = 0; i < 50; i++)
			change(&run, first + roll_below(&run.dice, width), in);
		if (run.step == fault_step) {
			/* The planted fault: the set gets or loses a port that the model does not. */
			if (!berth_port_set_add(&set, first))
				berth_port_set_remove(&set, first);
		}
		ask(&run);
	}
	return run;
}

static void test_against_model(void **state)
{
	struct run run = random_run(test_seed(), 2000, UINT32_MAX);

	(void)state;
	assert_agreed(&run);
}

static void test_planted_fault(void **state)
{
	struct run run = random_run(test_seed(), 2000, 1000);

	(void)state;
	assert_disagreed(&run);
	assert_true(run.step >= 1000);
}

/* Every k of the difference, for a set and parts of it of many densities. */
static void test_difference(void **state)
{
	uint64_t seed = test_seed();
	struct run run = { .dice = { seed }, .seed = seed };

	(void)state;
	for (unsigned keep = 0; keep <= 8; keep++) {
		uint32_t k = 0;

		memset(&set, 0, sizeof(set));
		memset(&part, 0, sizeof(part));
		for (unsigned port = 0; port < BERTH_PORTS; port++) {
			if (roll_below(&run.dice, 8) < 5 || port > 65000)
				berth_port_set_add(&set, port);
			if (berth_port_set_contains(&set, port) && roll_below(&run.dice, 8) >= keep)
				berth_port_set_add(&part, port);
		}
		for (unsigned port = 0; port < BERTH_PORTS; port++)
			if (berth_port_set_contains(&set, port) && !berth_port_set_contains(&part, port))
				AGREE(&run, berth_port_set_select_difference(&set, &part, k++) == port);
		AGREE(&run, k == berth_port_set_count(&set) - berth_port_set_count(&part));
	}
	assert_agreed(&run);
}

static void test_word(void **state)
{
	uint64_t seed = test_seed();
	struct run run = { .dice = { seed }, .seed = seed };

	(void)state;
	for (run.step = 0; run.step < 20000; run.step++) {
		uint64_t word = roll(&run.dice);
		unsigned k = 0;

		if (run.step % 3 == 1)
			for (int i = 0; i < 2; i++)
				word &= roll(&run.dice);
		if (run.step % 3 == 2)
			for (int i = 0; i < 2; i++)
				word |= roll(&run.dice);
		for (unsigned bit = 0; bit < 64; bit++)
			if (word >> bit & 1)
				AGREE(&run, berth_word_select(word, k++) == bit);
		AGREE(&run, berth_word_count(word) == k);
	}
	assert_int_equal(berth_word_count(UINT64_MAX), 64);
	assert_int_equal(berth_word_select(UINT64_MAX, 63), 63);
	assert_agreed(&run);
}

/* Fixed seed: each of 700 members, in uneven places, has the same chance; so has each non-member. */
static void test_uniform(void **state)
{
	static uint32_t count[BERTH_PORTS];
	uint32_t member[700], draws = 700000, absent = 0;
	struct berth_random random;
	unsigned port;

	(void)state;
	berth_random_seed(&random, test_key);
	memset(&set, 0, sizeof(set));
	berth_port_set_add_range(&set, 1, 600);
	for (unsigned i = 0; i < 100; i++)
		berth_port_set_add(&set, 1000 + 601 * i);
	for (uint32_t i = 0; i < draws; i++) {
		assert_true(berth_port_set_pick(&set, &random, &port));
		count[port]++;
	}
	for (unsigned i = 0; i < 700; i++)
		member[i] = count[berth_port_set_select(&set, i)];
	assert_true(chi_square_sigmas(member, 700, draws) < 4);

	memset(&set, 0, sizeof(set));
	memset(count, 0, sizeof(count));
	berth_port_set_add_range(&set, 0, 65535);
	for (unsigned i = 0; i < 700; i++)
		berth_port_set_remove(&set, i * 90);
	for (uint32_t i = 0; i < draws; i++) {
		assert_true(berth_port_set_pick_absent(&set, &random, &port));
		assert_int_equal(port % 90, 0);
		count[port]++;
	}
	for (unsigned i = 0; i < BERTH_PORTS; i++)
		if (count[i] != 0 || (i % 90 == 0 && i < 700 * 90))
			member[absent++] = count[i];
	assert_int_equal(absent, 700);
	assert_true(chi_square_sigmas(member, 700, draws) < 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model), cmocka_unit_test(test_planted_fault),
		cmocka_unit_test(test_difference),    cmocka_unit_test(test_word),
		cmocka_unit_test(test_uniform),
	};

	return cmocka_run_group_tests_name("port_set", tests, NULL, NULL);
}
