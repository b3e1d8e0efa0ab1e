/* SPDX-License-Identifier: MIT
 *
 * An agent of bench/grid: makes connections in a network namespace of its own, as its side does.
 */
#include <dirent.h>
#include <pthread.h>

#include "bench/connections.h"
#include "bench/grid.h"

#define WIDE_FIRST 1024u
#define WIDE_PORTS 64512u /* up to 65535 */

struct agent {
	struct destination destinations[DESTINATIONS_MAX];
	unsigned count;	 /* of them */
	bool failed;	 /* a call has, while ports were taken to be kept */
	unsigned before; /* connections that there were then */
	pid_t root;	 /* who started us, or the one under whom we were started */
};

static double samples[ORDER_MAX];

/* ---- processor time ---- */

/* Of all threads of a process that live. */
static double threads_us(pid_t process)
{
	char path[64];
	struct dirent *entry;
	double sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		char file[400];
		double ns;
		FILE *stat;

		snprintf(file, sizeof(file), "%s/%s/schedstat", path, entry->d_name);
		stat = entry->d_name[0] == '.' ? NULL : fopen(file, "re");
		if (stat != NULL && fscanf(stat, "%lf", &ns) == 1)
			sum += ns / 1e3;
		if (stat != NULL)
			fclose(stat);
	}
	if (tasks != NULL)
		closedir(tasks);
	return sum;
}

static pid_t parent_of(pid_t process)
{
	char path[64], state;
	int parent = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", process);
	stat = fopen(path, "re");
	if (stat != NULL && fscanf(stat, "%*d (%*[^)]) %c %d", &state, &parent) != 2)
		parent = 0;
	if (stat != NULL)
		fclose(stat);
	return parent;
}

/* That of who supervises us: all that are between us and the root. */
static double supervisor_us(const struct agent *agent)
{
	double sum = 0;

	for (pid_t above = getppid(); above > 1 && above != agent->root; above = parent_of(above))
		sum += threads_us(above);
	return sum;
}

static double own_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

/* ---- orders ---- */

struct part {
	const struct agent *agent;
	pthread_barrier_t *begin;
	unsigned number, of, count, had;
};

/* What one thread does of a burst, on a CPU of its own. */
static void *run_part(void *argument)
{
	struct part *part = argument;
	const struct agent *agent = part->agent;

	if (part->of > 1) {
		cpu_set_t cpus;

		sched_getaffinity(0, sizeof(cpus), &cpus);
		for (unsigned skipped = 0, cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &cpus) && skipped++ != part->number)
				CPU_CLR(cpu, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
		pthread_barrier_wait(part->begin);
	}
	part->had =
		burst(agent->destinations, agent->count, part->count, samples + part->number * part->count);
	return NULL;
}

static void run_burst(const struct agent *agent, const struct order *order, struct answer *ret_answer)
{
	double supervisor = supervisor_us(agent), own = own_us();
	struct part parts[CPUS_MAX];
	pthread_t threads[CPUS_MAX];
	pthread_barrier_t begin;

	pthread_barrier_init(&begin, NULL, order->cpus);
	for (unsigned i = 0; i < order->cpus; i++) {
		parts[i] = (struct part){ agent, &begin, i, order->cpus, order->count, 0 };
		if (order->cpus == 1)
			run_part(&parts[i]);
		else if (pthread_create(&threads[i], NULL, run_part, &parts[i]) != 0)
			fail("a thread");
	}
	for (unsigned i = 0; i < order->cpus; i++) {
		if (order->cpus > 1)
			pthread_join(threads[i], NULL);
		ret_answer->calls += parts[i].count;
		ret_answer->failed += parts[i].count - parts[i].had;
	}
	pthread_barrier_destroy(&begin);
	ret_answer->cpu_us = own_us() - own;
	ret_answer->cpu_us += supervisor_us(agent) - supervisor;
}

static void run_fill(struct agent *agent, double percent, struct answer *ret_answer)
{
	unsigned before;
	bool good = fill(agent->destinations, agent->count, percent, &before);

	if (!agent->failed)
		agent->before = before;
	agent->failed = agent->failed || !good;
	ret_answer->before = agent->before;
}

static void write_all(const void *bytes, size_t size)
{
	if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size)
		exit(1); /* nobody measures any more */
}

static void serve(struct agent *agent)
{
	struct order order;

	while (read(STDIN_FILENO, &order, sizeof(order)) == sizeof(order)) {
		struct answer answer = { 0 };

		if (order.wanted == WANTED_BURST)
			run_burst(agent, &order, &answer);
		else
			run_fill(agent, order.percent, &answer);
		write_all(&answer, sizeof(answer));
		write_all(samples, answer.calls * sizeof(samples[0]));
	}
}

/* ---- start ---- */

static bool is_tuned(enum side side)
{
	return side == SIDE_SYSCTLS || side == SIDE_OPTIONS;
}

static void set_caller(const struct cell *cell, enum side side)
{
	caller.ports = is_tuned(side) ? cell->ports * WIDE_PORTS / DEFAULT_PORTS : cell->ports;
	caller.first = is_tuned(side) ? WIDE_FIRST : DEFAULT_FIRST;
	caller.binds = cell->binds;
	caller.shares = side == SIDE_SYSCTLS && cell->binds;
	caller.binds_no_port = side == SIDE_OPTIONS;
	caller.slices = side == SIDE_OPTIONS;
	caller.one_by_one = side == SIDE_SYSCTLS && cell->sweep;
}

static void set_sysctls(enum side side)
{
	char range[32];

	snprintf(range, sizeof(range), "%u %u", caller.first, caller.first + caller.ports - 1);
	set_port_range(range);
	if (!is_tuned(side))
		return;
	write_file("/proc/sys/net/ipv4/ip_autobind_reuse", "1");
	write_file("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
}

int grid_agent(const struct cell *cell, enum side side, pid_t root)
{
	static struct agent agent;

	set_caller(cell, side);
	allow_files(4 * HELD_MAX);
	agent.root = root;
	agent.count = cell->destinations;
	open_destinations(agent.destinations, agent.count, cell->family);
	serve(&agent);
	return 0;
}

/* In front of the supervisor, where there is one, so that it is on the same CPUs and looks at the same namespace. */
static _Noreturn void start_agent(const struct cell *cell, enum side side, enum effort effort, int orders,
				  int answers)
{
	const char *self = find_self(), *berth = find_berth();
	char number[4][16];
	pid_t root = getppid();

	dup2(orders, STDIN_FILENO);
	dup2(answers, STDOUT_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	enter_namespace();
	set_caller(cell, side);
	set_sysctls(side);
	pin_to_last_cpus(cell->cpus);
	if (side != SIDE_SUPERVISE)
		exit(grid_agent(cell, side, root));
	snprintf(number[0], sizeof(number[0]), "%d", effort);
	snprintf(number[1], sizeof(number[1]), "%d", (int)(cell - grid_cells));
	snprintf(number[2], sizeof(number[2]), "%d", side);
	snprintf(number[3], sizeof(number[3]), "%d", root);
	execl(berth, berth, "run", "--mode=supervise", "--", self, "--agent", number[0], number[1], number[2],
	      number[3], NULL);
	fail(berth);
}

int grid_agents(const struct cell *cell, enum side side, enum effort effort)
{
	for (int i = 0; i < (int)AGENTS; i++)
		if (fork_child(SIGKILL) == 0)
			start_agent(cell, side, effort, GRID_FILES + 2 * i, GRID_FILES + 2 * i + 1);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	while (wait(NULL) > 0)
		;
	return 0;
}
