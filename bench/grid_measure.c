/* SPDX-License-Identifier: MIT
 *
 * One cell of bench/grid on one side, once: gives orders to two agents by turns.
 */
#include "bench/grid.h"

/* How long, in calls and in time, whichever ends first: where a call takes milliseconds there are fewer. */
static const struct load {
	unsigned warm, calls;
	double least_calls, us, failing_us;
} loads[] = {
	[EFFORT_FULL] = { 1000, 400, 20, 300000, 400000 },
	[EFFORT_QUICK] = { 200, 100, 10, 30000, 30000 },
	[EFFORT_SMOKE] = { 0, 4, 2, 1000, 1000 },
};

#define CALLS_MAX   200000u
#define BURST	    100u
#define LEAST_BURST 4u
#define PAST	    101.0 /* percent */

struct agent_ends {
	int orders, answers;
};

struct series {
	unsigned count;
	double us[CALLS_MAX];
};

/* What is measured at one point, on a range that is filled and on one that is empty. */
static struct series series[AGENTS];

struct pair {
	const struct cell *cell;
	const struct load *load;
	struct agent_ends agents[AGENTS];
};

enum {
	FILLED,
	EMPTY
};

unsigned grid_fills(const struct cell *cell, const double **ret_fills)
{
	static const double sweep[] = { 0, 50, 60, 75, 90, 99, 99.9, 100 }, ends[] = { 0, 99 };

	*ret_fills = cell->sweep ? sweep : ends;
	return cell->sweep ? sizeof(sweep) / sizeof(sweep[0]) : sizeof(ends) / sizeof(ends[0]);
}

/* ---- the agents ---- */

static void read_all(int fd, void *ret_bytes, size_t size)
{
	char *bytes = ret_bytes;
	ssize_t got;

	for (; size > 0; size -= (size_t)got, bytes += got) {
		got = read(fd, bytes, size);
		if (got > 0)
			continue;
		fprintf(stderr, "bench/grid: who makes the connections has ended\n");
		exit(1);
	}
}

static void start_agents(struct pair *pair, enum side side, enum effort effort)
{
	const char *self = find_self(), *berth = find_berth();
	char number[3][16];
	int ends[AGENTS][2][2];

	snprintf(number[0], sizeof(number[0]), "%d", effort);
	snprintf(number[1], sizeof(number[1]), "%d", (int)(pair->cell - grid_cells));
	snprintf(number[2], sizeof(number[2]), "%d", side);
	for (unsigned i = 0; i < AGENTS; i++)
		for (unsigned way = 0; way < 2; way++)
			check(pipe2(ends[i][way], O_CLOEXEC), "pipe");
	if (fork_child(SIGKILL) == 0) {
		for (int i = 0; i < (int)AGENTS; i++) {
			dup2(ends[i][0][0], GRID_FILES + 2 * i);
			dup2(ends[i][1][1], GRID_FILES + 2 * i + 1);
		}
		if (side == SIDE_KERNEL)
			execl(berth, berth, "run", "--mode=kernel", "--", self, "--agents", number[0],
			      number[1], number[2], NULL);
		else
			execl(self, self, "--agents", number[0], number[1], number[2], NULL);
		fail(berth);
	}
	for (unsigned i = 0; i < AGENTS; i++) {
		close(ends[i][0][0]);
		close(ends[i][1][1]);
		pair->agents[i] = (struct agent_ends){ ends[i][0][1], ends[i][1][0] };
	}
}

/* Until there is no child left: who holds connections, or the hooks, is ours, too, when its parents have ended. */
static void end_agents(const struct pair *pair)
{
	for (unsigned i = 0; i < AGENTS; i++) {
		close(pair->agents[i].orders);
		close(pair->agents[i].answers);
	}
	while (wait(NULL) > 0)
		;
}

static struct answer give_order(const struct pair *pair, unsigned agent, const struct order *order)
{
	struct answer answer;

	if (write(pair->agents[agent].orders, order, sizeof(*order)) != sizeof(*order))
		fail("an order");
	read_all(pair->agents[agent].answers, &answer, sizeof(answer));
	return answer;
}

/* ---- measuring ---- */

static unsigned at_least(unsigned count, unsigned least)
{
	return count > least ? count : least;
}

static unsigned at_most(unsigned count, unsigned most)
{
	return count < most ? count : most;
}

/* Makes connections, up to `count` on each CPU. */
static struct answer burst(const struct pair *pair, unsigned agent, unsigned count)
{
	struct order order = { WANTED_BURST, 0, count, pair->cell->cpus };
	struct series *into = &series[agent];
	struct answer answer;

	answer = give_order(pair, agent, &order);
	if (into->count + answer.calls > CALLS_MAX)
		into->count = CALLS_MAX - answer.calls; /* the last ones make room */
	read_all(pair->agents[agent].answers, &into->us[into->count], answer.calls * sizeof(double));
	into->count += answer.calls;
	return answer;
}

static void warm_up(const struct pair *pair)
{
	for (unsigned done = 0; done < pair->load->warm; done += BURST)
		for (unsigned agent = 0; agent < AGENTS; agent++)
			burst(pair, agent, BURST);
}

static double mean(const struct series *of)
{
	double sum = 0;

	for (unsigned i = 0; i < of->count; i++)
		sum += of->us[i];
	return sum / of->count;
}

/* What both series and the sum of the answers of the first agent say. Sorts the series. */
static struct point sum_up(const struct answer *all)
{
	return (struct point){
		.mean_us = mean(&series[FILLED]),
		.us = median(series[FILLED].us, series[FILLED].count),
		.empty_us = median(series[EMPTY].us, series[EMPTY].count),
		.cpu_us = all->cpu_us / all->calls,
		.failed_percent = 100.0 * all->failed / all->calls,
	};
}

static void add_burst(const struct pair *pair, unsigned count, struct answer *all)
{
	struct answer one = burst(pair, FILLED, count);

	all->calls += one.calls;
	all->failed += one.failed;
	all->cpu_us += one.cpu_us;
}

/* By turns, in bursts of some milliseconds, as the machine is now fast, now slow. */
static struct point measure_filled(const struct pair *pair, unsigned count, unsigned count_empty)
{
	const struct load *load = pair->load;
	struct answer all = { 0 };
	double start = now_us();

	series[FILLED].count = series[EMPTY].count = 0;
	do {
		add_burst(pair, count, &all);
		burst(pair, EMPTY, count_empty);
	} while (all.calls < load->least_calls || (all.calls < load->calls && now_us() - start < load->us));
	return sum_up(&all);
}

/* Without a pause, as who fails tries again: now and then a call looks whether there is still no port. */
static struct point measure_failing(const struct pair *pair, unsigned count)
{
	const struct load *load = pair->load;
	struct answer all = { 0 };
	double start = now_us();

	series[FILLED].count = series[EMPTY].count = 0;
	do
		add_burst(pair, count, &all);
	while (now_us() - start < load->failing_us);
	while (series[EMPTY].count < load->calls)
		burst(pair, EMPTY, at_most(BURST, load->calls));
	return sum_up(&all);
}

/* On each CPU: by all of them at most half of the ports that are left. The last port has to do for one. */
static unsigned burst_size(const struct cell *cell, double fill)
{
	double left = cell->ports * (100 - fill) / 100 / 2 * cell->destinations / cell->cpus;

	return left > BURST ? BURST : left < 1 ? 1 : (unsigned)left;
}

void grid_measure(const struct cell *cell, enum side side, enum effort effort,
		  struct point ret_points[GRID_FILLS_MAX])
{
	struct pair pair = { .cell = cell, .load = &loads[effort] };
	const double *fills;
	unsigned count = grid_fills(cell, &fills);
	unsigned most = pair.load->calls, size;
	struct answer last;
	double slow;

	start_agents(&pair, side, effort);
	warm_up(&pair);
	for (unsigned i = 0; i < count; i++) {
		give_order(&pair, FILLED, &(struct order){ WANTED_FILL, fills[i], 0, 0 });
		size = at_most(burst_size(cell, fills[i]), pair.load->calls);
		ret_points[i] = measure_filled(&pair, at_most(size, most), size);
		/* Where a call takes milliseconds, a burst as large as that at the next point would take seconds. */
		slow = pair.load->us / ret_points[i].us;
		most = slow < pair.load->calls ? at_least((unsigned)slow, LEAST_BURST) : pair.load->calls;
	}
	last = give_order(&pair, FILLED, &(struct order){ WANTED_FILL, PAST, 0, 0 });
	ret_points[count] = measure_failing(&pair, at_most(BURST, most));
	ret_points[count].before_percent = 100.0 * last.before / cell->ports / cell->destinations;
	end_agents(&pair);
}
