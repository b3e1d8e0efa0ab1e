/* SPDX-License-Identifier: MIT
 *
 * The settings of the kernel that say which ports may be handed out, of the caller's own network
 * namespace. They hold for IPv6 as well (net/ipv4/sysctl_net_ipv4.c).
 */
#ifndef BERTH_HOST_SYSCTL_H
#define BERTH_HOST_SYSCTL_H

#include <stdbool.h>

#include "core/port_set.h"

struct port_sysctls {
	unsigned first, last;		/* ip_local_port_range, both included */
	struct berth_port_set reserved; /* ip_local_reserved_ports */
	bool timestamps;		/* tcp_timestamps is not 0 */
};

/* 0 or negative errno; *ret_sysctls is whole or untouched. */
int port_sysctls_read(struct port_sysctls *ret_sysctls);

bool port_sysctls_equal(const struct port_sysctls *left, const struct port_sysctls *right);

#endif
