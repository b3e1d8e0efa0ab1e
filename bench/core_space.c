/* SPDX-License-Identifier: MIT
 *
 * bench/core: a port space by how full its range is, towards one destination, and by how many destinations it knows.
 */
#include <stdbool.h>

#include "bench/core.h"
#include "core/port_space.h"

#define LIVES 25u  /* at once: so many ports are left at 99.9 % */
#define TURNS 400u /* at most */

/* Four connections each, as many as most destinations have. */
#define CONNECTIONS 4u

static const uint8_t key[BERTH_SEED_BYTES] = { 1 };

/* A connection under way. */
struct life {
	struct berth_endpoint towards;
	unsigned port;
};

/* What the steps of a life cost. */
struct steps {
	double connect[ROUNDS], close[ROUNDS], leave[ROUNDS];
};

static struct berth_space *make_space(const struct berth_space_limits *limits)
{
	size_t bytes = berth_space_size(limits);
	struct berth_space *space = berth_space_init(core_map(bytes), bytes, limits, key);

	berth_space_set_range(space, FIRST, LAST, NULL);
	return space;
}

/* Takes ports towards one destination until percent of all are in use. */
static void fill(struct berth_space *space, const struct berth_endpoint *towards, double percent)
{
	struct berth_destination_counts counts;
	unsigned port;

	berth_space_count_destination(space, towards, &counts);
	while (counts.live++ < PORTS * percent / 100)
		if (berth_verdict_has_port(berth_space_pick(space, towards, 0, &port)))
			berth_space_connect(space, port, towards, 0);
}

static void time_picks(struct report *report, struct berth_space *space, const struct berth_endpoint *towards,
		       const char *what, enum berth_verdict wanted, double percent)
{
	const struct report_row row = BY_FILL(what, "libberth", percent);
	double rounds[ROUNDS];

	for (unsigned r = 0; r < core_load->rounds; r++) {
		uint64_t start = core_cpu_ns();

		for (unsigned i = 0; i < core_load->picks; i++) {
			unsigned port;

			if (berth_space_pick(space, towards, 0, &port) != wanted)
				core_fail("a pick had another rank than expected");
		}
		rounds[r] = (double)(core_cpu_ns() - start) / core_load->picks;
	}
	core_report(report, &row, rounds);
}

/* What reading the clock costs, which is not what is measured. */
static double clock_ns(void)
{
	uint64_t start = core_cpu_ns();

	for (unsigned i = 0; i < TURNS; i++)
		core_cpu_ns();
	return (double)(core_cpu_ns() - start) / (TURNS + 1);
}

static void choose_ports(struct berth_space *space, struct life *life, unsigned lives)
{
	for (unsigned i = 0; i < lives; i++)
		if (!berth_verdict_has_port(berth_space_pick(space, &life[i].towards, 0, &life[i].port)) ||
		    berth_space_connect(space, life[i].port, &life[i].towards, 0) != BERTH_CONNECTED)
			core_fail("a connection could not be made");
	for (unsigned i = 0; i < lives; i++)
		berth_space_release(space, life[i].port, &life[i].towards);
}

/* Connects, closes and takes all from TIME_WAIT, and adds what each step took to spent. */
static void live(struct berth_space *space, const struct life *life, unsigned lives, double spent[3])
{
	uint64_t at[4] = { core_cpu_ns() };
	bool fine = true;

	for (unsigned i = 0; i < lives; i++)
		fine &= berth_space_connect(space, life[i].port, &life[i].towards, 0) == BERTH_CONNECTED;
	at[1] = core_cpu_ns();
	for (unsigned i = 0; i < lives; i++)
		fine &= berth_space_close(space, life[i].port, &life[i].towards, 0);
	at[2] = core_cpu_ns();
	for (unsigned i = 0; i < lives; i++)
		fine &= berth_space_leave_time_wait(space, life[i].port, &life[i].towards);
	at[3] = core_cpu_ns();
	if (!fine)
		core_fail("a connection did not live as it should");
	for (unsigned i = 0; i < 3; i++)
		spent[i] += (double)(at[i + 1] - at[i]);
}

/* Turns of so many lives; the destinations are in life. */
static void time_lives(struct berth_space *space, struct life *life, unsigned lives, unsigned turns,
		       struct steps *ret_steps)
{
	double per_turn = clock_ns();

	for (unsigned r = 0; r < core_load->rounds; r++) {
		double spent[3] = { 0 };

		for (unsigned i = 0; i < turns; i++) {
			choose_ports(space, life, lives);
			live(space, life, lives, spent);
		}
		ret_steps->connect[r] = (spent[0] / turns - per_turn) / lives;
		ret_steps->close[r] = (spent[1] / turns - per_turn) / lives;
		ret_steps->leave[r] = (spent[2] / turns - per_turn) / lives;
	}
}

static void time_lives_at(struct report *report, struct berth_space *space,
			  const struct berth_endpoint *towards, double percent)
{
	const struct report_row connect = BY_FILL("connect", "libberth", percent),
				close = BY_FILL("close: enters TIME_WAIT", "libberth", percent),
				leave = BY_FILL("leaves TIME_WAIT", "libberth", percent);
	struct life life[LIVES];
	struct steps steps;

	for (unsigned i = 0; i < LIVES; i++)
		life[i].towards = *towards;
	time_lives(space, life, LIVES, core_load->picks / LIVES < TURNS ? core_load->picks / LIVES : TURNS,
		   &steps);
	core_report(report, &connect, steps.connect);
	core_report(report, &close, steps.close);
	core_report(report, &leave, steps.leave);
}

void core_bench_space(struct report *report)
{
	const struct berth_space_limits limits = { .destinations = 1000, .bitmaps = 4, .time_wait = 100000 };
	struct berth_endpoint a = core_destination(1), b = core_destination(2);
	struct berth_space *space = make_space(&limits);

	for (unsigned i = 0; i < FILLS - 1; i++) {
		fill(space, &a, core_fills[i]);
		time_picks(report, space, &a, "pick, fresh", BERTH_FRESH, core_fills[i]);
		time_lives_at(report, space, &a, core_fills[i]);
	}
	fill(space, &a, 100);
	for (unsigned i = 0; i < FILLS - 1; i++) {
		fill(space, &b, core_fills[i]);
		time_picks(report, space, &b, "pick, shared", BERTH_SHARED, core_fills[i]);
	}
	time_picks(report, space, &a, "pick, exhausted", BERTH_EXHAUSTED, 100);
	for (unsigned port = FIRST; port <= LAST; port++)
		berth_space_close(space, port, &a, 0);
	time_picks(report, space, &a, "pick, waiting", BERTH_WAITING, 100);
}

/* A walk over all of them in which neighbours are far apart: the count has no factor in common with the step. */
static struct berth_endpoint scattered(uint32_t n, uint32_t destinations)
{
	return core_destination((uint32_t)((uint64_t)n * 2654435761u % destinations));
}

static void time_known(struct report *report, uint32_t destinations)
{
	const struct berth_space_limits limits = { .destinations = destinations,
						   .bitmaps = 1,
						   .time_wait = core_load->picks };
	const struct report_row pick = BY_COUNT("pick, by destinations", "libberth", destinations,
						"destinations"),
				connect = BY_COUNT("connect, by destinations", "libberth", destinations,
						   "destinations"),
				close = BY_COUNT("close, by destinations", "libberth", destinations,
						 "destinations"),
				leave = BY_COUNT("leaves TIME_WAIT, by destinations", "libberth",
						 destinations, "destinations");
	unsigned lives = destinations < core_load->picks ? destinations : core_load->picks;
	struct life *life = core_map(lives * sizeof(*life));
	struct berth_space *space = make_space(&limits);
	double picks[ROUNDS];
	struct steps steps;
	unsigned port;

	for (unsigned i = 0; i < destinations * CONNECTIONS; i++) {
		struct berth_endpoint towards = scattered(i, destinations);

		if (!berth_verdict_has_port(berth_space_pick(space, &towards, 0, &port)) ||
		    berth_space_connect(space, port, &towards, 0) != BERTH_CONNECTED)
			core_fail("a connection could not be made");
	}
	for (unsigned i = 0; i < lives; i++)
		life[i].towards = scattered(i, destinations);
	for (unsigned r = 0; r < core_load->rounds; r++) {
		uint64_t start = core_cpu_ns();

		for (unsigned i = 0; i < core_load->picks; i++) {
			if (!berth_verdict_has_port(
				    berth_space_pick(space, &life[i % lives].towards, 0, &port)))
				core_fail("a pick gave no port");
		}
		picks[r] = (double)(core_cpu_ns() - start) / core_load->picks;
	}
	time_lives(space, life, lives, core_load->picks / lives, &steps);
	core_report(report, &pick, picks);
	core_report(report, &connect, steps.connect);
	core_report(report, &close, steps.close);
	core_report(report, &leave, steps.leave);
}

void core_bench_destinations(struct report *report)
{
	static const uint32_t counts[] = { 100, 1000, 10000, 100000, 1000000 };

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]) && counts[i] <= core_load->destinations;
	     i++)
		time_known(report, counts[i]);
}
