/* SPDX-License-Identifier: MIT */
#include "daemon/settings.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/sysctl.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static void set_ports(struct wire_settings *settings, const struct port_sysctls *sysctls)
{
	for (unsigned word = 0; word < BERTH_PORTS / 64; word++) {
		uint64_t allowed = 0;

		for (unsigned port = word * 64; port < word * 64 + 64; port++)
			if (port > 0 && port >= sysctls->first && port <= sysctls->last &&
			    !berth_port_set_contains(&sysctls->reserved, port))
				allowed |= 1ull << port % 64;
		settings->allowed[word] = allowed;
	}
	settings->first = (uint16_t)(sysctls->first > 0 ? sysctls->first : 1);
	settings->last = (uint16_t)sysctls->last;
}

static void add_address(struct wire_settings *settings, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		if (settings->source4_count < WIRE_SOURCES)
			memcpy(&settings->source4_be[settings->source4_count++],
			       &((const struct sockaddr_in *)(const void *)address)->sin_addr,
			       sizeof(settings->source4_be[0]));
		else
			settings->source4_count = WIRE_TOO_MANY_SOURCES;
	} else if (address->sa_family == AF_INET6) {
		if (settings->source6_count < WIRE_SOURCES)
			memcpy(settings->source6_be[settings->source6_count++],
			       &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
			       sizeof(settings->source6_be[0]));
		else
			settings->source6_count = WIRE_TOO_MANY_SOURCES;
	}
}

/* Which addresses a connection can come from. False: not to be known. */
static bool read_addresses(struct wire_settings *ret_settings)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next)
		if (one->ifa_addr)
			add_address(ret_settings, one->ifa_addr);
	freeifaddrs(all);
	return true;
}

static void refresh_addresses(struct wire_settings *settings)
{
	struct wire_settings read = { 0 };

	if (!read_addresses(&read))
		read.source4_count = read.source6_count = WIRE_TOO_MANY_SOURCES;
	memcpy(settings->source4_be, read.source4_be, sizeof(read.source4_be));
	memcpy(settings->source6_be, read.source6_be, sizeof(read.source6_be));
	settings->source4_count = read.source4_count;
	settings->source6_count = read.source6_count;
}

/* 0 or negative errno. */
static int read_netns_cookie(__u64 *ret_cookie)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(*ret_cookie);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &length) < 0)
		error = -errno;
	close(fd);
	return error;
}

void settings_refresh(struct wire_settings *settings)
{
	struct port_sysctls read;

	refresh_addresses(settings);
	read_netns_cookie(&settings->netns_cookie);
	if (port_sysctls_read(&read) == 0)
		set_ports(settings, &read);
}
