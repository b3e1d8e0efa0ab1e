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

/* Writes exhausted, MaxUserPort, ReservedPorts and TcpTimedWaitDelay above 60. in_force may be in use. */
void settings_write(const struct config *config, struct wire_settings *in_force);

/* The same for hooks of this build that are pinned in dir. */
bool settings_write_pinned(const struct config *config, const char *dir, struct trouble *ret_trouble);

/* exhausted, by its name in berth.conf(5), and how many ports are withheld. */
const char *settings_exhausted_name(const struct wire_settings *settings);
unsigned settings_withheld(const struct wire_settings *settings);

/* The settings that are not as by default and that no daemon of this version heeds: their names, with ", " in between.
 * False: there are none. */
#define SETTINGS_NAMES_SIZE 160u
bool settings_without_effect(const struct config *config, char ret_names[SETTINGS_NAMES_SIZE]);

#endif
