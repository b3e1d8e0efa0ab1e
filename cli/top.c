/* SPDX-License-Identifier: MIT
 *
 * berth top: the port space, live.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/look.h"
#include "cli/top_keeper.h"
#include "cli/top_screen.h"

#define USUAL_INTERVAL_S 2.0
#define IN_A_LINE	 10u

static const char help[] =
	"Usage: berth top [--interval=SECONDS] [--count=N] [--json]\n"
	"\n"
	"The destinations with the fewest ports left, live. The key ? lists the keys, q quits.\n"
	"Needs no privilege.\n"
	"\n"
	"  -i, --interval=SECONDS  between two looks (2)\n"
	"  -n, --count=N           end after so many looks\n"
	"      --json              no screen: for each look one line with one object, as in\n"
	"                          'berth status --help'\n"
	"  -h, --help              this text\n";

static const struct option long_options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int take_option(int option, void *context)
{
	struct top_options *options = context;
	double number;

	switch (option) {
	case 'i':
		if (!read_number(optarg, "s", 0.1, LONGEST_INTERVAL_S, &options->interval_s))
			return usage_error("top", "--interval=%s: from 0.1 to 3600 seconds", optarg);
		return -1;
	case 'n':
		if (!read_number(optarg, "", 1, 1e9, &number) || number != (unsigned)number)
			return usage_error("top", "--count=%s: a number of looks, from 1", optarg);
		options->count = (unsigned)number;
		return -1;
	default:
		options->json = true;
		return -1;
	}
}

static const struct command_options command_options = {
	"top", help, ":i:n:h", long_options, "the key / filters", take_option
};

/* A line for each look. Ends when nobody reads them any more. */
static int print_lines(const struct top_options *options)
{
	static struct looks looks;
	int error = 0;

	looks_use_owners(&looks, VIEW_RANGE);
	for (unsigned i = 0; !error && (options->count == 0 || i < options->count); i++) {
		struct port_report report;

		error = i ? looks_again(&looks, VIEW_RANGE, options->interval_s)
			  : looks_take(&looks, VIEW_RANGE, 0);
		if (!error)
			error = port_report_make(&report, &looks.now, looks_before(&looks), IN_A_LINE);
		if (error)
			break;
		error = print_json(port_report_json(&report), JSON_COMPACT);
		port_report_free(&report);
		if (fflush(stdout) != 0)
			break;
	}
	looks_free(&looks);
	return error ? failure("top", "cannot read the kernel's socket table: %s", strerror(-error))
		     : EXIT_OK;
}

int command_top(int argc, char **argv)
{
	struct top_options options = { .interval_s = USUAL_INTERVAL_S };
	int status = read_options(&command_options, argc, argv, &options);

	if (status >= 0)
		return status;
	return options.json ? print_lines(&options) : top_keep(top_screen_run, &options);
}
