/* SPDX-License-Identifier: MIT
 *
 * What the requests to the kernel's socket table (man 7 sock_diag) have in common. For host/ only.
 */
#ifndef BERTH_HOST_SOCK_DIAG_H
#define BERTH_HOST_SOCK_DIAG_H

#include <stdint.h>

#include "core/address.h"

struct inet_diag_req_v2;
struct nlmsghdr;

/* Begins a request for TCP in a buffer of the caller's. */
struct nlmsghdr *sock_diag_request(void *buffer, int type, int family, struct inet_diag_req_v2 **ret_request);

/* Which table a connection lies in: an IPv4 connection of an IPv6 socket lies in that of IPv4. */
int sock_diag_family(const struct berth_endpoint *local);

/* From and to the form that the kernel has for either family. */
struct berth_endpoint sock_diag_endpoint(int family, const uint32_t address[4], uint16_t port_be);
void sock_diag_put_endpoint(const struct berth_endpoint *from, uint32_t address[4], uint16_t *port_be);

#endif
