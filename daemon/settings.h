/* SPDX-License-Identifier: MIT
 *
 * What the administrator has set (config/config.h), as hooks in force are told it. A call that comes after sees it.
 */
#ifndef BERTH_DAEMON_SETTINGS_H
#define BERTH_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "daemon/trouble.h"
#include "wire/kernel_mode.h"

/* Writes policy, exhausted, MaxUserPort, ReservedPorts and TcpTimedWaitDelay above 60. in_force may be in use. */
void settings_write(const struct config *config, struct wire_settings *in_force);

struct hooks;

/* Which programs are to be attached: one that costs all sockets something is not, where no setting needs it. For hooks
 * that were opened. */
void settings_choose(const struct config *config, struct hooks *hooks);

/* settings_write() for hooks of this build that are pinned in dir, and what they are to leave alone (excluded.h). */
bool settings_write_pinned(const struct config *config, const char *dir, struct trouble *ret_trouble);

/* exhausted and policy, by their names in berth.conf(5), and how many ports are withheld. */
const char *settings_exhausted_name(const struct wire_settings *settings);
const char *settings_policy_name(const struct wire_settings *settings);
unsigned settings_withheld(const struct wire_settings *settings);

#endif
