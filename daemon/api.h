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

/* What `berth status --json` prints of a look, of the fullest `most` destinations. */
json_t *api_status(const struct recent_look *look, size_t most);

/* What is said anew at each answer, to stand behind the members of the above: of the hooks and of the look, or of the look. pinned was
 * refreshed. */
json_t *api_status_now(const struct recent_look *look, const struct pinned_reader *pinned);
json_t *api_map_now(const struct recent_look *look);

/* The use of each port: of all connections that this host began, or with pair of those to one destination.  */
json_t *api_map(const struct recent_look *look, const struct view_pair *pair);

#endif
