/* SPDX-License-Identifier: MIT
 *
 * What a look at the port space costs on a host with 100,000 sockets: the CPU time, user and system, of a whole process; as
 * any user, and as root with a berth daemon on the host. Then what that daemon takes for a scrape, and for the page, in a
 * second each.
 *
 *	build/bench/view [--json]
 *
 * Half of the sockets are in the port range; the other half, the far ends, are not. Medians of ROUNDS processes and of SECONDS.
 * BERTH names another binary than the one beside this one.
 */
#include "bench/bench.h"
#include "bench/many_sockets.h"
#include "bench/own_daemon.h"

enum {
	ROUNDS = 15,
	SECONDS = 9,
	PORT = 7001,
};

static const char *berth;

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

static double cpu_ms(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

/* CPU time of one process that does what the row says. */
static double run_once(size_t row)
{
	struct rusage usage;
	int status;
	pid_t pid = check(fork(), "fork");

	if (pid == 0) {
		char *arguments[6] = { (char *)berth };

		for (unsigned i = 0; i < 5; i++)
			arguments[i + 1] = (char *)rows[row].argument[i];
		dup2(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"), STDOUT_FILENO);
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

static double measure(size_t row)
{
	double times[ROUNDS];

	for (int round = 0; round < ROUNDS; round++)
		times[round] = run_once(row);
	return median(times, ROUNDS);
}

/* The row's CPU time, in milliseconds. */
static void print_row(const char *who, const char *title, double ms, bool json)
{
	static bool is_later;

	if (json)
		printf("%s\n \"%s%s\": %.1f", is_later ? "," : "", who, title, ms);
	else
		printf("  %-52s%8.1f ms\n", title, ms);
	is_later = true;
}

static void measure_rows(const char *who, bool json)
{
	for (size_t row = 0; row < ROWS; row++)
		print_row(who, rows[row].title, measure(row), json);
}

/* CPU time that the web process takes in a second in which it is asked for these paths. */
static double measure_second(const char *const paths[])
{
	double before = web_cpu_ms();

	for (unsigned i = 0; paths[i]; i++)
		if (ask_web(paths[i]) < 1000)
			fail(paths[i]);
	poll(NULL, 0, 1000);
	return web_cpu_ms() - before;
}

static double measure_web(const char *const paths[])
{
	double times[SECONDS];

	measure_second(paths); /* the first look is dearer */
	for (unsigned second = 0; second < SECONDS; second++)
		times[second] = measure_second(paths);
	return median(times, SECONDS);
}

static void measure_daemon(bool json)
{
	print_row("", "a scrape of /metrics", measure_web((const char *const[]){ "/metrics", NULL }), json);
	print_row(
		"", "a second of the page",
		measure_web((const char *const[]){ "/api/v1/status?destinations=100", "/api/v1/map", NULL }),
		json);
	print_row("", "a second of the page, ten viewers",
		  measure_web((const char *const[]){ "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     "/api/v1/status?destinations=100",
						     "/api/v1/map",
						     NULL }),
		  json);
}

int main(int argc, char **argv)
{
	bool json = wants_json(argc, argv), is_root = geteuid() == 0;

	berth = find_berth();
	enter_namespace();
	fill_host(PORT);
	printf(json ? "{\"sockets\": %d, \"unit\": \"ms\", \"p50\": {"
		    : "CPU time with %d sockets on the host\n",
	       2 * HOLDERS * HELD);
	measure_rows("", json);
	if (is_root) {
		start_own_daemon(berth);
		if (!json)
			puts("as root, and berth daemon is there");
		measure_rows("with daemon: ", json);
		measure_daemon(json);
		end_own_daemon();
	}
	puts(json ? "}}" : "");
	return 0;
}
