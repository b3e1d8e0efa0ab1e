/* SPDX-License-Identifier: MIT
 *
 * Windows before SP1, had it taken the lowest port that nobody holds, in TIME_WAIT or not.
 *
 * Source: the ten steps of "Smart TCP port allocation", Windows Server 2003 SP1, which leave open in
 * which order ports were tried; first fit is what ReactOS does (drivers/network/tcpip, AllocateAnyPort:
 * the lowest clear bit).
 */
#include "sim/unheld_ports.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned port = 0;

	ask->probes = 1;
	berth_port_set_next(state, ask->first, &port);
	return port;
}

const struct sim_policy sim_policy_legacy_first_fit = {
	.name = "legacy-first-fit",
	.source = "Windows before SP1, had it taken the lowest port that nobody holds, as ReactOS does",
	.size = sim_unheld_ports_size,
	.start = sim_unheld_ports_start,
	.pick = pick,
	.told = sim_unheld_ports_told,
};
