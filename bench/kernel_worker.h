/* SPDX-License-Identifier: MIT
 *
 * What bench/kernel measures, in a process of its own with a network namespace of its own, on stock Linux or in kernel mode.
 *
 * The process is both ends of its connections and stays on one CPU. On loopback a connect() carries its SYN, the answer and
 * the last ACK through the stack within the call, so nobody else has to run for it and no other CPU is waited for;
 * connections are accepted between the timed calls. Each part prints its numbers, one a line.
 */
#ifndef BERTH_BENCH_KERNEL_WORKER_H
#define BERTH_BENCH_KERNEL_WORKER_H

#include <bpf/bpf.h>

#include "bench/bench.h"
#include "host/cgroup.h"

#define PORTS	     28232u /* the default range, 32768 to 60999 */
#define DESTINATIONS 8u
#define FIRST_PORT   7001u /* of the destinations */
#define TUPLES	     (DESTINATIONS * PORTS)
#define BURST_MAX    100u
#define TIMED	     400u /* calls at each fill */
#define WARM	     2000u
#define EMPTY_CALLS  5000u
#define FAILING_US   400000 /* for so long, calls that must fail are made */
#define FAILING_MAX  200000u
#define CHURN	     40000u
#define SMALL_RANGE  "32768 33767"
#define SMALL_TRIES  3000u
#define SMALL_TO     4u
#define HELD_MAX     4000u /* connections, in one process */
#define MAPS_MAX     64u

static const double fills[] = { 0, 50, 60, 75, 90, 99, 99.9 };
#define FILLS (sizeof(fills) / sizeof(fills[0]))

struct destination {
	struct sockaddr_in address;
	int listener;
	unsigned held; /* connections to it */
};

static struct destination destinations[DESTINATIONS];
static double samples[FAILING_MAX];
static int last_listener;
static bool binds; /* to port 0, before connect() */

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

static inline void open_destinations(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		destinations[i].address = loopback(1, FIRST_PORT + i);
		destinations[i].listener = last_listener = start_listener(&destinations[i].address);
	}
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
	close_range((unsigned)last_listener + 1, ~0u, 0);
}

/* Connections stay open as long as we live, at both ends. */
static inline void fill(struct destination *to, double percent)
{
	unsigned wanted = (unsigned)(PORTS * percent / 100);
	double took;

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

/* The median. */
static inline double time_connects(const struct destination *to, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		unsigned size = burst_size(to);

		burst(to, size < count - done ? size : count - done, samples + done);
		done += size;
	}
	return median(samples, count);
}

static inline void time_failures(void)
{
	double start = now_us(), sum = 0;
	unsigned count = 0;

	while (count < FAILING_MAX && now_us() - start < FAILING_US) {
		if (timed_connect(&destinations[0], &samples[count]) >= 0) {
			errno = 0;
			fail("a connection where no port is left");
		}
		sum += samples[count++];
	}
	printf("%f\n", median(samples, count));
	printf("%f\n", sum / count);
}

/* Numbers: the median at each fill; of calls that must fail, the median and the mean. */
static inline void measure_fills(void)
{
	struct destination *to = &destinations[0];

	open_destinations(1);
	time_connects(to, WARM);
	for (unsigned i = 0; i < FILLS; i++) {
		fill(to, fills[i]);
		printf("%f\n", time_connects(to, TIMED));
		fflush(stdout);
	}
	fill(to, 100);
	time_failures();
}

static inline void measure_bound_fills(void)
{
	binds = true;
	measure_fills();
}

/* A number: the median. */
static inline void measure_empty(void)
{
	open_destinations(1);
	time_connects(&destinations[0], WARM);
	printf("%f\n", time_connects(&destinations[0], EMPTY_CALLS));
}

/* Connections made, accepted and taken down, each second. */
static inline double churn(unsigned count)
{
	double start = now_us(), took[BURST_MAX];

	for (unsigned done = 0, i = 0; done < count; done += BURST_MAX, i++)
		burst(&destinations[i % DESTINATIONS], BURST_MAX, took);
	return count / (now_us() - start) * 1e6;
}

/* Numbers: the churn on an empty range, and with 99 % of all tuples in use. */
static inline void measure_tuples(void)
{
	open_destinations(DESTINATIONS);
	churn(WARM);
	printf("%f\n", churn(CHURN));
	for (unsigned i = 0; i < DESTINATIONS; i++)
		fill(&destinations[i], 99);
	churn(WARM);
	printf("%f\n", churn(CHURN));
}

/* A number: calls that fail. We close first, so that TIME_WAIT is ours. */
static inline void measure_closed(void)
{
	unsigned failures = 0;
	double took;

	set_port_range(SMALL_RANGE);
	open_destinations(SMALL_TO);
	binds = true;
	for (unsigned i = 0; i < SMALL_TRIES; i++) {
		const struct destination *to = &destinations[i % SMALL_TO];
		int fd = timed_connect(to, &took);

		failures += fd < 0;
		if (fd >= 0) {
			close(fd);
			close(accept_one(to));
		}
	}
	printf("%u\n", failures);
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
	unsigned of_it[MAPS_MAX], known;
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
