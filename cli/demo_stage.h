/* SPDX-License-Identifier: MIT
 *
 * The demo's stage: a fresh private network with the wanted settings and a peer in it, and the socket
 * program run there, by itself (stock) or under `berth run`.
 */
#ifndef BERTH_CLI_DEMO_STAGE_H
#define BERTH_CLI_DEMO_STAGE_H

#include "cli/demo_result.h"

enum demo_side {
	DEMO_STOCK,
	DEMO_BERTH,
};
#define DEMO_SIDES 2

/* Each of these sets the stage anew, so no run sees what an earlier one left behind, and returns when the
 * program, berth and the peer have ended. The program's own complaints go to stderr.
 *
 * 0, or a negative errno with *ret_... untouched: -EBADMSG when the program ended without its line of
 * result, -ETIME when deadline_us (CLOCK_MONOTONIC) passed first; other values are why the stage could not be
 * set. */
int demo_stage_load(const struct demo_load *load, enum demo_side side, uint64_t deadline_us,
		    struct demo_count *ret_count);
int demo_stage_walk(const struct demo_load *load, enum demo_side side, uint64_t deadline_us,
		    struct demo_walk *ret_walk);

/* Sets the stage, and strikes it: 0 or the reason why not, as above. */
int demo_stage_try(unsigned family);

#endif
