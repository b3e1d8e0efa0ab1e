/* SPDX-License-Identifier: MIT
 *
 * bench/core: the pick of each policy of berth sim, by how full the range is.
 *
 * One destination, and the simulator's host. The ports in use are what the policy itself gave until none was left, less
 * ones taken at random: the state after connections of different length. A pick includes that the port is given back.
 * The re-creations are plain: what they look at is the host's table, one look some nanoseconds. How many looks they need
 * is what tells them apart, and does not depend on the machine.
 */
#include <stdbool.h>

#include "bench/core.h"
#include "core/port_set.h"
#include "sim/policy.h"

#define GIVE_UP 64u /* picks in a row without a port */

struct setting {
	const struct sim_policy *policy;
	struct sim_host host;
	struct berth_random random;
	struct sim_ask ask;
	void *state;
	size_t bytes;			  /* of it */
	uint32_t connection[BERTH_PORTS]; /* on each port */
	unsigned in_use;
};

static void tell(struct setting *setting, enum sim_news news, unsigned port)
{
	if (setting->policy->told != NULL)
		setting->policy->told(setting->state, news, &setting->ask, port);
}

static void connect_from(struct setting *setting, unsigned port)
{
	uint32_t number = sim_host_connect(&setting->host, 0, port, 0);

	if (number == 0)
		core_fail("no memory");
	setting->connection[port] = number;
	setting->in_use++;
	tell(setting, SIM_MADE, port);
}

static void start(struct setting *setting, const struct sim_policy *policy)
{
	const struct sim_host_settings host = {
		.first = FIRST, .last = LAST, .addresses = 1, .max_tcbs = SIM_NO_LIMIT
	};
	const struct sim_scale scale = {
		.first = FIRST, .last = LAST, .destinations = 1, .time_wait = PORTS, .ended = PORTS
	};
	const uint8_t key[BERTH_SEED_BYTES] = { 1 };

	setting->policy = policy;
	berth_random_seed(&setting->random, key);
	if (sim_host_start(&setting->host, &host) < 0)
		core_fail("no memory");
	setting->ask = (struct sim_ask){
		.host = &setting->host, .random = &setting->random, .first = FIRST, .last = LAST
	};
	setting->bytes = policy->size == NULL ? 0 : policy->size(&scale);
	if (setting->bytes != 0)
		setting->state = core_map(setting->bytes);
	if (policy->start != NULL)
		policy->start(setting->state, &scale, &setting->random);
}

/* All the ports that the policy finds, then the ones that it does not. */
static void fill(struct setting *setting)
{
	unsigned misses = 0;

	while (misses < GIVE_UP && setting->in_use < PORTS) {
		unsigned port = setting->policy->pick(setting->state, &setting->ask);

		if (port == 0)
			misses++;
		else
			connect_from(setting, port);
	}
	for (unsigned port = FIRST; port <= LAST; port++)
		if (setting->connection[port] == 0)
			connect_from(setting, port);
}

/* Ends connections at random until percent of the ports are in use. */
static void thin_out(struct setting *setting, double percent)
{
	while (setting->in_use > PORTS * percent / 100) {
		unsigned port = FIRST + berth_random_below(&setting->random, PORTS);

		if (setting->connection[port] == 0)
			continue;
		sim_host_close(&setting->host, setting->connection[port], SIM_RESET, 0);
		setting->connection[port] = 0;
		setting->in_use--;
		tell(setting, SIM_RELEASED, port);
	}
}

/* What a round has seen. */
struct seen {
	uint64_t spent_ns, picks, probes, misses;
};

/* Picks for that long; the clock is read seldom, as it costs more than a pick. */
static struct seen pick_for_a_while(struct setting *setting)
{
	struct seen seen = { 0 };
	uint64_t begun = core_cpu_ns();

	setting->ask.probes = 0;
	do {
		for (uint64_t batch = seen.picks == 0 ? 1 : seen.picks; batch != 0; batch--) {
			unsigned port = setting->policy->pick(setting->state, &setting->ask);

			seen.picks++;
			seen.probes += setting->ask.probes;
			setting->ask.probes = 0;
			if (port == 0)
				seen.misses++;
			else
				tell(setting, SIM_REFUSED, port);
		}
		seen.spent_ns = core_cpu_ns() - begun;
	} while (seen.spent_ns < core_load->least_ns);
	return seen;
}

/* NULL, or that it gave none though there were some. */
static const char *note_of(double percent, uint64_t misses, uint64_t picks)
{
	char *note = NULL;

	if (percent < 100 && misses != 0 &&
	    asprintf(&note, "%.3g %% of its picks gave no port", 100 * (double)misses / (double)picks) < 0)
		core_fail("no memory");
	return note;
}

static void time_picks(struct report *report, struct setting *setting, double percent)
{
	struct report_row row = BY_FILL("pick, by policy", setting->policy->name, percent),
			  looks = BY_FILL("looks at ports per pick", setting->policy->name, percent);
	double rounds[ROUNDS], probes[ROUNDS];
	uint64_t picks = 0, misses = 0;

	for (unsigned r = 0; r < core_load->rounds; r++) {
		struct seen seen = pick_for_a_while(setting);

		rounds[r] = (double)seen.spent_ns / (double)seen.picks;
		probes[r] = (double)seen.probes / (double)seen.picks;
		picks += seen.picks;
		misses += seen.misses;
	}
	row.note = note_of(percent, misses, picks);
	core_report(report, &row, rounds);
	looks.unit = "ports";
	core_report(report, &looks, probes);
}

/* Without the host's tables, which those with little of their own search. */
static void report_state(struct report *report, const struct setting *setting)
{
	double bytes = (double)setting->bytes;
	const struct report_row row = { .name = "memory, by policy, one local address and one destination",
					.side = setting->policy->name,
					.fill = NAN,
					.count = NAN,
					.median = bytes,
					.least = bytes,
					.greatest = bytes,
					.unit = "bytes" };

	report_add(report, &row);
}

void core_bench_policies(struct report *report)
{
	for (size_t i = 0; sim_policies[i] != NULL; i++) {
		static struct setting setting;

		memset(&setting, 0, sizeof(setting));
		start(&setting, sim_policies[i]);
		fill(&setting);
		for (unsigned k = FILLS; k-- > 0;) {
			thin_out(&setting, core_fills[k]);
			time_picks(report, &setting, core_fills[k]);
		}
		report_state(report, &setting);
		sim_host_end(&setting.host);
	}
}
