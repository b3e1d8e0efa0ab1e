/* SPDX-License-Identifier: MIT
 *
 * berth daemon: smart ports for a machine or a cgroup.
 */
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
	OPTION_CONFIG = OPTION_OWN,
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

struct request {
	struct daemon_options options;
	bool check;
};

static int take_option(int option, void *context)
{
	struct request *request = context;

	switch (option) {
	case OPTION_CONFIG:
		request->options.config_path = optarg;
		return -1;
	case OPTION_CGROUP:
		request->options.cgroup = optarg;
		return -1;
	case OPTION_PIN:
		request->options.pin = optarg;
		return -1;
	default:
		request->check = true;
		return -1;
	}
}

static const struct command_options command_options = {
	"daemon", help, ":h", long_options, "'berth daemon --help' shows how", take_option
};

int command_daemon(int argc, char **argv)
{
	struct request request = { 0 };
	int status = read_options(&command_options, argc, argv, &request);

	if (status >= 0)
		return status;
	return request.check ? daemon_check(&request.options) : daemon_run(&request.options);
}
