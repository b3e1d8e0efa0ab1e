/* SPDX-License-Identifier: MIT
 *
 * Linux, bind() to port 0 with SO_REUSEADDR and ip_autobind_reuse: a port that nobody is on; then any that
 * nobody listens on, blind to the destination.
 *
 * Source: net/ipv4/inet_connection_sock.c, inet_csk_find_open_port(), Linux 6.12. With SO_REUSEADDR the lower
 * half of the range is tried before the upper one.
 */
#include "sim/linux_bind.h"

/* The lower half of the range, then the upper one; fewer than four ports are not halved. */
static unsigned search_halves(struct sim_ask *ask, bool (*suits)(struct sim_ask *ask, unsigned port))
{
	unsigned low = ask->first, high = ask->last + 1, half = low + ((high - low) >> 2 << 1), port;

	if (high - low < 4)
		return sim_linux_bind_search(ask, low, high, suits);
	port = sim_linux_bind_search(ask, low, half, suits);
	return port != 0 ? port : sim_linux_bind_search(ask, half, high, suits);
}

static unsigned pick(void *state, struct sim_ask *ask)
{
	unsigned port = search_halves(ask, sim_port_is_free);

	(void)state;
	return port != 0 ? port : search_halves(ask, sim_port_is_shareable);
}

const struct sim_policy sim_policy_linux_bind_reuse = {
	.name = "linux-bind-reuse",
	.source = "Linux 6.12, inet_csk_find_open_port(), with SO_REUSEADDR and ip_autobind_reuse=1",
	.pick = pick,
};
