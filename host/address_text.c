/* SPDX-License-Identifier: MIT */
#include "host/address_text.h"

#include <arpa/inet.h>
#include <stdio.h>

const char *address_text(const struct berth_address *address, char text[ENDPOINT_TEXT])
{
	if (berth_address_is_v4(address))
		inet_ntop(AF_INET, address->bytes + 12, text, ENDPOINT_TEXT);
	else
		inet_ntop(AF_INET6, address->bytes, text, ENDPOINT_TEXT);
	return text;
}

const char *endpoint_text(const struct berth_endpoint *endpoint, char text[ENDPOINT_TEXT])
{
	char address[ENDPOINT_TEXT];
	bool is_v4 = berth_address_is_v4(&endpoint->address);

	address_text(&endpoint->address, address);
	snprintf(text, ENDPOINT_TEXT, is_v4 ? "%.45s:%u" : "[%.45s]:%u", address, endpoint->port);
	return text;
}

bool address_from_text(const char *text, struct berth_address *ret_address)
{
	struct berth_address v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		*ret_address = berth_address_v4(ntohl(v4.s_addr));
	else if (inet_pton(AF_INET6, text, v6.bytes) == 1)
		*ret_address = v6;
	else
		return false;
	return true;
}
