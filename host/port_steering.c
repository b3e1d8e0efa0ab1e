/* SPDX-License-Identifier: MIT */
#include "host/port_steering.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h since 5.14 */
#endif

/* An option that the kernel does not know counts as not set. */
static unsigned option(int fd, int level, int name)
{
	unsigned value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, name, &value, &size) == 0 ? value : 0;
}

static int set_option(int fd, int level, int name, unsigned value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static uint64_t wide_option(int fd, int name)
{
	uint64_t value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : 0;
}

/* It is the first byte of struct tcp_info; asking for no more keeps it cheap. */
uint8_t socket_tcp_state(int fd)
{
	uint8_t state = 0;
	socklen_t size = sizeof(state);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) == 0 ? state : 0;
}

bool socket_facts_read(int fd, struct socket_facts *ret_facts)
{
	int family = (int)option(fd, SOL_SOCKET, SO_DOMAIN);

	if (option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP || (family != AF_INET && family != AF_INET6))
		return false;
	*ret_facts = (struct socket_facts){
		.family = family,
		.closed = socket_tcp_state(fd) == TCP_CLOSE,
		.bound_to_device = option(fd, SOL_SOCKET, SO_BINDTOIFINDEX) != 0,
		.reuse_port = option(fd, SOL_SOCKET, SO_REUSEPORT) != 0,
		.reuse_address = option(fd, SOL_SOCKET, SO_REUSEADDR) != 0,
		.no_port = option(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT) != 0,
		.own_range = option(fd, SOL_IP, IP_LOCAL_PORT_RANGE) != 0,
		.netns = wide_option(fd, SO_NETNS_COOKIE),
	};
	return true;
}

bool socket_is_established(int fd, bool *ret_timestamps)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || info.tcpi_state != TCP_ESTABLISHED)
		return false;
	*ret_timestamps = info.tcpi_options & TCPI_OPT_TIMESTAMPS;
	return true;
}

int steer_local_port_range(int fd, unsigned first, unsigned last)
{
	return set_option(fd, SOL_IP, IP_LOCAL_PORT_RANGE, last << 16 | first);
}

int steer_bind_without_port(int fd, bool on)
{
	return set_option(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, on);
}

int steer_reuse_address(int fd, bool on)
{
	return set_option(fd, SOL_SOCKET, SO_REUSEADDR, on);
}

uint64_t socket_cookie(int fd)
{
	return wide_option(fd, SO_COOKIE);
}

uint64_t own_netns_cookie(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	cookie = wide_option(fd, SO_NETNS_COOKIE);
	close(fd);
	return cookie;
}
