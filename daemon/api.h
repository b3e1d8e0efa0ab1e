/* SPDX-License-Identifier: MIT
 *
 * The documents of /api/v1/, as man berth-http describes them. Each returns a new reference, or NULL where memory is
 * short.
 */
#ifndef BERTH_DAEMON_API_H
#define BERTH_DAEMON_API_H

#include <jansson.h>

#include "daemon/pinned.h"
#include "daemon/recent_look.h"

#define API_DESTINATIONS     10u  /* that status shows unless told otherwise */
#define API_DESTINATIONS_MAX 256u /* that it can be told */

/* What `berth status --json` prints, of the fullest `most` destinations, and of the look itself. pinned
 * was refreshed. */
json_t *api_status(const struct recent_look *look, const struct pinned_reader *pinned, size_t most);

/* The use of each port: of all connections that this host began, or with pair of those to one destination.  */
json_t *api_map(const struct recent_look *look, const struct view_pair *pair);

#endif
