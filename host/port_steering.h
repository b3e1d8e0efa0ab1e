/* SPDX-License-Identifier: MIT
 *
 * The socket options that decide which local port a TCP socket gets, and what a socket says of
 * itself. All act on a descriptor, which may be a copy of another process's. Thread rule: any.
 */
#ifndef BERTH_HOST_PORT_STEERING_H
#define BERTH_HOST_PORT_STEERING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h since 6.3 */
#endif

/* What decides whether a socket may be steered at all. */
struct socket_facts {
	int family;	      /* AF_INET or AF_INET6 */
	bool closed;	      /* no connection, none begun, not listening */
	bool bound_to_device; /* SO_BINDTODEVICE: ports are counted per device */
	bool reuse_port;      /* SO_REUSEPORT */
	bool reuse_address;   /* SO_REUSEADDR */
	bool no_port;	      /* IP_BIND_ADDRESS_NO_PORT */
	bool own_range;	      /* IP_LOCAL_PORT_RANGE is set */
	uint64_t netns;	      /* SO_NETNS_COOKIE; 0 where the kernel has none (before 5.14) */
};

/* Fills *ret_facts for a TCP socket (not MPTCP, which has a protocol number of its own).
 * False, and *ret_facts untouched, for everything else. */
bool socket_facts_read(int fd, struct socket_facts *ret_facts);

/* TCP_CLOSE ... (netinet/tcp.h); 0 if fd is no TCP socket. */
uint8_t socket_tcp_state(int fd);

/* True if the socket's handshake is over; then *ret_timestamps says whether both ends use
 * timestamps (RFC 7323). */
bool socket_is_established(int fd, bool *ret_timestamps);

/* Limits connect()'s own choice to [first, last]; 0, 0 lifts the limit. With first = last connect()
 * tries one port and keeps its atomic check of the 4-tuple. The kernel ignores, without a word,
 * what lies outside ip_local_port_range. 0 or negative errno (-ENOPROTOOPT before Linux 6.3). */
int steer_local_port_range(int fd, unsigned first, unsigned last);

/* IP_BIND_ADDRESS_NO_PORT and SO_REUSEADDR. 0 or negative errno. */
int steer_bind_without_port(int fd, bool on);
int steer_reuse_address(int fd, bool on);

/* Unique for each socket of this boot, the same through every copy of its descriptor. 0 if unknown. */
uint64_t socket_cookie(int fd);

/* SO_NETNS_COOKIE of the caller's own network namespace; 0 if unknown. */
uint64_t own_netns_cookie(void);

#endif
