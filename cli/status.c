/* SPDX-License-Identifier: MIT
 *
 * berth status: the port space on one screen.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/command.h"
#include "cli/kernel_report.h"
#include "cli/look.h"
#include "host/address_text.h"
#include "view/port_report.h"
#include "view/text.h"

#define FULLEST	    10u
#define NAME_WIDTH  32
#define LINE_WIDTH  80
#define EXIT_WARNED 3

static const char help[] =
	"Usage: berth status [--interval=SECONDS] [--warn=PERCENT] [--json]\n"
	"\n"
	"The ports of this network namespace: range, settings, and the ten destinations with the fewest\n"
	"ports left. Needs no privilege.\n"
	"\n"
	"  -i, --interval=SECONDS  look twice, so far apart, for exact rates; without it the rate is that\n"
	"                          of TIME_WAIT in the last ten seconds, which does not see connections\n"
	"                          that stay open\n"
	"  -w, --warn=PERCENT      exit with 3 if so many of a destination's ports are taken\n"
	"      --json              print one object\n"
	"  -h, --help              this text\n"
	"\n"
	"The object:\n"
	"  berth, kernel     versions\n"
	"  range             first, last; reserved and held (bound or listening) ports in it; usable: the rest\n"
	"  sockets           in_use (connections and listeners), time_wait, both of all ports; begun_here and\n"
	"                    inbound_in_range (connections on ports of the range, TIME_WAIT included)\n"
	"  source            what the numbers are from: bind-table (read by eBPF) or sock-diag\n"
	"  kernel_mode       attached (by berth daemon; null: not to be seen by the caller), daemon (one\n"
	"                    runs), version, build, cgroup, hooks; and, each null where another build of berth\n"
	"                    attached them:\n"
	"    settings        policy, exhausted; withheld: ports; how many excluded_cgroups and\n"
	"                    excluded_destinations there are\n"
	"    ways            of each program how it answered calls, see berth(1)\n"
	"    time_wait       max_free_tw_tcbs, timed_wait_delay_s (null: not set), timestamps_only: in force\n"
	"    governor        connections in TIME_WAIT: entered, ended-cap (by MaxFreeTWTcbs), ended-delay (by\n"
	"                    TcpTimedWaitDelay), ended-late of these, gone, spared; dumps, lost reports;\n"
	"                    kept-away for longer than in TIME_WAIT, kept-lost (forgotten)\n"
	"    events[]        of the last ten destinations for which there was no port: event\n"
	"                    (ports-exhausted or time-wait-collision) and its number, remote, netns (its\n"
	"                    cookie), count of calls, last_s: seconds ago, advice\n"
	"    ports_exhausted[]  the same by destination: remote, netns, count, of which collisions, last_s\n"
	"  settings          tcp_timestamps, tcp_tw_reuse, tcp_tw_reuse_delay_ms, ip_autobind_reuse,\n"
	"                    tcp_max_tw_buckets\n"
	"  addresses[]       the busiest: local, fresh (ports without any socket, for bind to port 0)\n"
	"  destination_count all there are\n"
	"  destinations[]    remote, local; used, waiting (TIME_WAIT), free: ports; takes_over (connect can\n"
	"                    take those in TIME_WAIT over); blocked (ports connect cannot have) and\n"
	"                    full_percent; taken_per_s (null: not known); exhausts (true, false, or null:\n"
	"                    not known) and seconds_left\n";

struct status_options {
	double interval_s; /* 0: one look */
	int warn_percent;  /* -1: none */
	bool json;
};

static const struct option long_options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "warn", required_argument, NULL, 'w' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int take_option(int option, void *context)
{
	struct status_options *options = context;
	double number;

	switch (option) {
	case 'i':
		if (!read_number(optarg, "s", 0, LONGEST_INTERVAL_S, &options->interval_s))
			return usage_error("status", "--interval=%s: from 0 to 3600 seconds", optarg);
		return -1;
	case 'w':
		if (!read_number(optarg, "%", 1, 100, &number))
			return usage_error("status", "--warn=%s: a percentage from 1 to 100, such as 80%%",
					   optarg);
		options->warn_percent = (int)number;
		return -1;
	default:
		options->json = true;
		return -1;
	}
}

static const struct command_options command_options = {
	"status", help, ":i:w:h", long_options, "'berth explain' is for one destination", take_option
};

static void print_head(const struct port_report *report)
{
	const struct view_snapshot *now = report->now;
	const struct port_sysctls *ports = &now->ports;
	unsigned range = ports->last - ports->first + 1;
	char a[VIEW_NUMBER_TEXT], b[VIEW_NUMBER_TEXT], c[VIEW_NUMBER_TEXT], address[ENDPOINT_TEXT];
	struct utsname kernel = { 0 };

	uname(&kernel);
	printf("berth " BERTH_VERSION ", Linux %s\n\n", kernel.release);
	printf("Range     %u-%u, %s ports: %s usable, %s reserved or bound\n", ports->first, ports->last,
	       view_number_text(range, a), view_number_text(report->usable, b),
	       view_number_text(range - report->usable, c));
	printf("Sockets   %s connections and listeners, %s in TIME_WAIT of at most %s\n",
	       view_number_text(now->totals.in_use, a), view_number_text(now->totals.time_wait, b),
	       view_number_text(now->reuse.max_tw_buckets, c));
	printf("Settings  tcp_timestamps %s, tcp_tw_reuse %d, ip_autobind_reuse %d\n",
	       ports->timestamps ? "on" : "off", (int)now->reuse.tw_reuse, now->reuse.autobind_reuse);
	kernel_report_print();
	for (unsigned i = 0; i < report->addresses; i++)
		printf("%s%s: %s ports that nobody is on\n", i ? "          " : "bind(0)   ",
		       address_text(&report->address[i].address, address),
		       view_number_text(report->address[i].fresh, a));
}

/* The name, padded to its column; one that is too long has a line, or two, for itself. */
static void print_name(const struct view_pair *pair)
{
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];
	int length = (int)(strlen(endpoint_text(&pair->remote, remote)) + strlen(" from ") +
			   strlen(address_text(&pair->local, local)));

	printf("%s%s from %s", remote, length >= LINE_WIDTH ? "\n " : "", local);
	printf("%s%*s", length >= NAME_WIDTH ? "\n" : "",
	       length >= NAME_WIDTH ? NAME_WIDTH : NAME_WIDTH - length, "");
}

static void print_destination(const struct report_destination *destination)
{
	const struct view_outlook *outlook = &destination->outlook;
	char text[5][VIEW_NUMBER_TEXT];

	print_name(&destination->pair);
	printf("%8s%8s%8s%5u%%%8s%10s\n", view_number_text(outlook->used, text[0]),
	       view_number_text(outlook->waiting, text[1]), view_number_text(outlook->free, text[2]),
	       destination->full_percent, view_rate_text(outlook->taken_per_s, text[3]),
	       view_duration_text(outlook->seconds_left, text[4]));
}

static void print_text(const struct port_report *report)
{
	size_t more = report->now->reached - report->destinations;
	bool takes_over = false;

	print_head(report);
	if (report->destinations == 0) {
		puts("\nNo connection that was begun here is on a port of the range.");
		return;
	}
	printf("\n%-*s%8s%8s%8s%6s%8s%10s\n", NAME_WIDTH, "Destination", "used", "waiting", "free", "full",
	       "per s", "full in");
	for (size_t i = 0; i < report->destinations; i++) {
		print_destination(&report->destination[i]);
		takes_over |= report->destination[i].takes_over && report->destination[i].outlook.waiting;
	}
	if (more)
		printf("and %zu less full\n", more);
	if (takes_over)
		puts("Waiting ports do not make it full where tcp_tw_reuse gives them to connect().");
}

/* Whether a destination is as full as that. */
static bool is_reached(const struct port_report *report, int percent)
{
	for (size_t i = 0; percent > 0 && i < report->destinations; i++)
		if ((int)report->destination[i].full_percent >= percent)
			return true;
	return false;
}

static json_t *status_json(const struct port_report *report)
{
	json_t *document = port_report_json(report);

	json_object_set_new(document, "kernel_mode", kernel_report_json());
	return document;
}

static int show(const struct status_options *options, const struct looks *looks)
{
	struct port_report report;
	int error = port_report_make(&report, &looks->now, looks_before(looks), FULLEST);
	bool reached;

	if (error)
		return failure("status", "%s", strerror(-error));
	if (options->json)
		error = print_json(status_json(&report), JSON_INDENT(2));
	else
		print_text(&report);
	reached = is_reached(&report, options->warn_percent);
	port_report_free(&report);
	if (error)
		return failure("status", "%s", strerror(-error));
	return reached ? EXIT_WARNED : EXIT_OK;
}

int command_status(int argc, char **argv)
{
	struct status_options options = { .warn_percent = -1 };
	static struct looks looks;
	int status = read_options(&command_options, argc, argv, &options), error;

	if (status >= 0)
		return status;
	if (optind < argc)
		return usage_error("status", "unexpected '%s'; 'berth explain' is for one destination",
				   argv[optind]);
	looks_use_owners(&looks, VIEW_RANGE);
	error = looks_take(&looks, VIEW_RANGE, options.interval_s);
	status = error ? failure("status", "cannot read the kernel's socket table: %s", strerror(-error))
		       : show(&options, &looks);
	looks_free(&looks);
	return status;
}
