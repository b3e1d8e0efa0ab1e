/* SPDX-License-Identifier: MIT
 *
 * The simulated host against a plain array of all its tuples: random operations, the same answers.
 */
#include "sim/host.h"
#include "tests/core/test.h"

#define ADDRESSES    2u
#define FIRST	     1000u
#define PORTS	     40u
#define DESTINATIONS 60u
#define DELAY	     100u
#define MAX_TCBS     400u
#define STEPS	     200000u

struct tuple {
	unsigned address, port;
	uint32_t destination;
};

struct model {
	enum sim_state state[ADDRESSES][PORTS][DESTINATIONS];
	uint64_t since[ADDRESSES][PORTS][DESTINATIONS];
	uint64_t order[ADDRESSES][PORTS][DESTINATIONS]; /* of entering TIME_WAIT */
	uint32_t number[ADDRESSES][PORTS][DESTINATIONS];
	uint64_t entered;
	uint32_t here;
};

#define AT(field, t) ((field)[(t)->address][(t)->port - FIRST][(t)->destination])

static void model_expire(struct model *model, uint64_t now)
{
	for (unsigned a = 0; a < ADDRESSES; a++)
		for (unsigned p = 0; p < PORTS; p++)
			for (unsigned d = 0; d < DESTINATIONS; d++) {
				enum sim_state *state = &model->state[a][p][d];

				if (*state < SIM_TIME_WAIT || model->since[a][p][d] + DELAY > now)
					continue;
				model->here -= *state == SIM_TIME_WAIT;
				*state = SIM_NO_CONNECTION;
			}
}

/* The oldest in TIME_WAIT here. */
static struct tuple model_oldest(const struct model *model)
{
	struct tuple oldest = { 0 };
	uint64_t order = UINT64_MAX;

	for (unsigned a = 0; a < ADDRESSES; a++)
		for (unsigned p = 0; p < PORTS; p++)
			for (unsigned d = 0; d < DESTINATIONS; d++)
				if (model->state[a][p][d] == SIM_TIME_WAIT && model->order[a][p][d] < order) {
					order = model->order[a][p][d];
					oldest = (struct tuple){ a, p + FIRST, d };
				}
	return oldest;
}

static void check_port(struct run *run, const struct model *model, const struct sim_host *host,
		       const struct tuple *t)
{
	const struct sim_port *port = sim_host_port(host, t->address, t->port);
	uint32_t live = 0, time_wait = 0;

	for (unsigned d = 0; d < DESTINATIONS; d++) {
		enum sim_state state = model->state[t->address][t->port - FIRST][d];

		live += state == SIM_LIVE;
		time_wait += state == SIM_TIME_WAIT;
		AGREE(run, sim_host_state(host, t->address, t->port, d) == state);
	}
	AGREE(run, port->live == live && port->time_wait == time_wait);
	AGREE(run, host->here.count == model->here);
}

static void step(struct run *run, struct model *model, struct sim_host *host, uint64_t now)
{
	struct tuple t = { roll_below(&run->dice, ADDRESSES), FIRST + roll_below(&run->dice, PORTS),
			   roll_below(&run->dice, DESTINATIONS) };
	enum sim_closer closer = (enum sim_closer)roll_below(&run->dice, 3);
	struct sim_connection gone;

	if (AT(model->state, &t) == SIM_NO_CONNECTION) {
		AT(model->number, &t) = sim_host_connect(host, t.address, t.port, t.destination);
		AGREE(run, AT(model->number, &t) != 0);
		AT(model->state, &t) = SIM_LIVE;
	} else if (AT(model->state, &t) == SIM_LIVE) {
		sim_host_close(host, AT(model->number, &t), closer, now);
		AT(model->since, &t) = now;
		AT(model->order, &t) = model->entered++;
		AT(model->state, &t) = closer == SIM_CLOSED_HERE ? SIM_TIME_WAIT
				       : closer == SIM_RESET	 ? SIM_NO_CONNECTION
								 : SIM_PEER_TIME_WAIT;
		model->here += closer == SIM_CLOSED_HERE;
	}
	AGREE(run, sim_host_evict(host, &gone) == (model->here > MAX_TCBS));
	if (model->here > MAX_TCBS) {
		struct tuple oldest = model_oldest(model);

		AGREE(run, gone.address == oldest.address && gone.port == oldest.port &&
				   gone.destination == oldest.destination &&
				   gone.since_ns == AT(model->since, &oldest));
		AT(model->state, &oldest) = SIM_NO_CONNECTION;
		model->here--;
	}
	check_port(run, model, host, &t);
}

static struct run run_model(bool fault)
{
	static struct model model;
	const struct sim_host_settings settings = { .first = FIRST,
						    .last = FIRST + PORTS - 1,
						    .addresses = ADDRESSES,
						    .time_wait_ns = DELAY,
						    .max_tcbs = MAX_TCBS };
	struct run run = { .seed = test_seed() };
	struct sim_host host;
	uint64_t now = 0;

	memset(&model, 0, sizeof(model));
	run.dice.state = run.seed;
	assert_int_equal(sim_host_start(&host, &settings), 0);
	for (; run.step < STEPS && run.wrong == NULL; run.step++) {
		/* Now and then time passes: mostly a little, so that TIME_WAIT fills up. */
		if (roll_below(&run.dice, 30) == 0) {
			now += roll_below(&run.dice, 50) == 0 ? 60 : 1;
			model_expire(&model, now);
			sim_host_expire(&host, fault ? now + 1 : now);
		}
		step(&run, &model, &host, now);
	}
	sim_host_end(&host);
	return run;
}

static void test_model(void **state)
{
	struct run run = run_model(false);

	(void)state;
	assert_agreed(&run);
}

static void test_model_can_fail(void **state)
{
	struct run run = run_model(true);

	(void)state;
	assert_disagreed(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_model_can_fail),
	};

	return cmocka_run_group_tests_name("simulated host", tests, NULL, NULL);
}
