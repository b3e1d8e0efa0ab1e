/* SPDX-License-Identifier: MIT
 *
 * Windows before SP1, had it chosen at random: any port that nobody holds, in TIME_WAIT or not.
 *
 * Source: the ten steps of "Smart TCP port allocation", Windows Server 2003 SP1, which leave open in
 * which order ports were tried.
 */
#include "sim/unheld_ports.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned port = 0;

	ask->probes = 1;
	berth_port_set_pick(state, ask->random, &port);
	return port;
}

const struct sim_policy sim_policy_legacy_random = {
	.name = "legacy-random",
	.source = "Windows before SP1, had it chosen at random among the ports that nobody holds",
	.size = sim_unheld_ports_size,
	.start = sim_unheld_ports_start,
	.pick = pick,
	.told = sim_unheld_ports_told,
};
