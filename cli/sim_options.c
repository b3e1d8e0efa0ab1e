/* SPDX-License-Identifier: MIT */
#include "cli/sim_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sim_help.h"
#include "cli/sim_plot.h"
#include "core/settings.h"

/* The command's name: "sim" or "replay". */
static const char *command;

static bool is_replay(void)
{
	return strcmp(command, "replay") == 0;
}

#define RATE_MAX     1e7
#define DURATION_MAX (366.0 * 24 * 3600)

enum {
	OPTION_RATE = OPTION_OWN,
	OPTION_ARRIVALS,
	OPTION_BURST,
	OPTION_DESTINATIONS,
	OPTION_ZIPF,
	OPTION_HOLD,
	OPTION_CLOSED_HERE,
	OPTION_RECORDING,
	OPTION_PORTS,
	OPTION_ADDRESSES,
	OPTION_SET,
	OPTION_POLICY,
	OPTION_WARM_UP,
	OPTION_DURATION,
	OPTION_SEED,
	OPTION_CSV,
	OPTION_PLOT,
	OPTION_PLAN,
	OPTION_LIST,
};

static const struct option long_options[] = {
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "arrivals", required_argument, NULL, OPTION_ARRIVALS },
	{ "burst", required_argument, NULL, OPTION_BURST },
	{ "destinations", required_argument, NULL, OPTION_DESTINATIONS },
	{ "zipf", required_argument, NULL, OPTION_ZIPF },
	{ "hold", required_argument, NULL, OPTION_HOLD },
	{ "closed-here", required_argument, NULL, OPTION_CLOSED_HERE },
	{ "recording", required_argument, NULL, OPTION_RECORDING },
	{ "ports", required_argument, NULL, OPTION_PORTS },
	{ "addresses", required_argument, NULL, OPTION_ADDRESSES },
	{ "set", required_argument, NULL, OPTION_SET },
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "warm-up", required_argument, NULL, OPTION_WARM_UP },
	{ "duration", required_argument, NULL, OPTION_DURATION },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "csv", no_argument, NULL, OPTION_CSV },
	{ "plot", required_argument, NULL, OPTION_PLOT },
	{ "plan", no_argument, NULL, OPTION_PLAN },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* A number from the front of text; what follows is at *ret_rest. False if there is none. */
static bool read_number(const char *text, double *ret_value, const char **ret_rest)
{
	char *end;

	/* strtod would take blanks, signs, "inf" and hexadecimal. */
	if (strspn(text, "0123456789.") == 0 || strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0)
		return false;
	*ret_value = strtod(text, &end);
	*ret_rest = end;
	return end != text && isfinite(*ret_value);
}

/* All of text is a number within bounds, both included. */
static bool read_between(const char *text, double least, double most, double *ret_value)
{
	double value;
	const char *rest;

	if (!read_number(text, &value, &rest) || *rest != '\0' || value < least || value > most)
		return false;
	*ret_value = value;
	return true;
}

/* All of text is a whole number within bounds. */
static bool read_whole(const char *text, uint64_t least, uint64_t most, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < least || value > most)
		return false;
	*ret_value = value;
	return true;
}

bool sim_read_time(const char *text, double *ret_seconds, const char **ret_rest)
{
	static const struct {
		char unit;
		double seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	double seconds;

	if (!read_number(text, &seconds, ret_rest))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (**ret_rest != units[i].unit)
			continue;
		seconds *= units[i].seconds;
		++*ret_rest;
		break;
	}
	if (seconds > DURATION_MAX)
		return false;
	*ret_seconds = seconds;
	return true;
}

static int take_time(const char *name, double least, double *ret_seconds)
{
	const char *rest;

	if (sim_read_time(optarg, ret_seconds, &rest) && *rest == '\0' && *ret_seconds >= least)
		return -1;
	return usage_error(command, "--%s=%s: a time is a number and s, m, h or d, at most 366d%s", name,
			   optarg, least > 0 ? ", and not 0" : "");
}

static int take_whole(const char *name, uint64_t least, uint64_t most, uint64_t *ret_value)
{
	if (read_whole(optarg, least, most, ret_value))
		return -1;
	return usage_error(command, "--%s=%s: it is a whole number from %llu to %llu", name, optarg,
			   (unsigned long long)least, (unsigned long long)most);
}

static int take_real(const char *name, double least, double most, double *ret_value)
{
	if (read_between(optarg, least, most, ret_value))
		return -1;
	return usage_error(command, "--%s=%s: it is a number from %g to %g", name, optarg, least, most);
}

static int take_count(const char *name, uint32_t most, uint32_t *ret_value)
{
	uint64_t value = 0;
	int status = take_whole(name, 1, most, &value);

	*ret_value = (uint32_t)value;
	return status;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int take_rates(struct sim_options *options)
{
	const char *at = optarg;

	for (options->rates = 0; options->rates < SIM_RATES_MAX; at++) {
		double *rate = &options->rate[options->rates];

		if (!read_number(at, rate, &at) || *rate <= 0 || *rate > RATE_MAX)
			break;
		options->rates++;
		if (*at == ',')
			continue;
		if (*at != '\0')
			break;
		qsort(options->rate, options->rates, sizeof(options->rate[0]), by_size);
		options->rate_given = options->load_given = true;
		return -1;
	}
	return usage_error(command,
			   "--rate=%s: up to %u rates, each above 0 and at most %g, with commas between",
			   optarg, SIM_RATES_MAX, RATE_MAX);
}

/* "0.5", "exp:0.5" or "pareto:0.5:1.5". */
static int take_hold(struct sim_hold *hold)
{
	const char *at = optarg;

	*hold = (struct sim_hold){ .shape = SIM_HOLD_FIXED };
	if (strncmp(at, "exp:", 4) == 0) {
		hold->shape = SIM_HOLD_EXPONENTIAL;
		at += 4;
	} else if (strncmp(at, "pareto:", 7) == 0) {
		hold->shape = SIM_HOLD_PARETO;
		at += 7;
	}
	if (sim_read_time(at, &hold->mean_s, &at)) {
		if (hold->shape != SIM_HOLD_PARETO && *at == '\0')
			return -1;
		if (hold->shape == SIM_HOLD_PARETO && *at == ':' &&
		    read_between(at + 1, 1, 100, &hold->alpha) && hold->alpha > 1)
			return -1;
	}
	return usage_error(command, "--hold=%s: it is T, exp:T or pareto:T:ALPHA, with ALPHA above 1",
			   optarg);
}

static int take_ports(struct sim_options *options)
{
	size_t digits = strcspn(optarg, "-");
	char text[8];
	uint64_t first, last;

	snprintf(text, sizeof(text), "%.*s", (int)digits, optarg);
	if (digits < sizeof(text) && optarg[digits] == '-' && read_whole(text, 1, BERTH_PORTS - 1, &first) &&
	    read_whole(optarg + digits + 1, first, BERTH_PORTS - 1, &last)) {
		options->host.first = (unsigned)first;
		options->host.last = (unsigned)last;
		options->ports_given = true;
		return -1;
	}
	return usage_error(command, "--ports=%s: it is FIRST-LAST, from 1 to 65535", optarg);
}

/* NAME=VALUE, a setting of Server 2003. */
static int take_setting(struct sim_options *options)
{
	const struct berth_setting *setting = NULL;
	const char *equals = strchr(optarg, '=');
	char name[32];
	uint64_t value;

	if (equals != NULL && (size_t)(equals - optarg) < sizeof(name)) {
		snprintf(name, sizeof(name), "%.*s", (int)(equals - optarg), optarg);
		setting = berth_setting_find(name);
	}
	if (setting == NULL)
		return usage_error(
			command,
			"--set=%s: it is NAME=VALUE; a NAME is TcpTimedWaitDelay, MaxFreeTWTcbs or MaxUserPort",
			optarg);
	if (!read_whole(equals + 1, setting->min, setting->max, &value))
		return usage_error(command, "--set=%s: %s is from %u to %u (%s)", optarg, setting->name,
				   setting->min, setting->max, setting->unit);
	if (strcmp(setting->name, "TcpTimedWaitDelay") == 0) {
		options->host.time_wait_ns = value * 1000000000u;
		options->time_wait_given = true;
	} else if (strcmp(setting->name, "MaxFreeTWTcbs") == 0) {
		options->host.max_tcbs = (uint32_t)value;
	} else {
		options->host.first = BERTH_FIRST_USER_PORT;
		options->host.last = (unsigned)value;
		options->ports_given = true;
	}
	return -1;
}

static int take_policies(struct sim_options *options)
{
	char text[1024], *name, *rest = text;

	if (strlen(optarg) >= sizeof(text))
		return usage_error(command, "--policy: longer than %zu bytes", sizeof(text) - 1);
	snprintf(text, sizeof(text), "%s", optarg);
	options->policies = 0;
	while ((name = strsep(&rest, ",")) != NULL) {
		const struct sim_policy *policy = sim_policy_find(name);

		if (policy == NULL)
			return usage_error(command,
					   "--policy=%s: no policy '%s'; 'berth sim --list' lists them",
					   optarg, name);
		if (options->policies == SIM_POLICIES_MAX)
			return usage_error(command, "--policy=%s: more than %u", optarg, SIM_POLICIES_MAX);
		options->policy[options->policies++] = policy;
	}
	return -1;
}

/* What describes the made-up load. */
static int take_load_option(int option, struct sim_options *options)
{
	struct sim_load *load = &options->load;
	int status;

	options->load_given = true;
	switch (option) {
	case OPTION_ARRIVALS:
		load->arrivals = strcmp(optarg, "poisson") == 0 ? SIM_POISSON : SIM_FIXED;
		if (load->arrivals == SIM_POISSON || strcmp(optarg, "fixed") == 0)
			return -1;
		return usage_error(command, "--arrivals=%s: it is fixed or poisson", optarg);
	case OPTION_BURST:
		return take_count("burst", 1000000, &load->burst);
	case OPTION_DESTINATIONS:
		return take_count("destinations", SIM_DESTINATIONS_MAX, &load->destinations);
	case OPTION_ZIPF:
		return take_real("zipf", 0, 10, &load->zipf);
	case OPTION_HOLD:
		return take_hold(&load->hold);
	default:
		status = take_real("closed-here", 0, 100, &load->closed_here);
		load->closed_here /= 100;
		return status;
	}
}

/* What describes the run and what is printed. */
static int take_run_option(int option, struct sim_options *options)
{
	switch (option) {
	case OPTION_RECORDING:
		options->recording = optarg;
		return -1;
	case OPTION_POLICY:
		return take_policies(options);
	case OPTION_WARM_UP:
		return take_time("warm-up", 0, &options->warm_up_s);
	case OPTION_DURATION:
		return take_time("duration", 1e-9, &options->duration_s);
	case OPTION_SEED:
		return take_whole("seed", 0, INT64_MAX, &options->seed);
	default:
		options->plot = optarg;
		if (sim_plot_is_picture(optarg))
			return -1;
		return usage_error(command, "--plot=%s: the name ends in .svg or .png", optarg);
	}
}

static int take_option(int option, void *context)
{
	struct sim_options *options = context;

	switch (option) {
	case OPTION_RATE:
		return take_rates(options);
	case OPTION_ARRIVALS ... OPTION_CLOSED_HERE:
		return take_load_option(option, options);
	case OPTION_PORTS:
		return take_ports(options);
	case OPTION_ADDRESSES:
		options->addresses_given = true;
		return take_count("addresses", SIM_ADDRESSES_MAX, &options->host.addresses);
	case OPTION_SET:
		return take_setting(options);
	case OPTION_RECORDING:
	case OPTION_POLICY ... OPTION_SEED:
	case OPTION_PLOT:
		options->run_given = true;
		return take_run_option(option, options);
	case OPTION_JSON:
		options->json = true;
		return -1;
	case OPTION_CSV:
		options->csv = true;
		return -1;
	case OPTION_PLAN:
		options->plan = true;
		return -1;
	default:
		options->list = true;
		return -1;
	}
}

static const struct command_options sim_command = {
	"sim", sim_help, ":h", long_options, "'berth sim --help' lists the options", take_option
};
static const struct command_options replay_command = { "replay",     replay_help, ":h",
						       long_options, NULL,	  take_option };

/* What cannot go together. */
static int check(const struct sim_options *options)
{
	if (options->json && options->csv)
		return usage_error(command, "--json and --csv: one of them");
	if (options->csv && (options->plan || options->list))
		return usage_error(command, "--csv is for simulations");
	if (options->recording != NULL && options->load_given)
		return usage_error(
			command,
			"a recording (--recording) is a load of its own: no --rate, --hold and the like with it");
	if (options->plan && options->run_given)
		return usage_error(
			command, "--plan simulates nothing: no --policy, --recording, --warm-up, --duration, "
				 "--seed or --plot with it");
	if (options->plan && options->rates > 1)
		return usage_error(command, "--plan is for one --rate");
	if (options->plan && (options->load.burst != 1 || options->load.arrivals != SIM_FIXED))
		return usage_error(command,
				   "--plan takes arrivals to be random: no --burst or --arrivals with it");
	if (options->plan && !options->rate_given && options->load_given)
		return usage_error(
			command,
			"--plan takes the load from this host or from --rate and the like: say --rate");
	return -1;
}

static void complete(struct sim_options *options)
{
	double time_wait_s = (double)options->host.time_wait_ns / 1e9;

	if (options->policies == 0)
		for (; options->policies < SIM_POLICIES_MAX && sim_policies[options->policies] != NULL;
		     options->policies++)
			options->policy[options->policies] = sim_policies[options->policies];
	if (options->warm_up_s < 0)
		options->warm_up_s = options->recording != NULL ? 0 : 2 * time_wait_s;
	if (options->duration_s < 0)
		options->duration_s = options->recording != NULL ? DURATION_MAX : 6 * time_wait_s;
}

/* What is no option of berth replay. -1 to go on, or the exit status. */
static int take_file(int count, char **argument, struct sim_options *options)
{
	if (count != 1 || options->recording != NULL)
		return usage_error(command, "one FILE that 'berth record' has made, and no other");
	options->recording = argument[0];
	options->run_given = true;
	return -1;
}

int sim_options_read(int argc, char **argv, struct sim_options *ret_options)
{
	int status;

	command = argv[0];
	*ret_options = (struct sim_options){
		.command = command,
		.rate = { 35 },
		.rates = 1,
		.load = { .burst = 1, .destinations = 1, .closed_here = 1 },
		.host = { .first = BERTH_FIRST_USER_PORT,
			  .last = BERTH_MAX_USER_PORT,
			  .addresses = 1,
			  .time_wait_ns = BERTH_TIMED_WAIT_DELAY * 1000000000ull,
			  .max_tcbs = SIM_NO_LIMIT },
		.warm_up_s = -1,
		.duration_s = -1,
		.seed = 1,
	};
	status = read_options(is_replay() ? &replay_command : &sim_command, argc, argv, ret_options);
	if (status < 0 && is_replay())
		status = take_file(argc - optind, argv + optind, ret_options);
	if (status < 0)
		status = check(ret_options);
	if (status < 0)
		complete(ret_options);
	return status;
}

struct sim_setup sim_options_setup(const struct sim_options *options)
{
	return (struct sim_setup){
		.host = options->host,
		.destinations = options->load.destinations,
		.seed = options->seed,
		.warm_up_ns = (uint64_t)llround(options->warm_up_s * 1e9),
		.end_ns = (uint64_t)llround((options->warm_up_s + options->duration_s) * 1e9),
	};
}
