/* SPDX-License-Identifier: MIT
 *
 * What is served under which path. The handlers' context is a struct pinned_reader; their looks are the process's.
 */
#ifndef BERTH_DAEMON_WEB_ROUTES_H
#define BERTH_DAEMON_WEB_ROUTES_H

#include "daemon/http.h"

extern const struct http_route web_routes[];

#endif
