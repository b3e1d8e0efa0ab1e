/* SPDX-License-Identifier: MIT
 *
 * berth explain: what a connect() to one destination would get now, and why.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/explain_text.h"
#include "cli/look.h"
#include "host/address_text.h"
#include "view/port_report.h"

static const char help[] =
	"Usage: berth explain [--from=ADDRESS] [--interval=SECONDS] [--json] ADDRESS:PORT\n"
	"\n"
	"Says what a connect() to that destination would get now and why: which ports are taken and by\n"
	"whom, when they come back or run out, and what would help. Names are resolved; an IPv6 address\n"
	"goes in brackets. Needs no privilege, but only root sees processes of other users.\n"
	"\n"
	"      --from=ADDRESS      the local address; otherwise the one that the routing table says\n"
	"  -i, --interval=SECONDS  look twice, so far apart, for the rates (1); 0 looks once\n"
	"      --json              print one object\n"
	"  -h, --help              this text\n"
	"\n"
	"The object has, beside what 'berth status --help' says of range, settings and a destination:\n"
	"  asked, addresses  what was typed, and how many addresses it has; remote is the first\n"
	"  verdict           at-once, search (it takes long), take-over (of a port in TIME_WAIT),\n"
	"                    exhausted, no-route\n"
	"  error             what connect() fails with (null: it does not)\n"
	"  steered           whether Berth's kernel mode chooses, for programs in the caller's cgroup\n"
	"  search            ports that the kernel looks at, expected, if it does not\n"
	"  fresh             ports that nobody is on, for bind to port 0\n"
	"  elsewhere         connections to it from other local addresses\n"
	"  states            connections by the state's name\n"
	"  processes[]       holder: process (pid, name), hidden (from who is not root) or orphaned\n"
	"                    (closed by its program); uid; sockets\n"
	"  waited_s[]        ports by the whole seconds that they have been in TIME_WAIT, from 0\n"
	"  closed_here_per_s connections a second that entered TIME_WAIT in the last ten seconds\n"
	"  timestamps        whether both ends use them (null: not known)\n"
	"  advice[]          the safest first: id, risk (none, low, medium, high), gain_ports\n";

struct explain_options {
	const char *from;
	double interval_s;
	bool json;
};

enum {
	OPTION_FROM = OPTION_OWN
};

static const struct option long_options[] = {
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "interval", required_argument, NULL, 'i' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int take_option(int option, void *context)
{
	struct explain_options *options = context;

	switch (option) {
	case OPTION_FROM:
		options->from = optarg;
		return -1;
	case 'i':
		if (!read_number(optarg, "s", 0, LONGEST_INTERVAL_S, &options->interval_s))
			return usage_error("explain", "--interval=%s: from 0 to 3600 seconds", optarg);
		return -1;
	default:
		options->json = true;
		return -1;
	}
}

static const struct command_options command_options = { "explain",    help, ":i:h",
							long_options, NULL, take_option };

static int say_no_route(const char *asked, const struct destination *destination, bool json)
{
	char remote[ENDPOINT_TEXT];

	if (json)
		return print_json(explain_no_route_json(asked, destination), JSON_INDENT(2));
	printf("%s\nconnect() fails with %s: %s.\n", endpoint_text(&destination->pair.remote, remote),
	       strerrorname_np(-destination->route_error), strerror(-destination->route_error));
	return 0;
}

static int explain(const char *asked, const struct destination *destination,
		   const struct explain_options *options, const struct looks *looks)
{
	struct view_explanation explanation;
	struct view_process *process = NULL;
	struct explain_document document = { .out = stdout,
					     .asked = asked,
					     .destination = destination,
					     .now = &looks->now,
					     .explanation = &explanation };
	int error = view_explain(&looks->now, looks_before(looks), &destination->pair, &explanation);

	if (!error)
		error = view_processes(&looks->now, &destination->pair, &process, &document.processes);
	if (error)
		return error;
	document.process = process;
	document.advices = view_advise(&looks->now, &explanation, document.advice);
	if (options->json)
		error = print_json(explain_json(&document), JSON_INDENT(2));
	else
		explain_print(&document);
	free(process);
	return error;
}

int command_explain(int argc, char **argv)
{
	struct explain_options options = { .interval_s = 1 };
	struct destination destination;
	static struct looks looks;
	int status = read_options(&command_options, argc, argv, &options), error;

	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return usage_error("explain", "give one ADDRESS:PORT, such as 192.0.2.1:443");
	status = destination_read("explain", argv[optind], options.from, &destination);
	if (status != EXIT_OK)
		return status;
	if (destination.route_error) {
		error = say_no_route(argv[optind], &destination, options.json);
		return error ? failure("explain", "%s", strerror(-error)) : EXIT_OK;
	}
	error = looks_take(&looks, VIEW_ALL, options.interval_s);
	if (!error)
		error = explain(argv[optind], &destination, &options, &looks);
	looks_free(&looks);
	return error ? failure("explain", "cannot read the kernel's socket table: %s", strerror(-error))
		     : EXIT_OK;
}
