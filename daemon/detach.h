/* SPDX-License-Identifier: MIT
 *
 * Takes away what a daemon has left in the bpf filesystem. Needs no daemon; one that runs notices, and ends.
 */
#ifndef BERTH_DAEMON_DETACH_H
#define BERTH_DAEMON_DETACH_H

#include "daemon/trouble.h"

enum detached {
	DETACHED_HOOK, /* by the name of its program */
	DETACHED_MAP,
};

/* Ends every hook in the directory, removes the maps, then the directory, and calls back for each. True also where
 * there was nothing. On failure, what could be removed is. */
bool detach(const char *dir, void (*see)(void *context, enum detached kind, const char *name), void *context,
	    struct trouble *ret_trouble);

#endif
