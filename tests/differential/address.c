/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "tests/differential/slot.h"

const char *const host_names[HOSTS] = { "loopback", "wildcard", "second", "mapped", "foreign" };
static const char *const host4[] = { "127.0.0.1", "0.0.0.0", "127.0.0.2", "127.0.0.1", "192.0.2.1" };
static const char *const host6[] = { "::1", "::", "::ffff:127.0.0.2", "::ffff:127.0.0.1", "2001:db8::1" };

socklen_t inet_address(struct sockaddr_storage *storage, int family, enum host host, unsigned port)
{
	struct sockaddr_in6 *in6 = (void *)storage;
	struct sockaddr_in *in = (void *)storage;

	memset(storage, 0, sizeof(*storage));
	if (family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, host6[host], &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, host4[host], &in->sin_addr);
	return sizeof(*in);
}

enum host host_for(const struct slot *slot, unsigned value)
{
	static const enum host even[] = {
		MAPPED, MAPPED, MAPPED, MAPPED, SECOND, WILDCARD, WILDCARD, FOREIGN
	};
	static const enum host odd[] = { LOOPBACK, LOOPBACK, LOOPBACK, LOOPBACK,
					 LOOPBACK, WILDCARD, WILDCARD, FOREIGN };

	return (slot - slots) % 2 ? odd[value % 8] : even[value % 8];
}

socklen_t unix_address(struct sockaddr_storage *storage, unsigned name)
{
	static const socklen_t lengths[] = { 16, 28, 40 };
	struct sockaddr_un *un = (void *)storage;

	memset(storage, 0, sizeof(*storage));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path + 1, 12, "%u.%u", seed, name);
	return lengths[name % 3];
}

unsigned port_in(const struct sockaddr_storage *storage)
{
	if (storage->ss_family != AF_INET && storage->ss_family != AF_INET6)
		return 0;
	return ntohs(((const struct sockaddr_in *)storage)->sin_port);
}
