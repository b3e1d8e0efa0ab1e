/* SPDX-License-Identifier: MIT
 *
 * What a look at the port space costs on a host with 100,000 sockets: the CPU time, user and system, of a whole process, of
 * any user's, without capabilities; of root's where no daemon is; and of root's beside a berth daemon. Then what that
 * daemon takes for a scrape of its metrics in a second, and for its page, which asks once a second.
 *
 *	build/bench/view [--json[=FILE]] [--quick|--smoke]
 *
 * Half of the sockets are in the port range; the other half, the far ends, are not. Medians of processes, and of seconds.
 * A TCP socket that is neither connected nor listening, or is in a third network namespace, makes a look of any user's dearer
 * (bound_sockets_are_possible()): measure on a machine at rest.
 *
 * What needs the daemon needs root. BERTH names another binary than the one beside this one.
 */
#include <linux/capability.h>

#include "bench/many_sockets.h"
#include "bench/own_daemon.h"
#include "bench/report.h"

enum {
	ROUNDS = 15,
	SECONDS = 9,
	PORT = 7001,
};

static const struct load {
	unsigned held, rounds, seconds;
	double second_ms;
} loads[] = {
	[EFFORT_FULL] = { HELD, ROUNDS, SECONDS, 1000 },
	[EFFORT_QUICK] = { HELD / 5, 5, 2, 1000 },
	[EFFORT_SMOKE] = { 10, 1, 1, 10 },
};

static const struct load *load;
static const char *berth;
static struct report report;

static const struct {
	const char *title;
	const char *argument[5];
} rows[] = {
	{ "an empty run (berth --version)", { "--version" } },
	{ "berth status", { "status" } },
	{ "berth status --json", { "status", "--json" } },
	{ "berth status --interval=0.1, two looks", { "status", "--interval=0.1" } },
	{ "berth explain --interval=0", { "explain", "--interval=0", "127.0.0.2:7001" } },
	{ "berth map", { "map" } },
	{ "the same sockets, ss -tan", { NULL } },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What the web process is asked for once a second, by each viewer. */
static const struct web_row {
	const char *name, *side;
	const char *path[2];
	unsigned viewers;
	bool share; /* of a core, and not milliseconds */
} web_rows[] = {
	{ "CPU time of a scrape of /metrics", "berth daemon", { "/metrics", NULL }, 1, false },
	{ "the page, live: CPU of one core",
	  "one viewer",
	  { "/api/v1/status?destinations=100", "/api/v1/map" },
	  1,
	  true },
	{ "the page, live: CPU of one core",
	  "ten viewers",
	  { "/api/v1/status?destinations=100", "/api/v1/map" },
	  10,
	  true },
};

#define WEB_ROWS (sizeof(web_rows) / sizeof(web_rows[0]))

static double cpu_ms(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

/* From the next exec on. */
static void give_capabilities_up(void)
{
	for (unsigned long capability = 0; capability <= CAP_LAST_CAP; capability++)
		prctl(PR_CAPBSET_DROP, capability);
}

/* CPU time of one process that does what the row says. */
static double run_once(size_t row, bool as_root)
{
	struct rusage usage;
	int status;
	pid_t pid = check(fork(), "fork");

	if (pid == 0) {
		char *arguments[6] = { (char *)berth };

		for (unsigned i = 0; i < 5; i++)
			arguments[i + 1] = (char *)rows[row].argument[i];
		dup2(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"), STDOUT_FILENO);
		if (!as_root)
			give_capabilities_up();
		if (rows[row].argument[0])
			execv(berth, arguments);
		else
			execlp("ss", "ss", "-tan", NULL);
		fail(rows[row].title);
	}
	if (wait4(pid, &status, 0, &usage) != pid || status != 0) {
		fprintf(stderr, "bench/view: %s failed\n", rows[row].title);
		exit(1);
	}
	return cpu_ms(&usage);
}

/* Of no values: what needs root, and is not measured. */
static void add_row(const char *name, const char *side, double *values, unsigned count, const char *unit)
{
	double middle = count ? median(values, count) : NAN; /* sorts them */

	report_add(&report,
		   &(struct report_row){ name, side, NAN, 2 * HOLDERS * load->held, "sockets", middle,
					 count ? values[0] : NAN, count ? values[count - 1] : NAN, unit,
					 count ? NULL : "needs root" });
}

static void measure_looks(const char *name, bool as_root, bool may)
{
	double times[ROUNDS];

	for (size_t row = 0; row < ROWS; row++) {
		say_progress("%s: %s", name, rows[row].title);
		for (unsigned round = 0; may && round < load->rounds; round++)
			times[round] = run_once(row, as_root);
		add_row(name, rows[row].title, times, may ? load->rounds : 0, "ms");
	}
	end_progress();
}

/* CPU time of the web process, in a second in which everybody asks for everything once. */
static double measure_second(const struct web_row *row)
{
	double before = web_cpu_ms(), until = now_us() + load->second_ms * 1e3;

	for (unsigned viewer = 0; viewer < row->viewers; viewer++)
		for (unsigned i = 0; i < 2 && row->path[i]; i++)
			ask_web(row->path[i]);
	while (now_us() < until)
		poll(NULL, 0, 1 + (int)((until - now_us()) / 1e3));
	return web_cpu_ms() - before;
}

static void measure_web(const struct web_row *row, bool may)
{
	double values[SECONDS];

	say_progress("%s: %s", row->name, row->side);
	if (may)
		measure_second(row); /* the first look is dearer */
	for (unsigned second = 0; may && second < load->seconds; second++)
		values[second] = measure_second(row) * (row->share ? 100 / load->second_ms : 1);
	end_progress();
	add_row(row->name, row->side, values, may ? load->seconds : 0, row->share ? "%" : "ms");
}

int main(int argc, char **argv)
{
	const struct bench_options options = take_options(argc, argv);
	bool is_root = geteuid() == 0;

	load = &loads[options.effort];
	berth = find_berth();
	enter_namespace();
	if (is_root)
		hide_other_daemons();
	fill_host(PORT, load->held);
	measure_looks("CPU time of a look at all sockets", false, true);
	measure_looks("CPU time of a look at all sockets, as root", true, is_root);
	if (is_root)
		start_own_daemon(berth);
	measure_looks("CPU time of a look at all sockets, beside a berth daemon", true, is_root);
	for (size_t row = 0; row < WEB_ROWS; row++)
		measure_web(&web_rows[row], is_root);
	if (is_root)
		end_own_daemon();
	report_finish(&report, "view", &options);
	return 0;
}
