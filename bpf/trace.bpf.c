/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * `berth record`: reports what the TCP sockets of one network namespace do about ports. Steers nothing, and is there only while
 * something is recorded; kernel mode may be in force beside it or not.
 *
 *	state			connections and listeners begin and end, on the whole machine
 *	bind4, bind6		what is asked for: to be put before kernel mode, which names another port in its place
 *	bound4, bound6		it was given
 *	connect4, connect6	refused: to be put behind kernel mode, whose word it is
 *	release			closed by the program
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/kernel_types.h"
#include "wire/trace.h"

char _license[] SEC("license") = "Dual MIT/GPL";

const volatile __u64 netns;		    /* SO_NETNS_COOKIE of those to be reported */
const volatile __u32 bind_no_port_bit = 18; /* of inet_flags; the loader finds it */

__u64 lost; /* reports, for which the ring had no room */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WIRE_TRACE_RING);
} traced SEC(".maps");

/* The last bind() of a socket. */
struct asking {
	__u16 port;
	bool is_open; /* not answered yet; if another call follows, it has failed */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct asking);
} askings SEC(".maps");

static __always_inline struct wire_traced *begin_report(enum wire_act act, __u64 cookie)
{
	struct wire_traced *report = bpf_ringbuf_reserve(&traced, sizeof(*report), 0);

	if (!report) {
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	__builtin_memset(report, 0, sizeof(*report));
	report->cookie = cookie;
	report->at_ns = bpf_ktime_get_ns();
	report->act = act;
	return report;
}

/* Whoever records comes by itself, many times a second. */
static __always_inline void send_report(struct wire_traced *report)
{
	bpf_ringbuf_submit(report, BPF_RB_NO_WAKEUP);
}

static __always_inline void report_port(enum wire_act act, __u64 cookie, __u16 port)
{
	struct wire_traced *report = begin_report(act, cookie);

	if (!report)
		return;
	report->local_port = port;
	send_report(report);
}

/* ---- bind ---- */

static __always_inline bool puts_off(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && (((const struct inet_sock *)tcp)->inet_flags >> (bind_no_port_bit & 63) & 1) != 0;
}

static __always_inline int asks(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct asking *asking;

	if (!sk || sk->protocol != IPPROTO_TCP || sk->src_port != 0 || bpf_get_netns_cookie(ctx) != netns)
		return 1;
	asking = bpf_sk_storage_get(&askings, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!asking)
		return 1;
	if (asking->is_open && asking->port == 0)
		report_port(WIRE_BIND_FAILED, bpf_get_socket_cookie(ctx), 0);
	asking->port = bpf_ntohs((__u16)ctx->user_port);
	asking->is_open = asking->port != 0 || !puts_off(sk);
	if (!asking->is_open) /* which nobody answers: it gets its port later */
		report_port(WIRE_BOUND_TO, bpf_get_socket_cookie(ctx), 0);
	return 1;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return asks(ctx);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return asks(ctx);
}

static __always_inline int gets(struct bpf_sock *ctx)
{
	struct asking *asking;
	__u16 port;

	if (ctx->protocol != IPPROTO_TCP || bpf_get_netns_cookie(ctx) != netns)
		return 1;
	asking = bpf_sk_storage_get(&askings, ctx, NULL, 0);
	port = (__u16)ctx->src_port;
	if (asking) {
		asking->is_open = false;
		port = asking->port;
	}
	report_port(WIRE_BOUND_TO, bpf_get_socket_cookie(ctx), port);
	return 1;
}

SEC("cgroup/post_bind4")
int bound4(struct bpf_sock *ctx)
{
	return gets(ctx);
}

SEC("cgroup/post_bind6")
int bound6(struct bpf_sock *ctx)
{
	return gets(ctx);
}

SEC("cgroup/sock_release")
int release(struct bpf_sock *ctx)
{
	struct asking *asking;

	if (ctx->protocol != IPPROTO_TCP || ctx->state != BPF_TCP_CLOSE || bpf_get_netns_cookie(ctx) != netns)
		return 1;
	asking = bpf_sk_storage_get(&askings, ctx, NULL, 0);
	report_port(asking && asking->is_open && asking->port == 0 ? WIRE_BIND_FAILED : WIRE_RELEASED,
		    bpf_get_socket_cookie(ctx), 0);
	return 1;
}

/* ---- connect ---- */

static __always_inline struct wire_traced *begin_refused(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct wire_traced *report;

	if (!sk || sk->protocol != IPPROTO_TCP || bpf_get_retval() != -EADDRNOTAVAIL ||
	    bpf_get_netns_cookie(ctx) != netns)
		return NULL;
	report = begin_report(WIRE_REFUSED, bpf_get_socket_cookie(ctx));
	if (report)
		report->remote_port = bpf_ntohs((__u16)ctx->user_port);
	return report;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct wire_traced *report = begin_refused(ctx);

	if (!report)
		return 1;
	report->remote_be[2] = bpf_htonl(0xffff);
	report->remote_be[3] = ctx->user_ip4;
	send_report(report);
	return 1;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct wire_traced *report = begin_refused(ctx);

	if (!report)
		return 1;
	report->remote_be[0] = ctx->user_ip6[0];
	report->remote_be[1] = ctx->user_ip6[1];
	report->remote_be[2] = ctx->user_ip6[2];
	report->remote_be[3] = ctx->user_ip6[3];
	send_report(report);
	return 1;
}

static __always_inline void name_ends(const struct sock_common *common, struct wire_traced *report)
{
	if (common->skc_family == AF_INET6) {
		BPF_CORE_READ_INTO(&report->local_be, common, skc_v6_rcv_saddr.s6_addr32);
		BPF_CORE_READ_INTO(&report->remote_be, common, skc_v6_daddr.s6_addr32);
	} else {
		report->local_be[2] = report->remote_be[2] = bpf_htonl(0xffff);
		report->local_be[3] = common->skc_rcv_saddr;
		report->remote_be[3] = common->skc_daddr;
	}
	report->local_port = common->skc_num;
	report->remote_port = bpf_ntohs(common->skc_dport);
}

/* connect() that fails at once leaves no error in the socket, and its program has not closed it (net/ipv4/tcp_ipv4.c,
 * tcp_v4_connect: "failure"). The supervisor of `berth run` tries port by port, each as a range of one. */
static __always_inline enum wire_end end_before_syn_ack(const struct sock *sk)
{
	__u32 range = BPF_CORE_READ((struct inet_sock *)sk, local_port_range);

	if (sk->sk_err != 0 || sk->sk_shutdown != 0)
		return WIRE_END_RESET;
	return range != 0 && range >> 16 == (range & 0xffff) ? WIRE_END_TRIED : WIRE_END_NO_PORT;
}

static __always_inline enum wire_end how_it_ended(const struct sock *sk, int before)
{
	if (before == BPF_TCP_SYN_SENT)
		return end_before_syn_ack(sk);
	if (sk->sk_err != 0)
		return WIRE_END_RESET;
	if (before == BPF_TCP_FIN_WAIT2 || before == BPF_TCP_CLOSING)
		return WIRE_END_HERE;
	return before == BPF_TCP_LAST_ACK ? WIRE_END_PEER : WIRE_END_RESET;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state, const struct sock *sk, int before, int now)
{
	struct wire_traced *report;
	enum wire_act act;

	if (sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_net.net->net_cookie != netns)
		return 0;
	if (now == BPF_TCP_SYN_SENT)
		act = WIRE_CONNECTS;
	else if (now == BPF_TCP_LISTEN)
		act = WIRE_LISTENS;
	else if (now == BPF_TCP_CLOSE && before != BPF_TCP_SYN_RECV)
		act = WIRE_ENDED;
	else
		return 0;
	report = begin_report(act, bpf_get_socket_cookie((void *)sk));
	if (!report)
		return 0;
	name_ends(&sk->__sk_common, report);
	if (act == WIRE_ENDED)
		report->end = how_it_ended(sk, before);
	send_report(report);
	return 0;
}
