/* SPDX-License-Identifier: MIT
 *
 * One look at the port space, or two with some time between, as an --interval says.
 */
#ifndef BERTH_CLI_LOOK_H
#define BERTH_CLI_LOOK_H

#include <stdbool.h>

#include "host/port_owners.h"
#include "view/snapshot.h"

#define LONGEST_INTERVAL_S 3600.0

/* Large. Zero-filled is valid and empty. */
struct looks {
	struct port_owners owners; /* what it looks through: see view_look() */
	struct view_snapshot before, now;
	bool are_two;
};

/* Looks, and if seconds is not 0 looks again after that time. 0 or negative errno; looks_free() it in any case. */
int looks_take(struct looks *looks, enum view_scope scope, double seconds);
void looks_free(struct looks *looks);

/* Has looks of that scope go through iterators, where that is better and the caller may (daemon/owners.h). */
void looks_use_owners(struct looks *looks, enum view_scope scope);

/* Waits and looks once more; what was `now` is `before`. 0 or negative errno. */
int looks_again(struct looks *looks, enum view_scope scope, double seconds);

/* The earlier one, or NULL. */
static inline const struct view_snapshot *looks_before(const struct looks *looks)
{
	return looks->are_two ? &looks->before : NULL;
}

/* Reads a number of [least, most], with or without the unit behind it. False, and nothing written, if it is
 * none. */
bool read_number(const char *text, const char *unit, double least, double most, double *ret_number);

#endif
