/* SPDX-License-Identifier: MIT
 *
 * A look at the port space (view/snapshot.h) that is shared by all who ask, and the one before it, for the rates.
 *
 * A look is of all ports, one for whatever is asked. It walks the kernel's tables, and who asks may ask as often as it likes. So
 * one is taken only when somebody asks and the last one is old enough: RECENT_LOOK_LEAST_NS, and longer where looks are
 * expensive, so that no more than a fiftieth of a core goes into them.
 */
#ifndef BERTH_DAEMON_RECENT_LOOK_H
#define BERTH_DAEMON_RECENT_LOOK_H

#include <stdbool.h>

#include "view/snapshot.h"

#define RECENT_LOOK_LEAST_NS 900000000ull
#define RECENT_LOOK_SHARE    50u

/* Zero-filled is valid: nothing was seen yet. Large. */
struct recent_look {
	struct view_snapshot now, before;
	bool has_now;
	/* Whether `before` tells rates: it is not much older than `now`, so that what came and went between is little. */
	bool has_before;
	uint64_t cost_ns; /* CPU time of the last look */
};

/* Sees to it that `now` is recent; owners as for view_look(). 0, or negative errno, and everything as it was. */
int recent_look_renew(struct recent_look *look, const struct port_owners *owners);

static inline const struct view_snapshot *recent_look_before(const struct recent_look *look)
{
	return look->has_before ? &look->before : NULL;
}

#endif
