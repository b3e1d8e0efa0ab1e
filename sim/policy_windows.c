/* SPDX-License-Identifier: MIT
 *
 * Before SP1 in two other orders, as nobody has said in which one the ports were tried: any port that nobody
 * holds, in TIME_WAIT or not, at random; and the lowest of them.
 *
 * Source: the ten steps of "Smart TCP port allocation", Windows Server 2003 SP1; first fit is what ReactOS
 * does (drivers/network/tcpip, AllocateAnyPort: the lowest clear bit).
 */
#include "core/port_set.h"
#include "sim/policy.h"

/* The state is the set of the range's ports that nobody holds. */

static size_t size(const struct sim_scale *scale)
{
	(void)scale;
	return sizeof(struct berth_port_set);
}

static void start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	(void)random;
	berth_port_set_add_range(state, scale->first, scale->last);
}

static unsigned pick_random(void *state, struct sim_ask *ask)
{
	unsigned port = 0;

	ask->probes = 1;
	berth_port_set_pick(state, ask->random, &port);
	return port;
}

static unsigned pick_first(void *state, struct sim_ask *ask)
{
	unsigned port = 0;

	ask->probes = 1;
	berth_port_set_next(state, ask->first, &port);
	return port;
}

static void told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
{
	const struct sim_port *p = sim_host_port(about->host, about->address, port);

	(void)news;
	if (port < about->first || port > about->last)
		return;
	if (p->live == 0 && p->holders == 0)
		berth_port_set_add(state, port);
	else
		berth_port_set_remove(state, port);
}

const struct sim_policy sim_policy_legacy_random = {
	.name = "legacy-random",
	.source = "Windows before SP1, had it chosen at random among the ports that nobody holds",
	.size = size,
	.start = start,
	.pick = pick_random,
	.told = told,
};

const struct sim_policy sim_policy_legacy_first_fit = {
	.name = "legacy-first-fit",
	.source = "Windows before SP1, had it taken the lowest port that nobody holds, as ReactOS does",
	.size = size,
	.start = start,
	.pick = pick_first,
	.told = told,
};
