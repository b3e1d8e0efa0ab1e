/* SPDX-License-Identifier: MIT
 *
 * The settings of the kernel that say which ports may be handed out, and its counts of sockets, of the
 * caller's own network namespace. The settings hold for IPv6 as well (net/ipv4/sysctl_net_ipv4.c).
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

/* The settings that say whether a port in TIME_WAIT can be taken again. */
enum tw_reuse {
	TW_REUSE_NEVER,
	TW_REUSE_ALWAYS,
	TW_REUSE_LOOPBACK, /* only between loopback addresses; the kernel's default */
};

struct reuse_sysctls {
	enum tw_reuse tw_reuse;	 /* tcp_tw_reuse: connect() may take a tuple over, given timestamps */
	unsigned reuse_delay_ms; /* tcp_tw_reuse_delay; before Linux 6.14 always 1000 */
	unsigned max_tw_buckets; /* tcp_max_tw_buckets */
	bool autobind_reuse;	 /* ip_autobind_reuse */
};

/* 0 or negative errno; *ret_sysctls is whole or untouched. */
int reuse_sysctls_read(struct reuse_sysctls *ret_sysctls);

/* How many TCP sockets of both families the network namespace has: connections and listeners; and
 * how many connections in TIME_WAIT (/proc/net/sockstat, sockstat6). Costs the same however many. */
struct socket_totals {
	unsigned in_use;
	unsigned time_wait;
	unsigned
		existing; /* on the whole machine, without TIME_WAIT: also those that are not, or no longer, in use */
};

/* 0 or negative errno; *ret_totals is whole or untouched. */
int socket_totals_read(struct socket_totals *ret_totals);

/* Whether this network namespace may have a TCP socket that is bound and nothing else. There is none where it and the namespace
 * of process 1 use all that exist. A hint: a socket may end between two counts. */
bool bound_sockets_are_possible(void);

#endif
