/* SPDX-License-Identifier: MIT */
#include "host/socket_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

bool endpoint_from_sockaddr(const struct sockaddr_storage *address, size_t size,
			    struct berth_endpoint *ret_endpoint)
{
	if (size >= sizeof(struct sockaddr_in) && address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		ret_endpoint->address = berth_address_v4(ntohl(in->sin_addr.s_addr));
		ret_endpoint->port = ntohs(in->sin_port);
		return true;
	}
	if (size >= SHORTEST_SOCKADDR_IN6 && address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		memcpy(ret_endpoint->address.bytes, &in6->sin6_addr, sizeof(ret_endpoint->address.bytes));
		ret_endpoint->port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

socklen_t sockaddr_from_endpoint(const struct berth_endpoint *endpoint, int family,
				 struct sockaddr_storage *ret_address)
{
	*ret_address = (struct sockaddr_storage){ .ss_family = (sa_family_t)family };
	sockaddr_set_port(ret_address, endpoint->port);
	if (family == AF_INET) {
		memcpy(&((struct sockaddr_in *)ret_address)->sin_addr, endpoint->address.bytes + 12, 4);
		return sizeof(struct sockaddr_in);
	}
	memcpy(&((struct sockaddr_in6 *)ret_address)->sin6_addr, endpoint->address.bytes, 16);
	return sizeof(struct sockaddr_in6);
}

void sockaddr_set_port(struct sockaddr_storage *address, unsigned port)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

bool address_is_any(const struct berth_address *address)
{
	static const struct berth_address any_v6;
	struct berth_address any_v4 = berth_address_v4(INADDR_ANY);

	return berth_address_equal(address, &any_v6) || berth_address_equal(address, &any_v4);
}

int local_endpoint(int fd, struct sockaddr_storage *ret_address, socklen_t *ret_size,
		   struct berth_endpoint *ret_endpoint)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (!endpoint_from_sockaddr(&address, size, ret_endpoint))
		return -EAFNOSUPPORT;
	*ret_address = address;
	*ret_size = size;
	return 0;
}

int route_source(const struct sockaddr_storage *destination, size_t size, struct berth_address *ret_source)
{
	int fd = socket(destination->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address;
	socklen_t address_size;
	struct berth_endpoint source;
	int error;

	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)destination, (socklen_t)size) < 0
			? -errno
			: local_endpoint(fd, &address, &address_size, &source);
	close(fd);
	if (!error)
		*ret_source = source.address;
	return error;
}
