/* SPDX-License-Identifier: MIT
 *
 * What a daemon has attached and counted, as JSON. Each returns a new reference, or NULL where memory is short.
 */
#ifndef BERTH_DAEMON_PINNED_JSON_H
#define BERTH_DAEMON_PINNED_JSON_H

#include <jansson.h>

#include "daemon/pinned.h"

/* How often calls were answered which way: for each program by its name an object of numbers by the way's name. */
json_t *ways_json(const struct pinned *pinned);

/* The member kernel_mode of what `berth status --json` prints, whose help describes it. reader is NULL where another build
 * attached the hooks: its counters and settings are null. */
json_t *pinned_json(const struct pinned *pinned, const struct pinned_reader *reader);

#endif
