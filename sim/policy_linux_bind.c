/* SPDX-License-Identifier: MIT
 *
 * Linux, bind() to port 0: a random start, then every second port, and never one that anybody is on.
 *
 * Source: net/ipv4/inet_connection_sock.c, inet_csk_find_open_port(), Linux 6.12. The parity that connect()
 * does not begin with goes first. With SO_REUSEADDR the lower half of the range is tried before the upper
 * one; with ip_autobind_reuse as well, a second search then takes any port that nobody listens on, blind to
 * the destination.
 */
#include "sim/policy.h"

/* A search of the ports from low to below high. suits: whether a port may be taken. */
static unsigned search(struct sim_ask *ask, unsigned low, unsigned high,
		       bool (*suits)(struct sim_ask *ask, unsigned port))
{
	unsigned remaining = high - low > 1 ? (high - low) & ~1u : 1;
	unsigned offset = berth_random_below(ask->random, remaining);

	/* Odd offsets, then even ones; a range of one port has only an even one. */
	for (unsigned parity = remaining > 1 ? 1 : 2; parity <= 2; parity++) {
		unsigned port = low + (parity == 1 ? offset | 1u : offset & ~1u);

		for (unsigned i = 0; i < remaining; i += 2, port += 2) {
			if (port >= high)
				port -= remaining;
			if (suits(ask, port))
				return port;
		}
	}
	return 0;
}

static unsigned pick(void *state, struct sim_ask *ask)
{
	(void)state;
	return search(ask, ask->first, ask->last + 1, sim_port_is_free);
}

/* The lower half of the range, then the upper one; fewer than four ports are not halved. */
static unsigned search_halves(struct sim_ask *ask, bool (*suits)(struct sim_ask *ask, unsigned port))
{
	unsigned low = ask->first, high = ask->last + 1, half = low + ((high - low) >> 2 << 1), port;

	if (high - low < 4)
		return search(ask, low, high, suits);
	port = search(ask, low, half, suits);
	return port != 0 ? port : search(ask, half, high, suits);
}

static unsigned pick_reusing(void *state, struct sim_ask *ask)
{
	unsigned port = search_halves(ask, sim_port_is_free);

	(void)state;
	return port != 0 ? port : search_halves(ask, sim_port_is_shareable);
}

const struct sim_policy sim_policy_linux_bind = {
	.name = "linux-bind",
	.source = "Linux 6.12, inet_csk_find_open_port(): bind to port 0",
	.pick = pick,
};

const struct sim_policy sim_policy_linux_bind_reuse = {
	.name = "linux-bind-reuse",
	.source = "the same with SO_REUSEADDR and ip_autobind_reuse=1",
	.pick = pick_reusing,
};
