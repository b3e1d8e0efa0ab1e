/* SPDX-License-Identifier: MIT
 *
 * A NAT with ten random tries: VPP's NAT44-ED. A port serves several destinations; when ten draws have hit
 * taken ones it gives up, however many are left.
 *
 * Source: nat44_ed_in2out.c, nat_ed_alloc_addr_and_port_with_snat_address(), ED_PORT_ALLOC_ATTEMPTS. The
 * inside port, which it tries first, is taken for random here.
 */
#include "sim/policy.h"

#define ATTEMPTS 10u

static unsigned pick(void *state, struct sim_ask *ask)
{
	(void)state;
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		unsigned port = ask->first + berth_random_below(ask->random, sim_span(ask));

		if (sim_tuple_is_free(ask, port))
			return port;
	}
	return 0;
}

const struct sim_policy sim_policy_nat_ten_tries = {
	.name = "nat-ten-tries",
	.source = "VPP NAT44-ED: ten random draws",
	.pick = pick,
};
