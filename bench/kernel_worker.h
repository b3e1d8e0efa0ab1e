/* SPDX-License-Identifier: MIT
 *
 * What bench/kernel measures, in a process of its own with a network namespace of its own, on stock Linux or in kernel mode.
 *
 * The process is both ends of its connections and stays on one CPU. On loopback a connect() carries its SYN, the answer and
 * the last ACK through the stack within the call, so nobody else has to run for it and no other CPU is waited for;
 * connections are accepted between the timed calls.
 *
 * A machine that others use, too, is now fast, now slow. So what is to be compared is measured by turns, in bursts of some
 * milliseconds: a full range and an empty one are in two network namespaces, between which the process goes to and fro; and
 * the hooks are attached and detached to see what they add. Each part prints its numbers, one a line.
 */
#ifndef BERTH_BENCH_KERNEL_WORKER_H
#define BERTH_BENCH_KERNEL_WORKER_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/bench.h"
#include "daemon/hooks.h"
#include "daemon/settings.h"
#include "host/cgroup.h"

#define PORTS	     28232u /* the default range, 32768 to 60999 */
#define DESTINATIONS 8u
#define FIRST_PORT   7001u /* of the destinations */
#define BURST_MAX    100u
#define TIMED	     400u /* calls at each fill */
#define WARM	     2000u
#define FAILING_US   400000 /* for so long, calls that must fail are made */
#define FAILING_MAX  200000u
#define CHURN	     2000u /* connections by turns, on an empty range and on a full one */
#define TURNS	     20u
#define SMALL_RANGE  "32768 33767"
#define SMALL_TRIES  3000u
#define SMALL_TO     4u
#define HELD_MAX     4000u /* connections, in one process */
#define MAPS_MAX     64u
#define HOOKS_MAX    16u

static const double fills[] = { 0, 50, 60, 75, 90, 99, 99.9 };
#define FILLS (sizeof(fills) / sizeof(fills[0]))

/* A listener, and who connects to it, in a network namespace that others are in as well. */
struct destination {
	struct sockaddr_in address;
	int netns, listener;
	unsigned held; /* connections to it */
};

static struct destination filled[DESTINATIONS], empty[DESTINATIONS];
static double samples[FAILING_MAX], beside[TIMED];
static int last_file; /* of those that are not connections */
static bool binds;    /* to port 0, before connect() */

static inline void pin_to_last_cpu(void)
{
	cpu_set_t allowed, last;
	int cpu = CPU_SETSIZE - 1;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	while (!CPU_ISSET(cpu, &allowed))
		cpu--;
	CPU_ZERO(&last);
	CPU_SET(cpu, &last);
	check(sched_setaffinity(0, sizeof(last), &last), "sched_setaffinity");
}

/* In a network namespace of their own. */
static inline void open_destinations(struct destination *destinations, unsigned count)
{
	int netns;

	enter_namespace();
	netns = check(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/self/ns/net");
	for (unsigned i = 0; i < count; i++) {
		destinations[i] = (struct destination){ loopback(1, FIRST_PORT + i), netns, 0, 0 };
		destinations[i].listener = last_file = start_listener(&destinations[i].address);
	}
}

static inline void go_to(const struct destination *to)
{
	check(setns(to->netns, CLONE_NEWNET), "setns");
}

/* A connection, or -1. The time is that of bind() and connect() alone. */
static inline int timed_connect(const struct destination *to, double *ret_us)
{
	const struct sockaddr_in any = loopback(1, 0);
	int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), result = 0;
	double start = now_us();

	if (binds)
		result = bind(fd, (const struct sockaddr *)&any, sizeof(any));
	if (result == 0)
		result = connect(fd, (const struct sockaddr *)&to->address, sizeof(to->address));
	*ret_us = now_us() - start;
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

static inline int accept_one(const struct destination *at)
{
	return check(accept4(at->listener, NULL, NULL, SOCK_CLOEXEC), "accept");
}

/* Hands all connections to a child that does nothing but hold them, and ends when we do: more than a process may have files
 * open. */
static inline void hold(void)
{
	if (check(fork(), "fork") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(STDOUT_FILENO);
		for (;;)
			pause();
	}
	close_range((unsigned)last_file + 1, ~0u, 0);
}

/* Connections stay open as long as we live, at both ends. */
static inline void fill(struct destination *to, double percent)
{
	unsigned wanted = (unsigned)(PORTS * percent / 100);
	double took;

	go_to(to);
	for (; to->held < wanted; to->held++) {
		check(timed_connect(to, &took), "the range cannot be filled");
		accept_one(to);
		if (to->held % HELD_MAX == 0)
			hold();
	}
	hold();
}

/* Makes connections and takes all of them down again, with a reset. At most half of the free ports are used. */
static inline void burst(const struct destination *to, unsigned count, double *ret_us)
{
	int fds[BURST_MAX];

	go_to(to);
	for (unsigned i = 0; i < count; i++)
		fds[i] = check(timed_connect(to, &ret_us[i]), "a connection where ports are left");
	for (unsigned i = 0; i < count; i++) {
		abort_connection(fds[i]);
		close(accept_one(to));
	}
}

static inline unsigned burst_size(const struct destination *to)
{
	unsigned left = (PORTS - to->held) / 2;

	return left < BURST_MAX ? left : BURST_MAX;
}

/* The medians of `count` calls to each of two. */
static inline void time_by_turns(const struct destination *first, const struct destination *second,
				 unsigned count, double ret_us[2])
{
	unsigned size = burst_size(first);

	for (unsigned done = 0; done < count; done += size) {
		if (size > count - done)
			size = count - done;
		burst(first, size, samples + done);
		burst(second, size, beside + done);
	}
	ret_us[0] = median(samples, count);
	ret_us[1] = median(beside, count);
}

static inline void time_failures(const struct destination *to, double ret_us[2])
{
	double start = now_us(), sum = 0;
	unsigned count = 0;

	go_to(to);
	while (count < FAILING_MAX && now_us() - start < FAILING_US) {
		if (timed_connect(to, &samples[count]) >= 0) {
			errno = EISCONN;
			fail("a call that was to fail");
		}
		sum += samples[count++];
	}
	ret_us[0] = median(samples, count);
	ret_us[1] = sum / count;
}

/* Numbers: for each fill the median there, and on an empty range; of calls that must fail, the median and the mean. */
static inline void measure_fills(void)
{
	double us[2];

	open_destinations(empty, 1);
	open_destinations(filled, 1);
	for (unsigned i = 0; i < WARM / TIMED; i++)
		time_by_turns(filled, empty, TIMED, us);
	for (unsigned i = 0; i < FILLS; i++) {
		fill(filled, fills[i]);
		time_by_turns(filled, empty, TIMED, us);
		printf("%f\n%f\n", us[0], us[1]);
	}
	fill(filled, 100);
	time_failures(filled, us);
	printf("%f\n%f\n", us[0], us[1]);
}

static inline void measure_bound_fills(void)
{
	binds = true;
	measure_fills();
}

/* Connections made, accepted and taken down, each second. */
static inline double churn(const struct destination *destinations, unsigned count)
{
	double start = now_us(), took[BURST_MAX];

	for (unsigned done = 0, i = 0; done < count; done += BURST_MAX, i++)
		burst(&destinations[i % DESTINATIONS], BURST_MAX, took);
	return count / (now_us() - start) * 1e6;
}

/* Numbers: the churn with 99 % of all tuples in use, and on an empty range. */
static inline void measure_tuples(void)
{
	double rates[TURNS], rates_empty[TURNS];

	open_destinations(empty, DESTINATIONS);
	open_destinations(filled, DESTINATIONS);
	for (unsigned i = 0; i < DESTINATIONS; i++)
		fill(&filled[i], 99);
	churn(filled, CHURN);
	for (unsigned i = 0; i < TURNS; i++) {
		rates[i] = churn(filled, CHURN);
		rates_empty[i] = churn(empty, CHURN);
	}
	printf("%f\n%f\n", median(rates, TURNS), median(rates_empty, TURNS));
}

/* A number: calls that fail. We close first, so that TIME_WAIT is ours. */
static inline void measure_closed(void)
{
	unsigned failures = 0;
	double took;

	open_destinations(filled, SMALL_TO);
	set_port_range(SMALL_RANGE);
	binds = true;
	for (unsigned i = 0; i < SMALL_TRIES; i++) {
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

static inline void time_with_hooks(const struct hooks *hooks, int cgroup_fd, double *ret_us)
{
	struct bpf_link *links[HOOKS_MAX];
	struct bpf_program *program;
	unsigned count = 0;
	double us[2];

	bpf_object__for_each_program(program, hooks_object(hooks)) {
		if (!bpf_program__autoattach(program))
			continue;
		links[count] = hooks_attach_program(hooks, program, cgroup_fd);
		if (!links[count++])
			fail("attach");
	}
	time_by_turns(filled, empty, TIMED, us);
	time_by_turns(filled, empty, TIMED, us);
	*ret_us = us[0];
	while (count > 0)
		bpf_link__destroy(links[--count]);
}

static inline void time_without(double *ret_us)
{
	double us[2];

	time_by_turns(filled, empty, TIMED, us);
	time_by_turns(filled, empty, TIMED, us);
	*ret_us = us[0];
}

/* Numbers: the median with the hooks and without, and the median of the ratios of turns that follow each other. */
static inline void measure_added_in(const struct cgroup *cgroup)
{
	double with[TURNS], without[TURNS], ratios[TURNS];
	struct trouble trouble = { "" };
	struct hooks *hooks = hooks_open(&trouble);
	struct config config;

	config_set_defaults(&config);
	if (hooks)
		settings_choose(&config, hooks);
	errno = -cgroup_enter(cgroup, getpid());
	if (errno || !hooks || !hooks_load(hooks, &trouble))
		fail(trouble.text);
	for (unsigned i = 0; i < TURNS; i++) {
		open_destinations(filled, 1);
		open_destinations(empty, 1);
		if (i % 2)
			time_without(&without[i]);
		time_with_hooks(hooks, cgroup->fd, &with[i]);
		if (i % 2 == 0)
			time_without(&without[i]);
		ratios[i] = with[i] / without[i];
		close_range((unsigned)filled[0].netns, ~0u, 0);
	}
	printf("%f\n%f\n%f\n", median(with, TURNS), median(without, TURNS), median(ratios, TURNS));
}

/* A child is in the cgroup, which is ours to remove. */
static inline void measure_added(void)
{
	char own[PATH_MAX] = "/";
	struct cgroup cgroup;
	int status = 0;

	errno = -cgroup_own(own);
	if (!errno)
		errno = -cgroup_make(own, "berth-bench", &cgroup);
	if (errno)
		fail(own);
	if (check(fork(), "fork") == 0) {
		measure_added_in(&cgroup);
		exit(0);
	}
	wait(&status);
	cgroup_remove(&cgroup);
	if (status != 0)
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
