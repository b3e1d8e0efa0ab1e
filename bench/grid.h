/* SPDX-License-Identifier: MIT
 *
 * What the files of bench/grid share: the cells of the grid, its sides, and what two agents tell.
 */
#ifndef BERTH_BENCH_GRID_H
#define BERTH_BENCH_GRID_H

#include "bench/bench.h"

#define GRID_FILLS_MAX 10u
#define ORDER_MAX      200u /* calls */
#define CPUS_MAX       2u

enum side {
	SIDE_STOCK,
	SIDE_SYSCTLS, /* stock Linux, with the sysctls that help: a wide range, ip_autobind_reuse, tcp_tw_reuse */
	SIDE_OPTIONS, /* the same, and a program that was changed: IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE */
	SIDE_SUPERVISE,
	SIDE_KERNEL,
	SIDES
};

struct cell {
	const char *name;
	bool binds; /* bind(addr, 0) before connect() */
	unsigned
		ports; /* in the range; of SIDE_SYSCTLS and SIDE_OPTIONS 16/7 as many, as 1024-65535 is of 32768-60999 */
	unsigned destinations, cpus;
	int family;
	bool sweep; /* every fill; otherwise empty and nearly full */
};

/* As the effort wants them: agents are told its number, and that of the cell. */
extern struct cell grid_cells[];
void grid_size_cells(enum effort effort);

/* ---- between the one that measures and an agent ---- */

enum wanted {
	WANTED_FILL,  /* take ports and keep them until percent are taken */
	WANTED_BURST, /* make `count` connections on each of `cpus`, and take them down again */
};

struct order {
	enum wanted wanted;
	double percent;
	unsigned count, cpus; /* the count is at most ORDER_MAX / cpus */
};

struct answer {
	unsigned before; /* connections that were kept when the first call failed, or that are kept */
	unsigned calls, failed;
	double cpu_us; /* processor time of all calls, of the connections' other ends and of the supervisor */
};
/* It is followed by the microseconds of each call, as doubles. */

/* An agent makes connections in a network namespace of its own, as its side does, until its orders end. There are two at a
 * time: one fills its range, the other one's stays empty. */
#define AGENTS 2u

/* The first agent's orders and answers, then the second one's: files that grid_agents() is started with. */
#define GRID_FILES 100

/* Starts both, in one cgroup, and waits for them. */
int grid_agents(const struct cell *cell, enum side side, enum effort effort);

/* One of them, under `berth run`. Who supervises it is between it and the root. */
int grid_agent(const struct cell *cell, enum side side, pid_t root);

/* ---- one cell on one side, once ---- */

/* At one fill. */
struct point {
	double us;	 /* p50 of a call */
	double mean_us;	 /* of calls that must fail: some of them look again */
	double empty_us; /* p50 beside it, on an empty range */
	double cpu_us;	 /* of a call, and of all that belongs to a connection */
	double failed_percent;
	double before_percent; /* of all tuples were in use before the first call failed that was to take one */
};

/* Measures a cell. Agents, connections and hooks are gone on return. */
void grid_measure(const struct cell *cell, enum side side, enum effort effort,
		  struct point ret_points[GRID_FILLS_MAX]);

/* How many percent are filled at each point of the cell but the last, which is past them all. Returns how many those are. */
unsigned grid_fills(const struct cell *cell, const double **ret_fills);

#endif
