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
	"  --config=FILE          the settings, instead of those in /etc/berth/berth.conf; SIGHUP has them read again\n"
	"  --cgroup=PATH          only to the programs in this cgroup and below it; goes before that of the settings\n"
	"  --pin=DIR              where in a bpf filesystem it is kept; the default is /sys/fs/bpf/berth\n"
	"  --check                check the settings, have the kernel check the program, say what would be done, and\n"
	"                         end\n"
	"  -h, --help             this text\n";

enum {
	OPTION_CONFIG = 256,
	OPTION_CGROUP,
	OPTION_PIN,
	OPTION_CHECK
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
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
	case OPTION_CONFIG:
		options->config_path = optarg;
		return -1;
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
