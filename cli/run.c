/* SPDX-License-Identifier: MIT
 *
 * berth run: a program with smart ports.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "daemon/kernel_run.h"
#include "host/exec.h"
#include "host/steered.h"
#include "supervise/notification.h"
#include "supervise/supervise.h"

static const char help[] =
	"Usage: berth run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	"Runs PROGRAM, and all it starts, with smart ports. The exit status is the program's own.\n\n"
	"  --mode=auto|supervise|kernel\n"
	"                         how calls are intercepted: supervise by seccomp, for any user; kernel by\n"
	"                         eBPF, for root; auto, the default: not at all where a berth daemon steers\n"
	"                         PROGRAM, otherwise supervise\n"
	"  --config=FILE          the settings, instead of those in /etc/berth/berth.conf\n"
	"  --policy=berth|sp1|legacy\n"
	"                         which port is given: Berth's rule (default), that of Windows Server\n"
	"                         2003 SP1, or the one before it; goes before that of the settings\n"
	"  -v, --verbose          say on stderr, when PROGRAM has ended, how its calls were answered\n"
	"  -h, --help             this text\n";

enum {
	OPTION_CONFIG = OPTION_OWN,
	OPTION_MODE,
	OPTION_POLICY
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "mode", required_argument, NULL, OPTION_MODE },
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

enum mode {
	AUTO,
	SUPERVISE,
	KERNEL,
	MODES
};

/* What the command line says. */
struct request {
	enum mode mode;
	const char *config_path; /* NULL: the default, if there is one */
	bool has_policy;
	enum berth_policy policy;
	bool verbose;
};

static bool find_mode(const char *name, enum mode *ret_mode)
{
	static const char *const names[MODES] = { "auto", "supervise", "kernel" };

	for (int mode = 0; mode < MODES; mode++)
		if (strcmp(name, names[mode]) == 0) {
			*ret_mode = (enum mode)mode;
			return true;
		}
	return false;
}

static void say_price(const struct config *config)
{
	char price[CONFIG_PRICE_SIZE];

	if (config_kept_away_s(config) != 0)
		fprintf(stderr, "berth run: %s\n", config_kept_away_price(config, price));
}

static int take_option(int option, void *context)
{
	struct request *request = context;

	switch (option) {
	case OPTION_CONFIG:
		request->config_path = optarg;
		return -1;
	case OPTION_MODE:
		if (!find_mode(optarg, &request->mode))
			return usage_error("run", "--mode=%s: a mode is auto, supervise or kernel", optarg);
		return -1;
	case OPTION_POLICY:
		request->has_policy = berth_policy_find(optarg, &request->policy);
		if (!request->has_policy)
			return usage_error("run", "--policy=%s: a policy is berth, sp1 or legacy", optarg);
		return -1;
	default:
		request->verbose = true;
		return -1;
	}
}

/* '+': the first word that is no option is the program, and what follows belongs to it. */
static const struct command_options command_options = {
	"run", help, "+:vh", long_options, NULL, take_option
};

static int run_as_it_is(char *const argv[])
{
	char text[256];
	int status;

	execvp(argv[0], argv);
	status = exec_failure(argv[0], errno, text, sizeof(text));
	fprintf(stderr, "berth run: %s\n", text);
	return status;
}

/* Kernel mode for one program only makes others worse off, as their connections cannot have the ports that it holds; so
 * that has to be asked for. (Under a supervisor of ours, whose doing looks the same, supervise_run() knows better.) */
static int run_best(const struct supervise_options *options, bool own_policy, char *const argv[])
{
	bool steered = !own_policy && !notification_supervised() && steered_by_kernel();

	if (options->verbose)
		fprintf(stderr, "berth run: auto: %s\n",
			steered ? "the kernel steers this program already (berth daemon): it runs as it is"
				: "supervise");
	return steered ? run_as_it_is(argv) : supervise_run(options, argv);
}

/* own_policy: the command line has another one than the settings, which a daemon heeds. */
static int run_in(enum mode mode, const struct supervise_options *options, bool own_policy,
		  char *const argv[])
{
	switch (mode) {
	case KERNEL:
		return kernel_run(options->config, options->verbose, argv);
	case SUPERVISE:
		return supervise_run(options, argv);
	default:
		return run_best(options, own_policy, argv);
	}
}

int command_run(int argc, char **argv)
{
	struct request request = { .mode = AUTO };
	struct config config;
	struct supervise_options options = { .config = &config };
	char line[CONFIG_LINE_SIZE];
	bool own_policy;
	int status = read_options(&command_options, argc, argv, &request);

	if (status >= 0)
		return status;
	if (optind == argc)
		return usage_error("run", "no PROGRAM given; 'berth run --help' shows how");
	if (!config_read_settings(request.config_path, &config, line))
		return failure("run", "%s", line);
	own_policy = request.has_policy && request.policy != config.policy;
	if (request.has_policy)
		config.policy = request.policy;
	options.verbose = request.verbose;
	if (request.verbose)
		say_price(&config);
	return run_in(request.mode, &options, own_policy, argv + optind);
}
