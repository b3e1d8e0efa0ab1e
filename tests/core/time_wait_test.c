/* SPDX-License-Identifier: MIT
 *
 * The TIME_WAIT table against a plain list of connections, oldest first.
 */
#include "core/time_wait.h"
#include "tests/core/test.h"

#define CAPACITY 300u
#define TICK_NS	 10000000ull
#define SECOND	 1000000000ull

struct model {
	struct berth_tuple tuple[CAPACITY];
	uint64_t entered[CAPACITY];
	uint32_t count;
	uint64_t now_ns;
	uint64_t delay_ns;
};

static _Alignas(64) uint8_t memory[32768];
static struct berth_time_wait *table;
static struct model model;

static void start(bool ipv6, uint32_t capacity)
{
	memset(memory, 0, sizeof(memory));
	memset(&model, 0, sizeof(model));
	table = berth_time_wait_init(memory, sizeof(memory), capacity, ipv6, test_key);
	assert_non_null(table);
	model.delay_ns = 120 * SECOND;
}

static bool same_tuple(const struct berth_tuple *a, const struct berth_tuple *b)
{
	return a->local_port == b->local_port && berth_endpoint_equal(&a->remote, &b->remote);
}

/* Few enough that the same comes again, in TIME_WAIT or not. */
static struct berth_tuple random_tuple(struct dice *dice, bool ipv6)
{
	struct berth_tuple tuple = { .local_port = (uint16_t)(40000 + roll_below(dice, 40)) };

	tuple.remote.port = (uint16_t)(80 + roll_below(dice, 3));
	tuple.remote.address = berth_address_v4(0x0a000000 + roll_below(dice, 8));
	if (ipv6 && roll_below(dice, 2))
		tuple.remote.address.bytes[roll_below(dice, 16)] ^= 0x20;
	return tuple;
}

static uint32_t model_find(const struct berth_tuple *tuple)
{
	uint32_t i = 0;

	while (i < model.count && !same_tuple(&model.tuple[i], tuple))
		i++;
	return i;
}

static void model_remove(uint32_t i)
{
	model.count--;
	memmove(&model.tuple[i], &model.tuple[i + 1], (model.count - i) * sizeof(model.tuple[0]));
	memmove(&model.entered[i], &model.entered[i + 1], (model.count - i) * sizeof(model.entered[0]));
}

static void model_append(const struct berth_tuple *tuple)
{
	model.tuple[model.count] = *tuple;
	model.entered[model.count++] = (model.now_ns + TICK_NS - 1) / TICK_NS * TICK_NS;
}

static void expire(struct run *run)
{
	struct berth_tuple gone[BERTH_EXPIRE_BATCH];
	unsigned count, due = 0;

	while (due < model.count && model.entered[due] + model.delay_ns <= model.now_ns)
		due++;
	if (due > BERTH_EXPIRE_BATCH)
		due = BERTH_EXPIRE_BATCH;
	count = berth_time_wait_expire(table, model.now_ns, gone);
	AGREE(run, count == due);
	for (unsigned i = 0; i < count && run->wrong == NULL; i++) {
		AGREE(run, same_tuple(&gone[i], &model.tuple[0]));
		model_remove(0);
	}
}

static void enter(struct run *run, const struct berth_tuple *tuple)
{
	uint32_t at = model_find(tuple), slot = berth_time_wait_find(table, tuple);

	AGREE(run, (slot != 0) == (at < model.count));
	if (slot != 0 || at < model.count)
		return;
	slot = berth_time_wait_enter(table, tuple, model.now_ns);
	if (slot == 0) {
		/* Full, or 46 hours since the oldest. */
		AGREE(run, model.count == berth_time_wait_capacity(table) ||
				   model.now_ns - model.entered[0] > 46 * 3600 * SECOND);
		return;
	}
	AGREE(run, model.count < berth_time_wait_capacity(table));
	if (run->wrong == NULL)
		model_append(tuple);
}

static void restart(struct run *run, const struct berth_tuple *tuple)
{
	uint32_t at = model_find(tuple), slot = berth_time_wait_find(table, tuple);

	AGREE(run, (slot != 0) == (at < model.count));
	if (slot == 0 || run->wrong != NULL || model.now_ns - model.entered[0] > 40 * 3600 * SECOND)
		return;
	berth_time_wait_restart(table, slot, model.now_ns);
	model_remove(at);
	model_append(tuple);
}

static void leave(struct run *run, const struct berth_tuple *tuple)
{
	uint32_t at = model_find(tuple), slot = berth_time_wait_find(table, tuple);

	AGREE(run, (slot != 0) == (at < model.count));
	if (slot == 0 || run->wrong != NULL)
		return;
	berth_time_wait_leave(table, slot);
	model_remove(at);
}

/* The whole table, in order. */
static void compare(struct run *run)
{
	uint32_t slot = berth_time_wait_oldest(table), i;

	AGREE(run, berth_time_wait_count(table) == model.count);
	AGREE(run, berth_time_wait_next_expiry(table) ==
			   (model.count == 0 ? UINT64_MAX : model.entered[0] + model.delay_ns));
	for (i = 0; slot != 0 && i < model.count; i++) {
		struct berth_tuple tuple;

		berth_time_wait_get(table, slot, &tuple);
		AGREE(run, same_tuple(&tuple, &model.tuple[i]));
		AGREE(run, berth_time_wait_entered(table, slot) == model.entered[i]);
		AGREE(run, berth_time_wait_find(table, &tuple) == slot);
		slot = berth_time_wait_younger(table, slot);
	}
	AGREE(run, slot == 0 && i == model.count);
}

static void pass_time(struct run *run)
{
	static const uint64_t steps[] = { 0, 1, TICK_NS - 1, TICK_NS, SECOND, 20 * SECOND };

	model.now_ns += steps[roll_below(&run->dice, COUNT(steps))];
	if (roll_below(&run->dice, 500) == 0)
		model.now_ns += roll_below(&run->dice, 200) * 3600 * SECOND;
}

static struct run random_run(uint64_t seed, bool ipv6, unsigned steps, unsigned fault_step)
{
	struct run run = { .dice = { seed }, .seed = seed };

	start(ipv6, 100 + roll_below(&run.dice, CAPACITY - 100));
	for (run.step = 0; run.step < steps && run.wrong == NULL; run.step++) {
		struct berth_tuple tuple = random_tuple(&run.dice, ipv6);
		unsigned act = roll_below(&run.dice, 16);

		if (act < 10)
			enter(&run, &tuple);
		else if (act < 11)
			restart(&run, &tuple);
		else if (act < 13)
			leave(&run, &tuple);
		else if (act < 15)
			pass_time(&run);
		if (roll_below(&run.dice, 4) == 0)
			expire(&run);
		if (run.step >= fault_step && model.count > 1) {
			/* The planted fault: the oldest gets younger behind the model's back. */
			berth_time_wait_restart(table, berth_time_wait_oldest(table), model.now_ns);
			compare(&run);
		}
		if (run.step % 16 == 0)
			compare(&run);
	}
	return run;
}

static void test_against_model(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct run run = random_run(seed + i, i % 2, 20000, UINT32_MAX);

		assert_agreed(&run);
	}
}

static void test_planted_fault(void **state)
{
	struct run run = random_run(test_seed(), false, 20000, 5000);

	(void)state;
	assert_disagreed(&run);
	assert_true(run.step >= 5000);
}

static struct berth_tuple numbered(uint32_t n)
{
	return (struct berth_tuple){ .remote = { berth_address_v4(0x0a000001 + n), 443 },
				     .local_port = (uint16_t)(1025 + n) };
}

/* A table that nobody touched for a week still knows what time it is. */
static void test_long_idle(void **state)
{
	struct berth_tuple tuple = numbered(0), gone[BERTH_EXPIRE_BATCH];
	const uint64_t week = 7 * 24 * 3600 * SECOND;
	uint32_t slot;

	(void)state;
	start(false, 10);
	slot = berth_time_wait_enter(table, &tuple, 5 * SECOND);
	assert_true(berth_time_wait_entered(table, slot) == 5 * SECOND);
	assert_true(berth_time_wait_next_expiry(table) == 125 * SECOND);
	/* No room until the old one is gone: its age would be lost. */
	tuple = numbered(1);
	assert_int_equal(berth_time_wait_enter(table, &tuple, week), 0);
	assert_int_equal(berth_time_wait_expire(table, week, gone), 1);
	slot = berth_time_wait_enter(table, &tuple, week);
	assert_int_not_equal(slot, 0);
	assert_true(berth_time_wait_entered(table, slot) == week);
}

static void test_oldest_first_when_full(void **state)
{
	(void)state;
	start(false, 10);
	for (uint32_t i = 0; i < 25; i++) {
		struct berth_tuple tuple = numbered(i), oldest;

		if (berth_time_wait_enter(table, &tuple, i * SECOND) != 0)
			continue;
		assert_int_equal(berth_time_wait_count(table), 10);
		berth_time_wait_get(table, berth_time_wait_oldest(table), &oldest);
		tuple = numbered(i - 10);
		assert_true(same_tuple(&oldest, &tuple));
		berth_time_wait_leave(table, berth_time_wait_oldest(table));
		tuple = numbered(i);
		assert_int_not_equal(berth_time_wait_enter(table, &tuple, i * SECOND), 0);
	}
	assert_int_equal(berth_time_wait_count(table), 10);
}

/* IPv4 and v4-mapped are one address; nobody leaves early by rounding. */
static void test_details(void **state)
{
	struct berth_tuple tuple = { .remote = { berth_address_v4(0xc0000201), 443 }, .local_port = 50000 };
	struct berth_tuple mapped = {
		.remote = { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1 } }, 443 },
		.local_port = 50000
	};
	struct berth_tuple gone[BERTH_EXPIRE_BATCH];

	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		start(ipv6, 10);
		berth_time_wait_set_delay(table, 30 * SECOND);
		berth_time_wait_enter(table, &tuple, 1);
		assert_int_not_equal(berth_time_wait_find(table, &mapped), 0);
		assert_int_equal(berth_time_wait_expire(table, 30 * SECOND, gone), 0);
		assert_int_equal(berth_time_wait_expire(table, 30 * SECOND + TICK_NS, gone), 1);
	}
}

static void test_sizes(void **state)
{
	(void)state;
	/* The bound of design.md: 24 bytes an IPv4 connection, the index included. */
	assert_true(berth_time_wait_size(10000000, false) - 10000000ull * 24 < 300);
	assert_true(berth_time_wait_size(10000000, true) - 10000000ull * 36 < 300);
	assert_int_equal(berth_time_wait_size(0, false), 0);
	assert_int_equal(berth_time_wait_size(BERTH_TIME_WAIT_CAPACITY_MAX + 1, false), 0);
	assert_null(berth_time_wait_init(memory, berth_time_wait_size(100, false) - 1, 100, false, test_key));
	assert_null(berth_time_wait_init(memory, sizeof(memory), 0, false, test_key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model), cmocka_unit_test(test_planted_fault),
		cmocka_unit_test(test_long_idle),     cmocka_unit_test(test_oldest_first_when_full),
		cmocka_unit_test(test_details),	      cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests_name("time_wait", tests, NULL, NULL);
}
