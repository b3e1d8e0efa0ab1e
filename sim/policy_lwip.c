/* SPDX-License-Identifier: MIT
 *
 * lwIP: a counter, and no port that is in any list of connections, TIME_WAIT included; no second pass.
 *
 * Source: src/core/tcp.c, tcp_new_port(). The counter goes back to the start when it reaches the end of the
 * range, so the last port is never given.
 */
#include "sim/policy.h"

static size_t size(const struct sim_scale *scale)
{
	(void)scale;
	return sizeof(unsigned);
}

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned *cursor = state, tries = sim_span(ask) - 1;

	for (unsigned i = 0; i < tries; i++) {
		if (*cursor < ask->first || ++*cursor >= ask->last)
			*cursor = ask->first;
		if (sim_port_is_free(ask, *cursor))
			return *cursor;
	}
	return 0;
}

const struct sim_policy sim_policy_lwip = {
	.name = "lwip",
	.source = "lwIP, tcp_new_port()",
	.size = size,
	.pick = pick,
};
