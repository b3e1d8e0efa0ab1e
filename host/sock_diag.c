/* SPDX-License-Identifier: MIT */
#include "host/sock_diag.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

struct nlmsghdr *sock_diag_request(void *buffer, int type, int family, struct inet_diag_req_v2 **ret_request)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = (uint16_t)type;
	*ret_request = mnl_nlmsg_put_extra_header(header, sizeof(**ret_request));
	(*ret_request)->sdiag_family = (uint8_t)family;
	(*ret_request)->sdiag_protocol = IPPROTO_TCP;
	return header;
}

int sock_diag_family(const struct berth_endpoint *local)
{
	return berth_address_is_v4(&local->address) ? AF_INET : AF_INET6;
}

struct berth_endpoint sock_diag_endpoint(int family, const uint32_t address[4], uint16_t port_be)
{
	struct berth_endpoint result = { .port = ntohs(port_be) };

	if (family == AF_INET)
		result.address = berth_address_v4(ntohl(address[0]));
	else
		memcpy(result.address.bytes, address, sizeof(result.address.bytes));
	return result;
}

void sock_diag_put_endpoint(const struct berth_endpoint *from, uint32_t address[4], uint16_t *port_be)
{
	if (berth_address_is_v4(&from->address))
		memcpy(address, from->address.bytes + 12, 4);
	else
		memcpy(address, from->address.bytes, 16);
	*port_be = htons(from->port);
}
