/* SPDX-License-Identifier: MIT
 *
 * What a daemon has attached and counted, as JSON. Each returns a new reference, or NULL where memory is short.
 */
#ifndef BERTH_DAEMON_PINNED_JSON_H
#define BERTH_DAEMON_PINNED_JSON_H

#include <jansson.h>

#include "daemon/pinned.h"
#include "host/address_text.h"

/* How often calls were answered which way, by name. */
json_t *ways_json(const struct pinned *pinned);

/* attached (true), version, build, cgroup, hooks (how many); settings, ways and ports_exhausted (the last destinations),
 * each null where reader is NULL: another build attached it. */
json_t *pinned_json(const struct pinned *pinned, const struct pinned_reader *reader);

/* The last destinations for which ports ran out: remote, netns, count, last_s (seconds ago). */
json_t *exhaustions_json(const struct pinned_reader *reader);

const char *pinned_remote_text(const struct pinned_exhaustion *exhaustion, char text[ENDPOINT_TEXT]);

#endif
