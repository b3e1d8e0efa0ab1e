/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Addresses: IPv4 ones in their mapped form, in network byte order.
 */
#ifndef BERTH_BPF_ADDRESSES_H
#define BERTH_BPF_ADDRESSES_H

#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/kernel_types.h"
#include "wire/kernel_mode.h"

static __always_inline bool is_mapped(const __u32 *address_be)
{
	return address_be[0] == 0 && address_be[1] == 0 && address_be[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_any(const __u32 *address_be)
{
	return (address_be[0] | address_be[1] | address_be[2] | address_be[3]) == 0;
}

static __always_inline bool is_link_local(const __u32 *address_be)
{
	return (address_be[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* The unspecified address is this host, here as in ip_route_output_key() and tcp_v6_connect(). */
static __always_inline void replace_any(struct wire_destination *to)
{
	if (is_mapped(to->address_be)) {
		if (to->address_be[3] == 0)
			to->address_be[3] = to->source_be[3] ? to->source_be[3] : bpf_htonl(INADDR_LOOPBACK);
	} else if (is_any(to->address_be)) {
		if (is_mapped(to->source_be)) {
			to->address_be[2] = bpf_htonl(0xffff);
			to->address_be[3] = bpf_htonl(INADDR_LOOPBACK);
		} else {
			to->address_be[3] = bpf_htonl(1);
		}
	}
}

/* ---- of sockets ---- */

static __always_inline void name_destination(const struct sock_common *common, __u64 netns,
					     struct wire_destination *ret_to)
{
	ret_to->netns = netns;
	ret_to->port_be = common->skc_dport;
	if (common->skc_family == AF_INET6) {
		ret_to->address_be[0] = common->skc_v6_daddr.s6_addr32[0];
		ret_to->address_be[1] = common->skc_v6_daddr.s6_addr32[1];
		ret_to->address_be[2] = common->skc_v6_daddr.s6_addr32[2];
		ret_to->address_be[3] = common->skc_v6_daddr.s6_addr32[3];
	} else {
		ret_to->address_be[2] = bpf_htonl(0xffff);
		ret_to->address_be[3] = common->skc_daddr;
	}
}

static __always_inline void name_source(const struct sock_common *common, __u32 *ret_source_be)
{
	if (common->skc_family == AF_INET6) {
		ret_source_be[0] = common->skc_v6_rcv_saddr.s6_addr32[0];
		ret_source_be[1] = common->skc_v6_rcv_saddr.s6_addr32[1];
		ret_source_be[2] = common->skc_v6_rcv_saddr.s6_addr32[2];
		ret_source_be[3] = common->skc_v6_rcv_saddr.s6_addr32[3];
	} else {
		ret_source_be[0] = ret_source_be[1] = 0;
		ret_source_be[2] = bpf_htonl(0xffff);
		ret_source_be[3] = common->skc_rcv_saddr;
	}
}

#endif
