/* SPDX-License-Identifier: MIT
 *
 * What the daemon serves over HTTP: /metrics, /api/v1/, /healthz and the page. A process of its own.
 *
 * Theory of operation
 *
 * Whatever reads requests reads what strangers wrote, so it has nothing to lose: before it reads the first it is user
 * `nobody`, without capabilities and without a way to get any, cannot start a program, and has no descriptors but the
 * listening socket and, read-only in effect, the maps of the counters and the
 * iterators over who is on the ports. The kernel's socket table is open to everybody.
 * If it crashes, ports are steered as before, and the daemon starts another. It ends when the daemon ends, in whatever
 * way.
 */
#ifndef BERTH_DAEMON_WEB_H
#define BERTH_DAEMON_WEB_H

#include <sys/types.h>

#include "config/config.h"
#include "daemon/trouble.h"

struct web {
	pid_t pid; /* 0: none */
	int fd;	   /* becomes readable when it has ended; -1: none */
};

/* Starts the process that serves what hooks of this build, pinned in dir, have counted, where config says. False: it
 * does not run, and web is as for none. */
bool web_start(struct web *ret_web, const struct config *config, const char *dir,
	       struct trouble *ret_trouble);

/* Ends it, if there is one. */
void web_stop(struct web *web);

#endif
