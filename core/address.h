/* SPDX-License-Identifier: MIT
 *
 * Addresses and endpoints: one form for IPv4 and IPv6.
 *
 * An address is the sixteen bytes of an IPv6 address in network order, as in struct in6_addr. An IPv4
 * address is kept v4-mapped, ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that 192.0.2.1 and
 * ::ffff:192.0.2.1 are one destination, as they are for the kernel.
 */
#ifndef BERTH_ADDRESS_H
#define BERTH_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct berth_address {
	uint8_t bytes[16];
};

/* One end of a connection. The port is in host byte order. Zero-filled is [::]:0, which names nobody. */
struct berth_endpoint {
	struct berth_address address;
	uint16_t port;
};

/* The address a.b.c.d; v4 is in host byte order: 127.0.0.1 is 0x7f000001. */
static inline struct berth_address berth_address_v4(uint32_t v4)
{
	struct berth_address address = { { 0 } };

	address.bytes[10] = 0xff;
	address.bytes[11] = 0xff;
	address.bytes[12] = (uint8_t)(v4 >> 24);
	address.bytes[13] = (uint8_t)(v4 >> 16);
	address.bytes[14] = (uint8_t)(v4 >> 8);
	address.bytes[15] = (uint8_t)v4;
	return address;
}

/* True for an IPv4 address, however it was written. */
static inline bool berth_address_is_v4(const struct berth_address *address)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

/* The last four bytes in host byte order: the IPv4 address, if it is one. */
static inline uint32_t berth_address_to_v4(const struct berth_address *address)
{
	const uint8_t *b = address->bytes;

	return (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
}

static inline bool berth_address_equal(const struct berth_address *a, const struct berth_address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool berth_endpoint_equal(const struct berth_endpoint *a, const struct berth_endpoint *b)
{
	return a->port == b->port && berth_address_equal(&a->address, &b->address);
}

#endif
