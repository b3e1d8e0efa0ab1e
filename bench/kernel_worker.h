/* SPDX-License-Identifier: MIT
 *
 * What bench/kernel measures, in a process of its own with a network namespace of its own, on stock Linux or in kernel mode.
 *
 * The process is both ends of its connections and stays on one CPU.
 *
 * A machine that others use, too, is now fast, now slow. So what is to be compared is measured by turns, in bursts of some
 * milliseconds: a full range and an empty one are in two network namespaces, between which the process goes to and fro; and
 * the hooks are attached and detached to see what they add. Each part prints its numbers, one a line.
 */
#ifndef BERTH_BENCH_KERNEL_WORKER_H
#define BERTH_BENCH_KERNEL_WORKER_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/connections.h"
#include "daemon/hooks.h"
#include "daemon/settings.h"
#include "host/cgroup.h"

#define DESTINATIONS 8u
#define TURNS_MAX    20u
#define TIMED_MAX    400u
#define CHURN	     2000u /* connections in a turn */
#define SMALL_TO     4u
#define MAPS_MAX     64u
#define HOOKS_MAX    16u

static const struct worker_load {
	unsigned turns, timed; /* calls in each */
	unsigned ports;	       /* of a range that is filled */
	unsigned small_ports, small_tries;
} worker_loads[] = {
	[EFFORT_FULL] = { TURNS_MAX, TIMED_MAX, DEFAULT_PORTS, 1000, 3000 },
	[EFFORT_QUICK] = { 6, TIMED_MAX, 2000, 1000, 3000 },
	[EFFORT_SMOKE] = { 1, 4, 200, 10, 30 },
};

static const struct worker_load *load;
static struct destination filled[DESTINATIONS], empty[DESTINATIONS];

/* In a network namespace of their own. */
static inline void open_namespace(struct destination *destinations, unsigned count, unsigned ports)
{
	char range[32];

	enter_namespace();
	caller.ports = ports;
	snprintf(range, sizeof(range), "%u %u", caller.first, caller.first + ports - 1);
	set_port_range(range);
	open_destinations(destinations, count, AF_INET);
}

/* Connections to one destination, none of which may fail. */
static inline void sure_burst(const struct destination *to, unsigned count, double *ret_us)
{
	go_to(to);
	if (burst(to, 1, count, ret_us) == count)
		return;
	fprintf(stderr, "bench/kernel: a connection failed where ports are left\n");
	exit(1);
}

/* ---- many destinations ---- */

/* Connections made, accepted and taken down, each second. At most half of the free ports are used. */
static inline double churn(const struct destination *destinations)
{
	unsigned left = (caller.ports - ports_of(99)) / 2, size = left < BURST_MAX ? left : BURST_MAX,
		 done = 0;
	double start = now_us(), took[BURST_MAX];

	for (unsigned i = 0; done < CHURN; done += size, i++)
		sure_burst(&destinations[i % DESTINATIONS], size, took);
	return done / (now_us() - start) * 1e6;
}

/* Numbers: the churn with 99 % of all tuples in use, and on an empty range. */
static inline void measure_tuples(void)
{
	double rates[TURNS_MAX], rates_empty[TURNS_MAX];
	unsigned held;

	open_namespace(empty, DESTINATIONS, load->ports);
	open_namespace(filled, DESTINATIONS, load->ports);
	if (!fill(filled, DESTINATIONS, 99, &held))
		fail("the range cannot be filled");
	churn(filled);
	for (unsigned i = 0; i < load->turns; i++) {
		rates[i] = churn(filled);
		rates_empty[i] = churn(empty);
	}
	printf("%f\n%f\n", median(rates, load->turns), median(rates_empty, load->turns));
}

/* A number: calls that fail. We close first, so that TIME_WAIT is ours. */
static inline void measure_closed(void)
{
	unsigned failures = 0;
	double took;

	open_namespace(filled, SMALL_TO, load->small_ports);
	caller.binds = true;
	for (unsigned i = 0; i < load->small_tries; i++) {
		const struct destination *to = &filled[i % SMALL_TO];
		int fd = timed_connect(to, &took);

		failures += fd < 0;
		if (fd >= 0) {
			close(fd);
			close(accept_one(to));
		}
	}
	printf("%u\n", failures);
}

/* ---- what the hooks add ---- */

/* The median of a turn, in which the calls are made in bursts, in two namespaces by turns; what came before it has warmed up. */
static inline double time_turn(void)
{
	double samples[TIMED_MAX], beside[BURST_MAX];
	unsigned size = load->timed < BURST_MAX ? load->timed : BURST_MAX;

	for (int warm = 1; warm >= 0; warm--)
		for (unsigned done = 0; done < load->timed; done += size) {
			sure_burst(filled, size, samples + done);
			sure_burst(empty, size, beside);
		}
	return median(samples, load->timed);
}

static inline double time_with_hooks(const struct hooks *hooks, int cgroup_fd)
{
	struct bpf_link *links[HOOKS_MAX];
	struct bpf_program *program;
	unsigned count = 0;
	double us;

	bpf_object__for_each_program(program, hooks_object(hooks)) {
		if (!bpf_program__autoattach(program))
			continue;
		links[count] = hooks_attach_program(hooks, program, cgroup_fd);
		if (!links[count++])
			fail("attach");
	}
	us = time_turn();
	while (count > 0)
		bpf_link__destroy(links[--count]);
	return us;
}

/* Numbers: the median with the hooks and without, and the median of the ratios of turns that follow each other. */
static inline void measure_added_in(const struct cgroup *cgroup)
{
	double with[TURNS_MAX], without[TURNS_MAX], ratios[TURNS_MAX];
	struct trouble trouble = { "" };
	struct hooks *hooks = hooks_open(&trouble);
	struct config config;

	config_set_defaults(&config);
	if (hooks)
		settings_choose(&config, hooks);
	errno = -cgroup_enter(cgroup, getpid());
	if (errno || !hooks || !hooks_load(hooks, &trouble))
		fail(trouble.text);
	for (unsigned i = 0; i < load->turns; i++) {
		open_namespace(filled, 1, DEFAULT_PORTS);
		open_namespace(empty, 1, DEFAULT_PORTS);
		if (i % 2)
			without[i] = time_turn();
		with[i] = time_with_hooks(hooks, cgroup->fd);
		if (i % 2 == 0)
			without[i] = time_turn();
		ratios[i] = with[i] / without[i];
		close_range((unsigned)filled[0].netns, ~0u, 0);
	}
	printf("%f\n%f\n%f\n", median(with, load->turns), median(without, load->turns),
	       median(ratios, load->turns));
}

/* Waits for the child. A signal by which we are to end ends the child first. */
static inline bool await_child(pid_t child, const sigset_t *signals)
{
	int status = 1, signal;

	sigwait(signals, &signal);
	if (signal != SIGCHLD)
		kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return status == 0;
}

/* A child is in the cgroup, which is ours to remove. */
static inline void measure_added(void)
{
	char own[PATH_MAX] = "/";
	struct cgroup cgroup;
	sigset_t signals;
	bool good;
	pid_t child;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	errno = -cgroup_own(own);
	if (!errno)
		errno = -cgroup_make(own, "berth-bench", &cgroup);
	if (errno)
		fail(own);
	child = fork_child(SIGKILL);
	if (child == 0) {
		sigprocmask(SIG_UNBLOCK, &signals, NULL);
		measure_added_in(&cgroup);
		exit(0);
	}
	good = await_child(child, &signals);
	cgroup_remove(&cgroup);
	if (!good)
		exit(1);
}

/* ---- memory ---- */

/* As the kernel counts it (map_mem_usage, Linux 6.4). */
static inline double map_bytes(unsigned id)
{
	int fd = check(bpf_map_get_fd_by_id(id), "a map");
	char path[64], line[128];
	double bytes = -1;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		sscanf(line, "memlock: %lf", &bytes);
	if (!info || bytes < 0)
		fail(path);
	fclose(info);
	close(fd);
	return bytes;
}

/* Adds the maps of a program to those in `ids`. Returns how many there are then. */
static inline unsigned add_maps(unsigned program, unsigned ids[MAPS_MAX], unsigned count)
{
	unsigned of_it[MAPS_MAX] = { 0 }, known;
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)of_it };
	unsigned size = sizeof(info);
	int fd = check(bpf_prog_get_fd_by_id(program), "a program");

	check(bpf_obj_get_info_by_fd(fd, &info, &size), "a program's maps");
	close(fd);
	for (unsigned i = 0; i < info.nr_map_ids; i++) {
		for (known = 0; known < count && ids[known] != of_it[i]; known++)
			;
		if (known == count && count < MAPS_MAX)
			ids[count++] = of_it[i];
	}
	return count;
}

/* A number: the bytes of all maps of the programs that are attached to our cgroup. The one that is attached elsewhere has no
 * others. */
static inline void measure_memory(void)
{
	static const enum bpf_attach_type hooks[] = {
		BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT,   BPF_CGROUP_INET4_BIND,
		BPF_CGROUP_INET6_BIND,	  BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND,
	};
	unsigned programs[MAPS_MAX], maps[MAPS_MAX], count = 0;
	char path[PATH_MAX] = { 0 };
	double bytes = 0;
	int cgroup;

	errno = -cgroup_own(path);
	cgroup = check(open(path, O_RDONLY | O_CLOEXEC), "our cgroup");
	for (unsigned i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		unsigned attached = MAPS_MAX;

		check(bpf_prog_query(cgroup, hooks[i], 0, NULL, programs, &attached), "programs");
		for (unsigned j = 0; j < attached; j++)
			count = add_maps(programs[j], maps, count);
	}
	for (unsigned i = 0; i < count; i++)
		bytes += map_bytes(maps[i]);
	printf("%f\n", bytes);
}

#endif
