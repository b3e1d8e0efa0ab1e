/* SPDX-License-Identifier: MIT
 *
 * What the settings leave to the kernel (exclude-cgroup, exclude-destination), in the maps of the hooks.
 *
 * The kernel knows a cgroup by a number; the settings name a directory, which a service manager makes and removes as a
 * service starts and ends. So who has time looks for these again and again.
 */
#ifndef BERTH_DAEMON_EXCLUDED_H
#define BERTH_DAEMON_EXCLUDED_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/hooks.h"
#include "daemon/trouble.h"
#include "wire/kernel_mode.h"

/* The cgroups of the settings, as far as there are such now. */
struct excluded_cgroups {
	uint64_t id[CONFIG_CGROUPS]; /* 0: there is none; error says why */
	int error[CONFIG_CGROUPS];   /* negative errno */
};

void excluded_find(const struct config *config, struct excluded_cgroups *ret_cgroups);

/* A line for each that was there and is not, or was not and is. In a zero-filled one all are taken to be there. */
void excluded_say(const struct config *config, const struct excluded_cgroups *before,
		  const struct excluded_cgroups *now);

/* Have hooks leave all that alone, and nothing else: those that are pinned in dir, with variables mapped from there (pinned.h);
 * those of the caller. A call meanwhile meets what was in force before or what is to be. */
bool excluded_write_pinned(const struct config *config, const struct excluded_cgroups *cgroups,
			   const char *dir, void *variables, struct trouble *ret_trouble);
bool excluded_write_own(const struct config *config, const struct excluded_cgroups *cgroups,
			struct hooks *hooks, struct trouble *ret_trouble);

#endif
