/* SPDX-License-Identifier: MIT
 *
 * FreeBSD, connect(): a random start, then the next port whose 4-tuple is free.
 *
 * Source: sys/netinet/in_pcb.c, in_pcb_lport_dest(), as in F-Stack's copy of FreeBSD 13; with
 * net.inet.ip.portrange.randomized at its default.
 */
#include "sim/policy.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned span = sim_span(ask), last_port = ask->first;

	(void)state;
	/* As there: drawn from one port less than there are, and stepped on before the first look. */
	if (span > 1)
		last_port += berth_random_below(ask->random, span - 1);
	for (unsigned i = 0; i < span; i++) {
		last_port = last_port == ask->last ? ask->first : last_port + 1;
		if (sim_tuple_is_free(ask, last_port))
			return last_port;
	}
	return 0;
}

const struct sim_policy sim_policy_freebsd = {
	.name = "freebsd",
	.source = "FreeBSD 13, in_pcb_lport_dest()",
	.pick = pick,
};
