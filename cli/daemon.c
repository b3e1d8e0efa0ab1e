/* SPDX-License-Identifier: MIT
 *
 * berth daemon: smart ports for a machine or a cgroup.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/command.h"
#include "daemon/daemon.h"

static const char help[] =
	"Usage: berth daemon [OPTION...]\n"
	"Gives smart ports to every program of this machine, by eBPF. What it attaches stays when it ends or is\n"
	"killed; a newer berth takes it over without a gap; 'berth detach' removes it. Needs root.\n\n"
	"  --cgroup=PATH          only to the programs in this cgroup and below it\n"
	"  --pin=DIR              where in a bpf filesystem it is kept; the default is /sys/fs/bpf/berth\n"
	"  --check                say what would be done, have the kernel check the program, and end\n"
	"  -h, --help             this text\n";

enum {
	OPTION_CGROUP = 256,
	OPTION_PIN,
	OPTION_CHECK
};

static const struct option long_options[] = {
	{ "cgroup", required_argument, NULL, OPTION_CGROUP },
	{ "pin", required_argument, NULL, OPTION_PIN },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* -1 to go on, or the exit status. */
static int take_option(int option, char **argv, struct daemon_options *options, bool *check)
{
	switch (option) {
	case OPTION_CGROUP:
		options->cgroup = optarg;
		return -1;
	case OPTION_PIN:
		options->pin = optarg;
		return -1;
	case OPTION_CHECK:
		*check = true;
		return -1;
	default:
		return common_option("daemon", help, option, argv);
	}
}

int command_daemon(int argc, char **argv)
{
	struct daemon_options options = { 0 };
	bool check = false;
	int option, status;

	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		status = take_option(option, argv, &options, &check);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return usage_error("daemon", "'%s' is one word too many; 'berth daemon --help' shows how",
				   argv[optind]);
	return check ? daemon_check(&options) : daemon_run(&options);
}
