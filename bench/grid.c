/* SPDX-License-Identifier: MIT
 *
 * What a connection costs by how full the ports are: stock Linux, stock Linux at its best, `berth run --mode=supervise` and
 * --mode=kernel.
 *
 *	build/bench/grid [--json[=FILE]] [--quick|--smoke]
 *
 * Needs root. Each cell is measured by new processes in new network namespaces, on one side after another, round by round. In it
 * a range that is filled and one that is empty are measured by turns, in bursts of some milliseconds, over loopback,
 * each process being both ends of its connections. Every side fills its range by itself, in the way in which it is then
 * measured; only that of `sysctls` is filled port by port, which with 64,512 ports would take minutes otherwise. A value is
 * the median of the rounds, in brackets the least and the greatest. BERTH names another binary than the one beside this one.
 *
 * The sides: `stock`, as it comes, range 32768-60999. `sysctls`: range 1024-65535, ip_autobind_reuse=1, tcp_tw_reuse=1, and the program
 * sets SO_REUSEADDR before bind(), without which the second has no effect. `options`: the same sysctls and a program that was changed for
 * this: IP_BIND_ADDRESS_NO_PORT before bind(), and before connect() IP_LOCAL_PORT_RANGE of a random slice of 64 ports, of another one
 * where all are taken. `supervise` and `kernel`: Berth, the sysctls and the program of `stock`.
 */
#include "bench/grid.h"

#include "bench/report.h"

#define ROUNDS_MAX 3u
#define DEFAULT	   28232u
#define SMALL	   2000u
#define SMALLER	   250u

/* Of the ones that are not a sweep the range is small: their destinations times ports are connections that are kept. */
struct cell grid_cells[] = {
	{ "connect()", false, DEFAULT, 1, 1, AF_INET, true },
	{ "bind(0) + connect()", true, DEFAULT, 1, 1, AF_INET, true },
	{ "bind(0) + connect(), 8 destinations", true, SMALL, 8, 1, AF_INET, false },
	{ "connect(), 8 destinations", false, SMALL, 8, 1, AF_INET, false },
	{ "connect(), 64 destinations", false, SMALLER, 64, 1, AF_INET, false },
	{ "bind(0) + connect(), 64 destinations", true, SMALLER, 64, 1, AF_INET, false },
	{ "connect(), 2 CPUs", false, SMALL, 1, 2, AF_INET, false },
	{ "bind(0) + connect(), 2 CPUs", true, SMALL, 1, 2, AF_INET, false },
	{ "connect(), IPv6", false, SMALL, 1, 1, AF_INET6, false },
	{ "bind(0) + connect(), IPv6", true, SMALL, 1, 1, AF_INET6, false },
};
#define CELLS (sizeof(grid_cells) / sizeof(grid_cells[0]))
#define CELLS_SMOKE \
	3u /* are enough to see that it works: the loader of kernel mode takes a second for each */

static const char *const side_names[SIDES] = { "stock", "sysctls", "options", "supervise", "kernel" };

/* How long the rounds may take together, in seconds; the first one is whole in any case. */
static const unsigned seconds[] = { [EFFORT_FULL] = 640, [EFFORT_QUICK] = 1, [EFFORT_SMOKE] = 0 };

static struct point measured[CELLS][SIDES][GRID_FILLS_MAX][ROUNDS_MAX];
static unsigned rounds, cells = CELLS;

/* ---- measuring ---- */

void grid_size_cells(enum effort effort)
{
	const unsigned most = effort == EFFORT_QUICK ? 500 : 64;

	cells = effort == EFFORT_SMOKE ? CELLS_SMOKE : CELLS;
	for (unsigned i = 0; i < CELLS; i++) {
		struct cell *cell = &grid_cells[i];

		if (effort != EFFORT_FULL)
			cell->ports = cell->ports / 2 < most ? cell->ports / 2 : most;
	}
}

static void run_round(enum effort effort)
{
	struct point points[GRID_FILLS_MAX];

	for (unsigned cell = 0; cell < cells; cell++)
		for (enum side side = 0; side < SIDES; side++) {
			say_progress("round %u, %s, %s", rounds + 1, grid_cells[cell].name, side_names[side]);
			grid_measure(&grid_cells[cell], side, effort, points);
			for (unsigned i = 0; i < GRID_FILLS_MAX; i++)
				measured[cell][side][i][rounds] = points[i];
		}
	rounds++;
}

static void run_rounds(enum effort effort)
{
	double start = now_us();

	do
		run_round(effort);
	while (rounds < ROUNDS_MAX && (now_us() - start) / rounds * (rounds + 1) < seconds[effort] * 1e6);
	end_progress();
}

/* ---- summing up ---- */

/* What is told of a point: in the order in which it is printed. */
static double time_ns(const struct point *point, const struct point *stock)
{
	(void)stock;
	return point->us * 1e3;
}

static double mean_ns(const struct point *point, const struct point *stock)
{
	(void)stock;
	return point->mean_us * 1e3;
}

static double against_empty(const struct point *point, const struct point *stock)
{
	(void)stock;
	return point->us / point->empty_us;
}

static double against_stock(const struct point *point, const struct point *stock)
{
	return point->us / stock->us;
}

static double cpu_ns(const struct point *point, const struct point *stock)
{
	(void)stock;
	return point->cpu_us * 1e3;
}

static double failed_percent(const struct point *point, const struct point *stock)
{
	(void)stock;
	return point->failed_percent;
}

static double before_percent(const struct point *point, const struct point *stock)
{
	(void)stock;
	return point->before_percent;
}

static const struct value {
	const char *name, *name_failing; /* NULL: not of calls that must fail */
	const char *unit;
	double (*of)(const struct point *point, const struct point *stock);
} values[] = {
	{ "p50", "p50", "ns", time_ns },
	{ NULL, "mean", "ns", mean_ns },
	{ "p50 against an empty range", "p50 against one that succeeds", "x", against_empty },
	{ "p50 against stock", "p50 against stock", "x", against_stock },
	{ "CPU of a connection", "CPU of a call", "ns", cpu_ns },
	{ "failed", NULL, "%", failed_percent },
	{ NULL, "connections before the first error", "%", before_percent },
};
#define VALUES (sizeof(values) / sizeof(values[0]))

/* What issue and design ask of kernel mode, on the default range. */
static const char *asked(const struct cell *cell, const struct value *value, double fill)
{
	if (!cell->sweep || value->of != against_empty)
		return NULL;
	if (isnan(fill))
		return cell->binds ? NULL : "at most 3 is asked";
	if (fill < 99 || fill == 100)
		return NULL;
	return cell->binds  ? fill == 99 ? "at 99 %, at most 1.2 is asked" : "at 99.9 %, at most 1.2 is asked"
	       : fill == 99 ? "at 99 %, at most 1.1 is asked"
			    : "at 99.9 %, at most 1.1 is asked";
}

/* Of one value at one point: all sides. A fill that is NAN: no port is left. */
static void add_line(struct report *report, const char *name, unsigned cell, const struct value *value,
		     double fill, unsigned point)
{
	double of_rounds[ROUNDS_MAX] = { 0 };

	for (enum side side = 0; side < SIDES; side++) {
		struct report_row row = {
			name, side_names[side], fill, NAN, NULL, 0, 0, 0, value->unit, NULL
		};

		for (unsigned i = 0; i < rounds; i++)
			of_rounds[i] = value->of(&measured[cell][side][point][i],
						 &measured[cell][SIDE_STOCK][point][i]);
		row.median = median(of_rounds, rounds);
		row.least = of_rounds[0];
		row.greatest = of_rounds[rounds - 1];
		if (side == SIDE_KERNEL)
			row.note = asked(&grid_cells[cell], value, fill);
		else if (side == SIDE_STOCK && value->of == before_percent)
			row.note = "of the tuples of its range; sysctls and options have 2.3 times as many";
		report_add(report, &row);
	}
}

static bool any_failed(unsigned cell, unsigned points)
{
	bool any = false;

	for (enum side side = 0; side < SIDES; side++)
		for (unsigned point = 0; point < points; point++)
			for (unsigned i = 0; i < rounds; i++)
				any = any || measured[cell][side][point][i].failed_percent > 0;
	return any;
}

static void add_cell(struct report *report, unsigned cell)
{
	const double *fills;
	unsigned count = grid_fills(&grid_cells[cell], &fills);
	char name[128];

	for (unsigned i = 0; i < VALUES; i++) {
		snprintf(name, sizeof(name), "%s: %s", grid_cells[cell].name, values[i].name);
		if (values[i].of == failed_percent && !any_failed(cell, count))
			continue;
		for (unsigned point = 0; values[i].name != NULL && point < count; point++)
			add_line(report, report_text(name), cell, &values[i], fills[point], point);
	}
	for (unsigned i = 0; i < VALUES; i++) {
		snprintf(name, sizeof(name),
			 values[i].of == before_percent ? "%s: %s" : "%s, no port left: %s",
			 grid_cells[cell].name, values[i].name_failing);
		if (values[i].name_failing != NULL)
			add_line(report, report_text(name), cell, &values[i], NAN, count);
	}
}

int main(int argc, char **argv)
{
	static struct report report;
	struct bench_options options;

	if (argc >= 5 && strncmp(argv[1], "--agent", 7) == 0) {
		enum effort effort = (enum effort)atoi(argv[2]);
		const struct cell *cell = &grid_cells[atoi(argv[3])];
		enum side side = (enum side)atoi(argv[4]);

		grid_size_cells(effort);
		return argc == 5 ? grid_agents(cell, side, effort) : grid_agent(cell, side, atoi(argv[5]));
	}
	options = take_options(argc, argv);
	need_root();
	check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	grid_size_cells(options.effort);
	run_rounds(options.effort);
	for (unsigned cell = 0; cell < cells; cell++)
		add_cell(&report, cell);
	report_finish(&report, "grid", &options);
	return 0;
}
