/* SPDX-License-Identifier: MIT
 *
 * Destinations against plain arrays that remember when each was used.
 */
#include "core/destinations.h"
#include "tests/core/test.h"

#define CAPACITY 12u
#define BITMAPS	 3u
#define NAMES	 30u /* destinations that exist */
#define PORTS	 40u /* ports that exist, from FIRST on */
#define FIRST	 40000u

struct model {
	enum berth_connection_state state[PORTS];
	bool bitmap;
	uint64_t used; /* 0: not known */
};

static _Alignas(64) uint8_t memory[96 * 1024];
static struct berth_destinations *table;
static struct model model[NAMES];
static uint64_t clock_ticks, forgotten;

static void start(void)
{
	memset(memory, 0, sizeof(memory));
	memset(model, 0, sizeof(model));
	clock_ticks = forgotten = 0;
	table = berth_destinations_init(memory, sizeof(memory), CAPACITY, BITMAPS, test_key);
	assert_non_null(table);
}

static struct berth_endpoint name(unsigned n)
{
	struct berth_endpoint endpoint = { berth_address_v4(0x0a000000 + n / 3), (uint16_t)(443 + n % 3) };

	if (n % 5 == 0)
		endpoint.address.bytes[0] = 0x20;
	return endpoint;
}

static uint32_t ports_of(const struct model *m)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < PORTS; i++)
		count += m->state[i] != BERTH_NO_CONNECTION;
	return count;
}

static unsigned known(bool bitmap)
{
	unsigned count = 0;

	for (unsigned n = 0; n < NAMES; n++)
		count += model[n].used != 0 && (!bitmap || model[n].bitmap);
	return count;
}

static void model_forget_oldest(bool bitmap)
{
	unsigned oldest = NAMES;

	for (unsigned n = 0; n < NAMES; n++)
		if (model[n].used != 0 && (!bitmap || model[n].bitmap) &&
		    (oldest == NAMES || model[n].used < model[oldest].used))
			oldest = n;
	model[oldest] = (struct model){ .used = 0 };
	forgotten++;
}

static void model_put(unsigned n, unsigned port, enum berth_connection_state state)
{
	struct model *m = &model[n];

	if (state == BERTH_NO_CONNECTION) {
		m->state[port] = state;
		if (ports_of(m) <= 8)
			m->bitmap = false;
		if (ports_of(m) == 0)
			m->used = 0;
		return;
	}
	if (m->used == 0 && known(false) == CAPACITY)
		model_forget_oldest(false);
	m->used = ++clock_ticks;
	m->state[port] = state;
	if (!m->bitmap && ports_of(m) > BERTH_FEW_PORTS) {
		if (known(true) == BITMAPS)
			model_forget_oldest(true);
		m->bitmap = true;
	}
}

static bool listed(const struct berth_destination_ports *ports, unsigned port, bool *ret_waiting)
{
	if (ports->all != NULL) {
		*ret_waiting = berth_port_set_contains(ports->waiting, port);
		return berth_port_set_contains(ports->all, port);
	}
	for (unsigned i = 0; i < ports->count; i++) {
		*ret_waiting = ports->few_time_wait >> i & 1;
		if (ports->few[i] == port)
			return true;
	}
	return false;
}

static void find(struct run *run, unsigned n)
{
	struct berth_endpoint endpoint = name(n);
	struct berth_destination_ports ports;
	uint32_t waiting = 0;

	AGREE(run, berth_destinations_find(table, &endpoint, &ports) == (model[n].used != 0));
	if (model[n].used == 0)
		return;
	model[n].used = ++clock_ticks;
	AGREE(run, ports.count == ports_of(&model[n]));
	AGREE(run, (ports.all != NULL) == model[n].bitmap);
	AGREE(run, (ports.few == NULL) == model[n].bitmap);
	for (unsigned i = 0; i < PORTS; i++) {
		bool in_time_wait = false;

		AGREE(run,
		      listed(&ports, FIRST + i, &in_time_wait) == (model[n].state[i] != BERTH_NO_CONNECTION));
		if (model[n].state[i] != BERTH_NO_CONNECTION)
			AGREE(run, in_time_wait == (model[n].state[i] == BERTH_TIME_WAIT));
		waiting += model[n].state[i] == BERTH_TIME_WAIT;
	}
	AGREE(run, ports.time_wait == waiting);
}

static void compare(struct run *run)
{
	AGREE(run, berth_destinations_count(table) == known(false));
	AGREE(run, berth_destinations_bitmaps(table) == known(true));
	AGREE(run, berth_destinations_forgotten(table) == forgotten);
	for (unsigned n = 0; n < NAMES; n++) {
		struct berth_endpoint endpoint = name(n);

		for (unsigned i = 0; i < PORTS; i++)
			AGREE(run,
			      berth_destinations_state(table, &endpoint, FIRST + i) == model[n].state[i]);
	}
}

static struct run random_run(uint64_t seed, unsigned steps, unsigned fault_step)
{
	struct run run = { .dice = { seed }, .seed = seed };

	start();
	for (run.step = 0; run.step < steps && run.wrong == NULL; run.step++) {
		/* Some destinations are much busier; at times more is taken out than put in. */
		unsigned n =
			roll_below(&run.dice, 2) ? roll_below(&run.dice, 5) : roll_below(&run.dice, NAMES);
		unsigned port = roll_below(&run.dice, PORTS), act = roll_below(&run.dice, 10);
		struct berth_endpoint endpoint = name(n);
		enum berth_connection_state state = BERTH_NO_CONNECTION;

		if (act < (run.step / 500 % 2 ? 7u : 1u))
			state = act % 2 ? BERTH_LIVE : BERTH_TIME_WAIT;
		if (act == 9) {
			find(&run, n);
		} else {
			berth_destinations_put(table, &endpoint, FIRST + port, state);
			if (run.step < fault_step || model[n].state[port] == state)
				model_put(n, port, state);
			else /* The planted fault: the model does not hear of it. */
				compare(&run);
		}
		if (roll_below(&run.dice, 4000) == 0) {
			berth_destinations_clear(table);
			memset(model, 0, sizeof(model));
		}
		if (run.step % 8 == 0)
			compare(&run);
	}
	return run;
}

static void test_against_model(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct run run = random_run(seed + i, 10000, UINT32_MAX);

		assert_agreed(&run);
		assert_true(forgotten > 0);
	}
}

static void test_planted_fault(void **state)
{
	struct run run = random_run(test_seed(), 10000, 3000);

	(void)state;
	assert_disagreed(&run);
	assert_true(run.step >= 3000);
}

static void test_sizes(void **state)
{
	size_t one = berth_destinations_size(1000, 1), two = berth_destinations_size(2000, 1);

	(void)state;
	/* The bound of design.md: a destination with 4 connections, 96 bytes. */
	assert_true((two - one) / 1000 <= 96);
	assert_int_equal(berth_destinations_size(0, 1), 0);
	assert_int_equal(berth_destinations_size(1, 0), 0);
	assert_null(berth_destinations_init(memory, berth_destinations_size(2, 1) - 1, 2, 1, test_key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_planted_fault),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests_name("destinations", tests, NULL, NULL);
}
