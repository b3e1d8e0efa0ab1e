/* SPDX-License-Identifier: MIT
 *
 * Linux, bind() to port 0 of a socket without SO_REUSEADDR: never a port that anybody is on, TIME_WAIT
 * included.
 *
 * Source: net/ipv4/inet_connection_sock.c, inet_csk_find_open_port(), Linux 6.12.
 */
#include "sim/linux_bind.h"

static unsigned pick(void *state, struct sim_ask *ask)
{
	(void)state;
	return sim_linux_bind_search(ask, ask->first, ask->last + 1, sim_port_is_free);
}

const struct sim_policy sim_policy_linux_bind = {
	.name = "linux-bind",
	.source = "Linux 6.12, inet_csk_find_open_port(): bind to port 0",
	.pick = pick,
};
