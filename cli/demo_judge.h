/* SPDX-License-Identifier: MIT
 *
 * What Berth has to hold in a load, and whether it did.
 */
#ifndef BERTH_CLI_DEMO_JUDGE_H
#define BERTH_CLI_DEMO_JUDGE_H

#include "cli/demo_result.h"

/* How many of the attempts the port range has room for: each port once to each destination. With timestamps a
 * tuple in TIME_WAIT can be taken over, so a load of closed connections may get more; it is not counted on. */
unsigned demo_room(const struct demo_load *load);

/* How many of the room may be missed. None, unless the load asks for every last port: then 1 in 400, because
 * a bounded search for the last few may miss them. */
unsigned demo_slack(const struct demo_load *load);

/* Held: the room but for the slack, never fewer than stock, every port from the range. */
bool demo_held(const struct demo_load *load, const struct demo_count *stock, const struct demo_count *berth);

#endif
