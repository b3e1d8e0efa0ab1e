/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Reports the connections that leave a TIME_WAIT behind, for the daemon's governor (daemon/governor.h).
 *
 * The kernel has no event for the entry into TIME_WAIT, but for the end of the full socket, which comes with it. If the far end
 * has not closed yet, what is left is the rest of a FIN_WAIT_2, which becomes a TIME_WAIT later, unseen; SOCK_DONE tells
 * the two apart, which tcp_fin() sets (net/ipv4/tcp_input.c).
 *
 * What is left is known by the socket's cookie, which it inherits if the socket has one by then
 * (net/ipv4/inet_timewait_sock.c, inet_twsk_alloc). So it gets one in FIN_WAIT_1, through which every side goes that
 * closes first.
 */
#ifndef BERTH_BPF_CLOSED_H
#define BERTH_BPF_CLOSED_H

#include "bpf/port_namespace.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WIRE_CLOSED_RING);
} closed SEC(".maps");

__u64 governed[WIRE_GOVERNED];

static __always_inline bool is_governed(const struct sock_common *common)
{
	return settings.governed != 0 && common->skc_net.net->net_cookie == settings.governed;
}

static __always_inline void name_ends(const struct sock *sk, struct wire_closed *closing)
{
	const struct sock_common *common = &sk->__sk_common;

	if (common->skc_family == AF_INET6) {
		BPF_CORE_READ_INTO(&closing->local_be, common, skc_v6_rcv_saddr.s6_addr32);
		BPF_CORE_READ_INTO(&closing->remote_be, common, skc_v6_daddr.s6_addr32);
	} else {
		closing->local_be[0] = closing->local_be[1] = 0;
		closing->remote_be[0] = closing->remote_be[1] = 0;
		closing->local_be[2] = closing->remote_be[2] = bpf_htonl(0xffff);
		closing->local_be[3] = common->skc_rcv_saddr;
		closing->remote_be[3] = common->skc_daddr;
	}
	closing->local_port = port_of(sk);
	closing->remote_port = bpf_ntohs(common->skc_dport);
	closing->interface = (__u32)common->skc_bound_dev_if;
}

static __always_inline bool leaves_time_wait(int state)
{
	return state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_CLOSING;
}

static __always_inline void report_closed(const struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock((void *)sk);
	struct wire_closed *closing;

	if (!tcp)
		return;
	closing = bpf_ringbuf_reserve(&closed, sizeof(*closing), 0);
	if (!closing) {
		__sync_fetch_and_add(&governed[WIRE_LOST], 1);
		return;
	}
	name_ends(sk, closing);
	closing->cookie = (__u64)sk->__sk_common.skc_cookie.counter;
	closing->closed_ns = bpf_ktime_get_ns();
	closing->time_wait =
		(sk->__sk_common.skc_flags >> (bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 63) & 1) !=
		0;
	closing->timestamps = BPF_CORE_READ_BITFIELD(tcp, rx_opt.tstamp_ok) != 0;
	__builtin_memset(closing->pad, 0, sizeof(closing->pad));
	/* The governor comes by itself, many times a second; to wake it for each would cost more than all else. */
	bpf_ringbuf_submit(closing, BPF_RB_NO_WAKEUP);
}

#endif
