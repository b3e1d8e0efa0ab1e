/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "cli/command.h"
#include "cli/demo_judge.h"
#include "cli/demo_table.h"
#include "cli/demo_worker.h"

#define RANGE	      1000u
#define TIME_LIMIT_US 240000000u /* for a slow or busy machine; others need twelve seconds */
#define SPARE_FILES   64u	 /* descriptors that are not connections */
#define MIN_KEPT      32u
#define STOCK_WALKS   16u /* stock picks at random and may be lucky so often */
#define BERTH_WALKS   4u  /* with each setting; none may fail */
#define FAULT_SIZE    192

/* Attempts are given in port ranges. Timestamps do not matter to connections that are kept open. */
static const struct load_plan {
	unsigned destinations;
	unsigned rounds;
	bool timestamps;
	bool reuse;
	bool keep;
} plans[] = {
	{ 4, 4, true, false, false }, { 4, 4, true, true, false }, { 4, 4, false, false, false },
	{ 4, 3, false, true, false }, { 4, 4, true, false, true }, { 4, 4, true, true, true },
	{ 1, 2, true, false, false }, { 1, 2, true, true, false }, { 1, 2, false, false, false },
	{ 1, 2, false, true, false }, { 1, 2, true, false, true },
};

#define PLAN_COUNT (sizeof(plans) / sizeof(plans[0]))

/* The show: what is given, what came out, and what is said at the end. */
struct show {
	struct demo_table table;
	bool json;
	bool ipv6;
	unsigned kept_limit; /* how many connections the limit on open files lets us keep */
	uint64_t deadline_us;
	json_t *walks;
	json_t *loads;
	unsigned room; /* summed over the loads */
	unsigned lost[DEMO_SIDES];
	char fault[FAULT_SIZE]; /* the first thing that was not held; "" if none */
};

static const char help[] =
	"Usage: berth demo [--json]\n"
	"\n"
	"Walks the ten steps and fills a range of 1000 ports, on this kernel with real sockets, without\n"
	"and with Berth, in a private network namespace. Needs root or user namespaces.\n"
	"Exit status: 0 Berth held all it should, 1 it did not, 2 usage.\n"
	"\n"
	"--json prints one object:\n"
	"  berth, kernel   versions\n"
	"  ten_steps[]     one walk each: side (\"stock\", \"berth\"), autobind_reuse, first_port (step 2),\n"
	"                  first_time_wait (step 6 was seen), other_port and other_time_wait (the\n"
	"                  connection to B), second_port (step 8; 0: none given), failure (step 10:\n"
	"                  call, errno, error; null: none)\n"
	"  capacity[]      one load each: family (4, 6), destinations, ports, attempts, timestamps,\n"
	"                  autobind_reuse, kept_open, room (attempts the ports have room for), slack\n"
	"                  (how many of them may be missed), held, and stock and berth with made, failed,\n"
	"                  outside_range (to be 0), elapsed_us (in bind and connect), and failures[]\n"
	"                  (call, errno, error, count)\n"
	"  room, stock_lost, berth_lost\n"
	"                  sums over capacity[]: the room, and how much of it failed\n"
	"  held, fault     the verdict, and what was not held (null: nothing)\n";

/* Keeps the first fault: what follows is often its echo. */
static void fault(struct show *show, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct show *show, const char *format, ...)
{
	va_list arguments;

	if (show->fault[0])
		return;
	va_start(arguments, format);
	vsnprintf(show->fault, sizeof(show->fault), format, arguments);
	va_end(arguments);
}

static int run_fault(struct show *show, enum demo_side side, int err)
{
	const char *why = strerror(-err);

	if (err == -EBADMSG)
		why = "the socket program ended without a result";
	if (err == -ETIME)
		why = "it did not end in time";
	fault(show, "a run %s Berth failed: %s", side == DEMO_BERTH ? "with" : "without", why);
	return err;
}

static void record_walk(struct show *show, const struct demo_load *load, enum demo_side side,
			const struct demo_walk *walk)
{
	json_t *object = demo_walk_to_json(walk);

	json_object_set_new(object, "side", json_string(side == DEMO_BERTH ? "berth" : "stock"));
	json_object_set_new(object, "autobind_reuse", json_boolean(load->reuse));
	json_array_append_new(show->walks, object);
}

/* Walks until step 10 is an error, at most limit times. */
static int walk(struct show *show, enum demo_side side, bool reuse, unsigned limit,
		struct demo_walk *ret_walk)
{
	const struct demo_load load = { .family = 4, .destinations = 2, .ports = 2, .reuse = reuse };

	for (unsigned i = 0; i < limit; i++) {
		int err = demo_stage_walk(&load, side, show->deadline_us, ret_walk);

		if (err < 0)
			return run_fault(show, side, err);
		record_walk(show, &load, side, ret_walk);
		if (ret_walk->error)
			break;
	}
	if (side == DEMO_BERTH && ret_walk->error)
		fault(show, "Berth met step 10: %s failed with %s", demo_call_name(ret_walk->last_call),
		      strerrorname_np(ret_walk->error));
	return 0;
}

static int show_walks(struct show *show)
{
	struct demo_walks walks = { 0 };
	struct demo_walk berth_reuse = { 0 };
	int err;

	demo_table_progress(&show->table, " the ten steps ...");
	err = walk(show, DEMO_STOCK, false, 1, &walks.stock);
	if (err == 0)
		err = walk(show, DEMO_STOCK, true, STOCK_WALKS, &walks.stock_reuse);
	if (err == 0)
		err = walk(show, DEMO_BERTH, false, BERTH_WALKS, &walks.berth);
	if (err == 0)
		err = walk(show, DEMO_BERTH, true, BERTH_WALKS, &berth_reuse);
	demo_table_progress(&show->table, "%s", "");
	if (err < 0)
		return err;
	/* Two settings share the last column: the one that failed is the one to show. */
	if (berth_reuse.error)
		walks.berth = berth_reuse;
	if (!show->json)
		demo_table_walks(&show->table, &walks);
	return 0;
}

static struct demo_load load_of(const struct show *show, const struct load_plan *plan)
{
	unsigned ports = RANGE;

	if (plan->keep && show->kept_limit / plan->rounds < ports)
		ports = show->kept_limit / plan->rounds;
	return (struct demo_load){
		.family = 4,
		.destinations = plan->destinations,
		.ports = ports,
		.attempts = plan->rounds * ports,
		.timestamps = plan->timestamps,
		.reuse = plan->reuse,
		.keep = plan->keep,
	};
}

static void record_load(struct show *show, const struct demo_load *load, const struct demo_count *count)
{
	bool held = demo_held(load, &count[DEMO_STOCK], &count[DEMO_BERTH]);
	unsigned room = demo_room(load);

	show->room += room;
	for (unsigned side = 0; side < DEMO_SIDES; side++)
		show->lost[side] += count[side].made < room ? room - count[side].made : 0;
	if (!held)
		fault(show,
		      "with Berth %u connections of %u were made (%u without; IPv%u, destinations: %u, %s, "
		      "timestamps %s, reuse %s)",
		      count[DEMO_BERTH].made, load->attempts, count[DEMO_STOCK].made, load->family,
		      load->destinations, load->keep ? "kept open" : "closed",
		      load->timestamps ? "on" : "off", load->reuse ? "on" : "off");
	json_array_append_new(show->loads,
			      json_pack("{s:i, s:i, s:i, s:i, s:b, s:b, s:b, s:i, s:i, s:b, s:o, s:o}",
					"family", load->family, "destinations", load->destinations, "ports",
					load->ports, "attempts", load->attempts, "timestamps",
					load->timestamps, "autobind_reuse", load->reuse, "kept_open",
					load->keep, "room", room, "slack", demo_slack(load), "held", held,
					"stock", demo_count_to_json(&count[DEMO_STOCK]), "berth",
					demo_count_to_json(&count[DEMO_BERTH])));
}

static int show_row(struct show *show, const struct load_plan *plan)
{
	struct demo_row row = { .load = load_of(show, plan), .families = show->ipv6 ? 2 : 1 };

	for (unsigned i = 0; i < row.families; i++) {
		row.load.family = i == 0 ? 4 : 6;
		for (unsigned side = 0; side < DEMO_SIDES; side++) {
			int err;

			demo_table_progress(&show->table, "   %u of %zu: IPv%u, %s ...",
					    (unsigned)(plan - plans) + 1, PLAN_COUNT, row.load.family,
					    side == DEMO_BERTH ? "Berth" : "stock Linux");
			err = demo_stage_load(&row.load, side, show->deadline_us, &row.count[i][side]);
			demo_table_progress(&show->table, "%s", "");
			if (err < 0)
				return run_fault(show, side, err);
		}
		record_load(show, &row.load, row.count[i]);
	}
	if (!show->json)
		demo_table_row(&show->table, &row);
	return 0;
}

static int show_loads(struct show *show)
{
	unsigned destinations = 0;

	if (!show->json)
		demo_table_head(&show->table);
	for (size_t i = 0; i < PLAN_COUNT; i++) {
		int err;

		if (!show->json && plans[i].destinations != destinations)
			demo_table_group(&show->table, plans[i].destinations, RANGE);
		destinations = plans[i].destinations;
		err = show_row(show, &plans[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

static json_t *show_json(const struct show *show, const char *kernel)
{
	return json_pack("{s:s, s:s, s:O, s:O, s:i, s:i, s:i, s:b, s:s?}", "berth", BERTH_VERSION, "kernel",
			 kernel, "ten_steps", show->walks, "capacity", show->loads, "room", show->room,
			 "stock_lost", show->lost[DEMO_STOCK], "berth_lost", show->lost[DEMO_BERTH], "held",
			 !show->fault[0], "fault", show->fault[0] ? show->fault : NULL);
}

static void close_table(const struct show *show)
{
	demo_table_legend(&show->table);
	if (!show->ipv6)
		puts(" This kernel has no IPv6: only IPv4 was tried.");
	if (show->kept_limit < 4 * RANGE)
		printf(" Kept-open loads are smaller: at most %u descriptors may be open (ulimit -n).\n",
		       show->kept_limit + SPARE_FILES);
	demo_table_closing(&show->table,
			   " Of %u connections with room for them, stock Linux failed %u, Berth %u.",
			   show->room, show->lost[DEMO_STOCK], show->lost[DEMO_BERTH]);
}

/* Prints what is still to be printed. Returns the exit status. */
static int close_show(struct show *show, const char *kernel, bool complete)
{
	if (show->json)
		print_json(show_json(show, kernel), JSON_INDENT(2));
	else if (complete)
		close_table(show);
	return show->fault[0] ? failure("demo", "%s", show->fault) : EXIT_OK;
}

/* A descriptor for each connection is needed, here and in the peer. */
static unsigned raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	if (files.rlim_max <= SPARE_FILES)
		return 0;
	return files.rlim_max > 1u << 20 ? 1u << 20 : (unsigned)files.rlim_max - SPARE_FILES;
}

static int no_stage(int err)
{
	if (err == -EROFS)
		return failure("demo",
			       "/proc/sys is read-only here, so the demo's private network cannot be set up");
	return failure(
		"demo",
		"cannot make a private network namespace (%s): run it as root, or allow user namespaces "
		"(user.max_user_namespaces, kernel.unprivileged_userns_clone, "
		"kernel.apparmor_restrict_unprivileged_userns)",
		strerror(-err));
}

static int run_show(bool json)
{
	struct show show = { .json = json, .kept_limit = raise_file_limit() };
	struct utsname system;
	int err = demo_stage_try(4);
	bool complete;
	int status;

	if (err < 0)
		return no_stage(err);
	if (show.kept_limit < MIN_KEPT)
		return failure("demo", "the limit on open files is too low: %u are needed (ulimit -n)",
			       MIN_KEPT + SPARE_FILES);
	uname(&system);
	err = demo_stage_try(6);
	if (err < 0 && err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
		return no_stage(err);
	show.ipv6 = err == 0;
	show.deadline_us = demo_now_us() + TIME_LIMIT_US;
	show.walks = json_array();
	show.loads = json_array();
	demo_table_start(&show.table, stdout);
	if (!json)
		demo_table_title(&show.table, system.release);
	complete = show_walks(&show) == 0 && show_loads(&show) == 0;
	status = close_show(&show, system.release, complete);
	json_decref(show.walks);
	json_decref(show.loads);
	return status;
}

enum {
	OPTION_WORKER = OPTION_OWN
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "worker", required_argument, NULL, OPTION_WORKER }, /* the demo's own: see cli/demo_worker.h */
	{ 0 },
};

static int take_option(int option, void *json)
{
	*(bool *)json |= option == OPTION_JSON;
	return option == OPTION_WORKER ? demo_worker_main(optarg) : -1;
}

static const struct command_options command_options = {
	"demo", help, ":h", long_options, "'berth demo --help' shows how", take_option
};

int command_demo(int argc, char **argv)
{
	bool json = false;
	int status = read_options(&command_options, argc, argv, &json);

	return status >= 0 ? status : run_show(json);
}
