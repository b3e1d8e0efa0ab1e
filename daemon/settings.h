/* SPDX-License-Identifier: MIT
 *
 * What the eBPF program is told of the caller's network namespace.
 */
#ifndef BERTH_DAEMON_SETTINGS_H
#define BERTH_DAEMON_SETTINGS_H

#include "wire/kernel_mode.h"

/* Fills or renews them. What cannot be read stays as it was. */
void settings_refresh(struct wire_settings *settings);

#endif
