/* SPDX-License-Identifier: MIT
 *
 * struct sockaddr at the border, struct berth_endpoint inside.
 */
#ifndef BERTH_HOST_SOCKET_ADDRESS_H
#define BERTH_HOST_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "core/address.h"

/* The shortest sockaddr_in6 the kernel takes: without the scope (SIN6_LEN_RFC2133). */
#define SHORTEST_SOCKADDR_IN6 24u

/* Reads the IPv4 or IPv6 address in the size bytes at address. False, and *ret_endpoint untouched,
 * for every other family and for what is too short. */
bool endpoint_from_sockaddr(const struct sockaddr_storage *address, size_t size,
			    struct berth_endpoint *ret_endpoint);

/* The endpoint as an address for a socket of that family (AF_INET only for an IPv4 endpoint). Its
 * size. */
socklen_t sockaddr_from_endpoint(const struct berth_endpoint *endpoint, int family,
				 struct sockaddr_storage *ret_address);

/* Sets the port in an address that endpoint_from_sockaddr() can read. */
void sockaddr_set_port(struct sockaddr_storage *address, unsigned port);

/* 0.0.0.0, also v4-mapped, or :: */
bool address_is_any(const struct berth_address *address);

/* The local address of a socket: getsockname(). 0 or negative errno. */
int local_endpoint(int fd, struct sockaddr_storage *ret_address, socklen_t *ret_size,
		   struct berth_endpoint *ret_endpoint);

/* The local address that a connection to destination would get: what the routing table says now,
 * by connecting a UDP socket, which sends nothing. 0 or negative errno (-ENETUNREACH ...). */
int route_source(const struct sockaddr_storage *destination, size_t size, struct berth_address *ret_source);

#endif
