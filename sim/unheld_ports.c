/* SPDX-License-Identifier: MIT */
#include "sim/unheld_ports.h"

size_t sim_unheld_ports_size(const struct sim_scale *scale)
{
	(void)scale;
	return sizeof(struct berth_port_set);
}

void sim_unheld_ports_start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	(void)random;
	berth_port_set_add_range(state, scale->first, scale->last);
}

void sim_unheld_ports_told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
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
