/* SPDX-License-Identifier: MIT */
#include "daemon/settings.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "daemon/excluded.h"
#include "daemon/hooks.h"
#include "daemon/pinned.h"

#define SECOND_NS 1000000000ull

static const __u32 exhausted[] = {
	[CONFIG_EXHAUSTED_FAIL] = WIRE_SAY_SO,
	[CONFIG_EXHAUSTED_KERNEL] = WIRE_TO_KERNEL,
	[CONFIG_EXHAUSTED_TAKE_OVER] = WIRE_TAKE_OVER,
};

static const __u32 policies[] = {
	[BERTH_POLICY_BERTH] = WIRE_BERTH,
	[BERTH_POLICY_SP1] = WIRE_SP1,
	[BERTH_POLICY_LEGACY] = WIRE_LEGACY,
};

/* In jiffies, of which the coarse clock has one at each tick; the one that is under way when a connection closes does not
 * count. */
static __u64 keep_away(const struct config *config)
{
	uint64_t seconds = config_kept_away_s(config);
	struct timespec tick = { .tv_nsec = 1 };

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick); /* cannot fail */
	return seconds ? seconds * SECOND_NS / (__u64)tick.tv_nsec + 1 : 0;
}

/* A call that reads the ports meanwhile reads them once more: for that `change` is written last. */
void settings_write(const struct config *config, struct wire_settings *in_force)
{
	__u64 withheld[WIRE_PORT_WORDS] = { 0 };
	struct berth_port_set ports;
	unsigned first, last;

	config_withheld_ports(config, &ports);
	for (unsigned from = 0; config_next_ports(&ports, from, &first, &last); from = last + 1)
		for (unsigned port = first; port <= last; port++)
			withheld[port / 64] |= 1ull << port % 64;
	in_force->exhausted = exhausted[config->exhausted];
	in_force->policy = policies[config->policy];
	memcpy(in_force->withheld, withheld, sizeof(withheld));
	if (in_force->keep_key[0] == 0)
		getrandom(in_force->keep_key, sizeof(in_force->keep_key), 0);
	in_force->keep_away = keep_away(config);
	__atomic_add_fetch(&in_force->change, 1, __ATOMIC_RELEASE);
}

void settings_choose(const struct config *config, struct hooks *hooks)
{
	struct bpf_program *closing = bpf_object__find_program_by_name(hooks_object(hooks), "closing");

	bpf_program__set_autoattach(closing, config->timed_wait_delay != 0 || config->max_free_tw_tcbs != 0);
}

bool settings_write_pinned(const struct config *config, const char *dir, struct trouble *ret_trouble)
{
	void *variables = pinned_map(dir, true);
	struct excluded_cgroups cgroups;
	bool done;

	if (!variables)
		return trouble_say(ret_trouble, "%.300s: the settings cannot be written: %s", dir,
				   strerror(errno));
	excluded_find(config, &cgroups);
	done = excluded_write_pinned(config, &cgroups, dir, variables, ret_trouble);
	if (done)
		settings_write(config, hooks_settings(variables));
	munmap(variables, hooks_variables_size());
	return done;
}

const char *settings_exhausted_name(const struct wire_settings *settings)
{
	enum config_exhausted one = CONFIG_EXHAUSTED_FAIL;

	while (one < CONFIG_EXHAUSTED_TAKE_OVER && exhausted[one] != settings->exhausted)
		one++;
	return config_exhausted_name(one);
}

const char *settings_policy_name(const struct wire_settings *settings)
{
	enum berth_policy one = BERTH_POLICY_BERTH;

	while (one < BERTH_POLICY_LEGACY && policies[one] != settings->policy)
		one++;
	return berth_policy_name(one);
}

unsigned settings_withheld(const struct wire_settings *settings)
{
	unsigned ports = 0;

	for (unsigned word = 0; word < WIRE_PORT_WORDS; word++)
		ports += (unsigned)__builtin_popcountll(settings->withheld[word]);
	return ports;
}
