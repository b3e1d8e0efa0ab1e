/* SPDX-License-Identifier: MIT
 *
 * The search of Linux's bind() to port 0: a random start, then every second port.
 *
 * Source: net/ipv4/inet_connection_sock.c, inet_csk_find_open_port(), Linux 6.12. The parity that connect()
 * does not begin with goes first.
 */
#ifndef BERTH_SIM_LINUX_BIND_H
#define BERTH_SIM_LINUX_BIND_H

#include <stdbool.h>

#include "sim/policy.h"

/* A port from low to below high, or 0: there is none. suits: whether a port may be taken. */
unsigned sim_linux_bind_search(struct sim_ask *ask, unsigned low, unsigned high,
			       bool (*suits)(struct sim_ask *ask, unsigned port));

#endif
