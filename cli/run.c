/* SPDX-License-Identifier: MIT
 *
 * berth run: a program with smart ports.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "daemon/kernel_run.h"
#include "supervise/supervise.h"

static const char help[] =
	"Usage: berth run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	"Runs PROGRAM, and all it starts, with smart ports. The exit status is the program's own.\n\n"
	"  --mode=auto|supervise|kernel\n"
	"                         how calls are intercepted: supervise by seccomp, for any user (auto, the\n"
	"                         default, is the same); kernel by eBPF, for root: connect() without bind\n"
	"  --policy=berth|sp1|legacy\n"
	"                         which port is given: Berth's rule (default), that of Windows Server\n"
	"                         2003 SP1, or the one before it\n"
	"  -v, --verbose          say on stderr, when PROGRAM has ended, how its calls were answered\n"
	"  -h, --help             this text\n";

enum {
	OPTION_MODE = 256,
	OPTION_POLICY
};

static const struct option long_options[] = {
	{ "mode", required_argument, NULL, OPTION_MODE },
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* -1 to go on, or the exit status. */
static int take_option(int option, char **argv, struct supervise_options *options, bool *kernel)
{
	switch (option) {
	case OPTION_MODE:
		*kernel = strcmp(optarg, "kernel") == 0;
		if (!*kernel && strcmp(optarg, "auto") != 0 && strcmp(optarg, "supervise") != 0)
			return usage_error("run", "--mode=%s: a mode is auto, supervise or kernel", optarg);
		return -1;
	case OPTION_POLICY:
		if (!berth_policy_find(optarg, &options->policy))
			return usage_error("run", "--policy=%s: a policy is berth, sp1 or legacy", optarg);
		return -1;
	case 'v':
		options->verbose = true;
		return -1;
	case 'h':
		fputs(help, stdout);
		return EXIT_OK;
	case ':':
		return usage_error("run", "%s needs a value; 'berth run --help' lists the options",
				   argv[optind - 1]);
	default:
		return usage_error("run", "no option '%s'; 'berth run --help' lists them, and '--' ends them",
				   argv[optind - 1]);
	}
}

int command_run(int argc, char **argv)
{
	struct supervise_options options = { .policy = BERTH_POLICY_BERTH };
	bool kernel = false;
	int option, status;

	/* '+': the first word that is no option is the program, and what follows belongs to it. */
	while ((option = getopt_long(argc, argv, "+:vh", long_options, NULL)) != -1) {
		status = take_option(option, argv, &options, &kernel);
		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return usage_error("run", "no PROGRAM given; 'berth run --help' shows how");
	if (kernel && options.policy != BERTH_POLICY_BERTH)
		return usage_error("run", "--policy=%s: --mode=kernel has the policy berth only",
				   berth_policy_name(options.policy));
	if (kernel)
		return kernel_run(options.verbose, argv + optind);
	return supervise_run(&options, argv + optind);
}
