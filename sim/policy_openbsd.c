/* SPDX-License-Identifier: MIT
 *
 * OpenBSD: connect() of a socket without a port binds it first, to a port that nobody is on, TIME_WAIT
 * included.
 *
 * Source: sys/netinet/in_pcb.c, in_pcbpickport(): a start by arc4random_uniform, then the next one.
 */
#include "sim/policy.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned span = sim_span(ask), candidate = ask->first + berth_random_below(ask->random, span);

	(void)state;
	for (unsigned i = 0; i < span; i++) {
		candidate = candidate == ask->last ? ask->first : candidate + 1;
		if (sim_port_is_free(ask, candidate))
			return candidate;
	}
	return 0;
}

const struct sim_policy sim_policy_openbsd = {
	.name = "openbsd",
	.source = "OpenBSD, in_pcbpickport()",
	.pick = pick,
};
