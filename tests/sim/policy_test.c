/* SPDX-License-Identifier: MIT
 *
 * The policies, by what each is known for: how many connections it can keep, in which order it gives ports,
 * what an observer learns of the next one, and how often its ports meet TIME_WAIT at the peer.
 *
 * That Linux's are as Linux is, tests/system/test_sim.py asks the kernel.
 */
#include "tests/sim/sim_test.h"

#define FIRST 40000u
#define PORTS 100u

/* Connections to K destinations, far more than there is room for, all kept. */
static struct scene scene_of_keepers(uint32_t destinations)
{
	struct scene scene = scene_at(1000);

	scene.host.first = FIRST;
	scene.host.last = FIRST + PORTS - 1;
	scene.load.destinations = destinations;
	scene.load.hold = (struct sim_hold){ .mean_s = 1e6 };
	scene.warm_up_s = 0;
	scene.measured_s = 20;
	return scene;
}

/* How many connections can be kept to one destination, and to four, with 100 ports. */
static const struct {
	const char *name;
	unsigned to_one, to_four;
} rooms[] = {
	/* No port twice. */
	{ "legacy", 100, 100 },
	{ "legacy-random", 100, 100 },
	{ "legacy-first-fit", 100, 100 },
	{ "sp1", 100, 100 },
	{ "linux-bind", 100, 100 },
	{ "openbsd", 100, 100 },
	{ "lwip", 99, 99 }, /* never the last port */
	{ "haproxy", 100, 100 },
	/* Each port once for each destination. */
	{ "berth", 100, 400 },
	{ "berth-both-ends", 100, 400 },
	{ "rfc6056-1", 100, 400 },
	{ "rfc6056-2", 100, 400 },
	{ "rfc6056-3", 100, 400 },
	{ "rfc6056-4", 100, 400 },
	{ "rfc6056-5", 100, 400 },
	{ "linux-connect", 100, 400 },
	{ "freebsd", 100, 400 },
	{ "nat-ten-tries", 100, 400 },
	/* All ports once, and then every second one of the lower half again and again. */
	{ "linux-bind-reuse", 100, 100 + 25 * 3 },
};

static void test_room(void **state)
{
	size_t known = 0;

	(void)state;
	while (sim_policies[known] != NULL)
		known++;
	assert_int_equal(known, COUNT(rooms));
	for (size_t i = 0; i < COUNT(rooms); i++) {
		struct scene one = scene_of_keepers(1), four = scene_of_keepers(4);
		struct sim_result to_one = run(rooms[i].name, &one), to_four = run(rooms[i].name, &four);

		if (to_one.outcome[SIM_CONNECTED] != rooms[i].to_one ||
		    to_four.outcome[SIM_CONNECTED] != rooms[i].to_four)
			fail_msg("%s keeps %llu to one destination, %llu to four", rooms[i].name,
				 (unsigned long long)to_one.outcome[SIM_CONNECTED],
				 (unsigned long long)to_four.outcome[SIM_CONNECTED]);
	}
}

/* A second address doubles the room. */
static void test_addresses(void **state)
{
	struct scene scene = scene_of_keepers(4);

	(void)state;
	scene.host.addresses = 3;
	assert_int_equal(run("berth", &scene).outcome[SIM_CONNECTED], 3 * 400);
	assert_int_equal(run("openbsd", &scene).outcome[SIM_CONNECTED], 3 * 100);
}

/* A policy's state for one address, and the asking of it, without a run. */
struct bench {
	struct sim_host host;
	struct berth_random random;
	void *memory;
	const struct sim_policy *policy;
	struct sim_ask ask;
};

static void bench_start(struct bench *bench, const char *name, unsigned ports)
{
	const struct sim_host_settings settings = { .first = FIRST,
						    .last = FIRST + ports - 1,
						    .addresses = 1,
						    .time_wait_ns = 60 * SECOND,
						    .max_tcbs = SIM_NO_LIMIT };
	const struct sim_scale scale = { .first = settings.first,
					 .last = settings.last,
					 .destinations = 4,
					 .time_wait = 4 * ports,
					 .ended = 4 * ports,
					 .time_wait_ns = settings.time_wait_ns };

	*bench = (struct bench){ .policy = sim_policy_find(name) };
	assert_non_null(bench->policy);
	assert_int_equal(sim_host_start(&bench->host, &settings), 0);
	sim_seed(&bench->random, 7, SIM_FOR_POLICY);
	if (bench->policy->size != NULL)
		bench->memory = aligned_alloc(64, (bench->policy->size(&scale) + 63) / 64 * 64);
	if (bench->memory != NULL)
		memset(bench->memory, 0, bench->policy->size(&scale));
	if (bench->policy->start != NULL)
		bench->policy->start(bench->memory, &scale, &bench->random);
	bench->ask = (struct sim_ask){
		.host = &bench->host, .random = &bench->random, .first = settings.first, .last = settings.last
	};
}

static void bench_end(struct bench *bench)
{
	sim_host_end(&bench->host);
	free(bench->memory);
}

/* Picks, and lets the connection be made. */
static unsigned give(struct bench *bench, uint32_t destination)
{
	unsigned port;

	bench->ask.destination = destination;
	port = bench->policy->pick(bench->memory, &bench->ask);
	if (port == 0)
		return 0;
	assert_true(sim_host_connect(&bench->host, 0, port, destination) != 0);
	if (bench->policy->told != NULL)
		bench->policy->told(bench->memory, SIM_MADE, &bench->ask, port);
	return port;
}

/* Counters count, and wrap. */
static void test_counters(void **state)
{
	static const struct {
		const char *name;
		unsigned first, ports;
	} counters[] = { { "legacy", FIRST, PORTS },
			 { "lwip", FIRST, PORTS - 1 },
			 { "haproxy", FIRST, PORTS } };

	(void)state;
	for (size_t i = 0; i < COUNT(counters); i++) {
		struct bench bench;

		bench_start(&bench, counters[i].name, PORTS);
		for (unsigned k = 0; k < counters[i].ports; k++)
			assert_int_equal(give(&bench, 0), counters[i].first + k);
		assert_int_equal(give(&bench, 0), 0);
		bench_end(&bench);
	}
}

/* Algorithm 3 has one counter for all destinations, each with its own offset. */
static void test_rfc6056_3(void **state)
{
	struct bench bench;
	unsigned a, b;

	(void)state;
	bench_start(&bench, "rfc6056-3", PORTS);
	a = give(&bench, 0) - FIRST;
	b = give(&bench, 1) - FIRST;
	for (unsigned k = 1; k < PORTS; k += 2) {
		assert_int_equal(give(&bench, 0) - FIRST, (a + 2 * (k / 2 + 1)) % PORTS);
		assert_int_equal(give(&bench, 1) - FIRST, (b + 2 * (k / 2 + 1)) % PORTS);
		if (k > PORTS / 2 - 4)
			break;
	}
	bench_end(&bench);
}

/* Algorithm 5 steps by 1 to 500. */
static void test_rfc6056_5(void **state)
{
	const unsigned span = 20000;
	struct bench bench;
	unsigned before, sum = 0;

	(void)state;
	bench_start(&bench, "rfc6056-5", span);
	before = give(&bench, 0);
	for (unsigned k = 0; k < 4000; k++) {
		unsigned port, step;

		/* Towards a new destination no port is taken, and no step is doubled. */
		bench.ask.destination = k + 1;
		port = bench.policy->pick(bench.memory, &bench.ask);
		step = (port + span - before) % span;
		assert_true(step >= 1 && step <= 500);
		sum += step;
		before = port;
	}
	/* The mean of 4,000 uniform ones: 250.5, with a standard error of 2.3. */
	assert_near("mean step", sum / 4000.0, 250.5, 4 * 2.3);
	bench_end(&bench);
}

/* connect() takes the even offsets first, bind() the odd ones; and so half of the range each. */
static void test_linux_parity(void **state)
{
	static const struct {
		const char *name;
		unsigned parity;
	} halves[] = { { "linux-connect", 0 }, { "linux-bind", 1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(halves); i++) {
		struct bench bench;

		bench_start(&bench, halves[i].name, PORTS);
		for (unsigned k = 0; k < PORTS; k++)
			assert_int_equal(give(&bench, 0) % 2,
					 k < PORTS / 2 ? halves[i].parity : 1 - halves[i].parity);
		bench_end(&bench);
	}
}

/* The counter goes on by 2 to 16, in twos, to one and the same destination. */
static void test_linux_increments(void **state)
{
	struct bench bench;
	unsigned before, seen = 0;

	(void)state;
	bench_start(&bench, "linux-connect", 20000);
	before = give(&bench, 3);
	for (unsigned k = 0; k < 500; k++) {
		unsigned port = give(&bench, 3), step = (port + 20000 - before) % 20000;

		assert_true(step >= 2 && step <= 16 && step % 2 == 0);
		seen |= 1u << step / 2;
		before = port;
	}
	assert_int_equal(seen, 0x1fe);
	bench_end(&bench);
}

/* A port that somebody listens on is given by nobody, and is given again when he has gone. */
static void test_listener(void **state)
{
	(void)state;
	for (size_t i = 0; sim_policies[i] != NULL; i++) {
		const struct sim_policy *policy = sim_policies[i];
		struct bench bench;

		bench_start(&bench, policy->name, 2);
		sim_host_port(&bench.host, 0, FIRST)->holders++;
		if (policy->told != NULL)
			policy->told(bench.memory, SIM_HELD, &bench.ask, FIRST);
		/* lwIP's range of two has one port, and the ring of HAProxy tries ten times. */
		bench.ask.destination = 0;
		for (unsigned k = 0; k < 20; k++) {
			unsigned port = policy->pick(bench.memory, &bench.ask);

			assert_true(port == FIRST + 1 || port == 0);
			if (port != 0 && policy->told != NULL)
				policy->told(bench.memory, SIM_REFUSED, &bench.ask, port);
		}
		sim_host_port(&bench.host, 0, FIRST)->holders--;
		if (policy->told != NULL)
			policy->told(bench.memory, SIM_UNHELD, &bench.ask, FIRST);
		for (unsigned k = 0; k < 200 && give(&bench, k % 4) != FIRST; k++)
			assert_true(k < 199);
		bench_end(&bench);
	}
}

/* What an observer learns: nothing of a uniform choice, all of a counter; RFC 6056's algorithm 3 gives
 * itself away to those it connects to, algorithm 5 the little that 500 steps are. */
static void test_entropy(void **state)
{
	struct scene scene = scene_at(2);
	double most = log2(1000);

	(void)state;
	scene.host.last = scene.host.first + 999;
	scene.host.time_wait_ns = 30 * SECOND;
	scene.load.destinations = 40;
	scene.measured_s = 25000; /* 50,000 connections: 50 for each port */
	assert_near("berth", run("berth", &scene).entropy_bits, most, 0.01);
	assert_near("rfc6056-1", run("rfc6056-1", &scene).entropy_bits, most, 0.01);
	assert_near("rfc6056-5", run("rfc6056-5", &scene).entropy_bits, log2(500), 0.01);
	assert_near("legacy", run("legacy", &scene).entropy_bits, 0, 0.01);
	/* Once in a lap it steps over the last port. */
	assert_near("lwip", run("lwip", &scene).entropy_bits, -log2(0.999) + log2(999) / 999, 0.01);
	/* The step to the same destination is the number of connections in between, about 40: geometric. */
	assert_near("rfc6056-3, same", run("rfc6056-3", &scene).entropy_same_bits,
		    -log2(1 / 40.0) - 39 * log2(39 / 40.0), 0.02);
}

/* Chi-square: uniform choices within three standard deviations, a counter far more even, a favoured half
 * far less. */
static void test_uniformity(void **state)
{
	/* 20,000 connections in four days, one or two in TIME_WAIT: with more, ports would be more even
	 * than chance. */
	struct scene scene = scene_at(0.05);

	(void)state;
	scene.host.last = scene.host.first + 999;
	scene.host.time_wait_ns = 30 * SECOND;
	scene.measured_s = 400000;
	assert_true(fabs(run("legacy-random", &scene).chi_square_sigmas) < 3);
	assert_true(run("legacy", &scene).chi_square_sigmas < -10);
	assert_true(run("linux-connect", &scene).chi_square_sigmas > 10);
	assert_int_equal(run("berth", &scene).chi_square_degrees, 999);
}

/* Collisions with TIME_WAIT at the peer, as M. Allman compared them (CCR 39(2), 2009; results as RFC 6056
 * reports them): algorithms 1 and 2 most, 5 between, 3 fewer, 4 fewest, and all below 0.3 % as long as a
 * destination has no more than 0.3 % of the ports in TIME_WAIT.
 *
 * 1,000 destinations, 64,512 ports, 417 connections a second for TIME_WAIT of 240 s: 100 to each
 * destination. A random port meets one with 100/64512. The one counter of algorithm 3 comes back after
 * 64,512 connections, of which one in a thousand went to the same destination; those of algorithm 4 come
 * back after TIME_WAIT is over. */
static void test_collisions_at_peers(void **state)
{
	const double p = 100.0 / 64512, back = 1.0 / 1000;
	struct scene scene = scene_at(100000.0 / 240);
	uint64_t n;
	double share[6];

	(void)state;
	scene.host.first = 1024;
	scene.host.last = 65535;
	scene.load.destinations = 1000;
	scene.load.closed_here = 0;
	scene.warm_up_s = 240;
	scene.measured_s = 2 * 240;
	for (unsigned i = 1; i <= 5; i++) {
		char name[16];
		struct sim_result result;

		snprintf(name, sizeof(name), "rfc6056-%u", i);
		result = run(name, &scene);
		n = result.attempts;
		share[i] = (double)result.outcome[SIM_PEER_COLLISION] / (double)n;
		assert_true(share[i] <= 0.003);
		assert_int_equal(result.outcome[SIM_CONNECTED] + result.outcome[SIM_PEER_COLLISION], n);
	}
	assert_near("algorithm 1", share[1], p, sampling_error(p, n));
	assert_near("algorithm 2", share[2], p, sampling_error(p, n));
	assert_true(share[5] <= p + sampling_error(p, n));
	assert_near("algorithm 3", share[3], back, sampling_error(back, n));
	assert_true(share[3] < share[5] && share[5] > 0);
	assert_true(share[4] == 0);
}

/* The library is told of the peer's TIME_WAIT as of its own: while 4-tuples are left none of its ports meets it.
 * Not told, a port that the peer closed is fresh, and of 200 there are 100 of which the peer knows. */
static void test_both_ends(void **state)
{
	struct scene scene = scene_at(100.0 / 60);
	struct sim_result told, untold;

	(void)state;
	scene.host.last = scene.host.first + 199;
	scene.host.time_wait_ns = 60 * SECOND;
	scene.load.closed_here = 0.3;
	scene.measured_s = 3600;
	told = run("berth-both-ends", &scene);
	untold = run("berth", &scene);
	assert_int_equal(told.outcome[SIM_CONNECTED], told.attempts);
	assert_int_equal(told.rank[SIM_RANK_FRESH], told.attempts);
	assert_true(untold.outcome[SIM_PEER_COLLISION] > untold.attempts / 10);
	/* Twice as many as there is room for, to two destinations: ports are shared, and the rest is refused. */
	scene.load.rate *= 8;
	scene.load.destinations = 2;
	told = run("berth-both-ends", &scene);
	assert_near("over capacity", sim_failed_share(&told), 0.5, 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_rfc6056_3),
		cmocka_unit_test(test_rfc6056_5),
		cmocka_unit_test(test_linux_parity),
		cmocka_unit_test(test_linux_increments),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_entropy),
		cmocka_unit_test(test_uniformity),
		cmocka_unit_test(test_collisions_at_peers),
		cmocka_unit_test(test_both_ends),
	};

	return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
