/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Kernel mode: gives a port to each connect() of a TCP socket that has none, and to each bind() to port 0.
 *
 *	connect4, connect6	on_connect.h
 *	bind4, bind6		on_bind.h
 *	bound4, bound6		a bind has been made: its claim ends
 *	state			every TCP socket of the machine that begins or ends to connect: claims end, records learn;
 *				those that closed first are reported, if that is asked for (closed.h)
 *	range_owners, all_owners	none: list who is on the ports, for who looks at them (port_owners.h)
 *
 * Nothing that is remembered decides: it only says where to look. Before a port is given, the kernel's own bind table says
 * who is on it (bind_table.h), and the kernel has the last word in its bind and connect. No other process is needed for any
 * of this to stay right.
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/closed.h"
#include "bpf/kernel_types.h"
#include "bpf/on_bind.h"
#include "bpf/on_connect.h"
#include "bpf/port_owners.h"
#include "wire/kernel_mode.h"

char _license[] SEC("license") = "Dual MIT/GPL";

/* Numbers of bits in inet_flags, which are of an enumeration without a name: the loader finds them. */
const volatile __u32 transparent_bit = 15;
const volatile __u32 bind_no_port_bit = 18;

/* Sockets that bind() gave a port to, or the kernel in our place: to be shared from their connect() on. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u8);
} bound_to_any SEC(".maps");

/* ---- which sockets ---- */

static __always_inline bool has_flag(const struct tcp_sock *tcp, __u32 bit)
{
	return (((const struct inet_sock *)tcp)->inet_flags >> (bit & 63) & 1) != 0;
}

static __always_inline bool is_own_choice(const struct tcp_sock *tcp)
{
	const struct inet_sock *inet = (const struct inet_sock *)tcp;

	return inet->local_port_range != 0 || has_flag(tcp, transparent_bit) ||
	       BPF_CORE_READ_BITFIELD(&inet->sk.__sk_common, skc_reuseport) != 0;
}

/* WIRE_FRESH if the socket is one to give a port to; otherwise the way out. */
static __always_inline enum wire_way examine(struct bpf_sock_addr *ctx, struct tcp_sock *tcp,
					     struct call *call, struct port_namespace **ret_namespace)
{
	struct net *net;

	if (BPF_CORE_READ_BITFIELD(tcp, is_mptcp) != 0)
		return WIRE_NOT_TCP;
	if (is_own_choice(tcp) || ctx->sk->bound_dev_if != 0)
		return WIRE_OWN_CHOICE;
	net = ((struct sock *)tcp)->__sk_common.skc_net.net;
	call->now_ns = bpf_ktime_get_coarse_ns();
	call->question.now_s = call->now_ns / 1000000000u;
	call->question.at_once = settings.exhausted == WIRE_TAKE_OVER;
	call->question.to.netns = net->net_cookie;
	call->question.net = (__u64)net;
	call->question.hash_mix = net->hash_mix;
	call->question.table = (__u64)net->ipv4.tcp_death_row.hashinfo->bhash;
	call->question.table_size = net->ipv4.tcp_death_row.hashinfo->bhash_size;
	*ret_namespace = namespace_of(net, call->question.to.netns, call->now_ns);
	return *ret_namespace ? WIRE_FRESH : WIRE_NO_STATE;
}

/* NULL and *ret_way if it is none. */
static __always_inline struct tcp_sock *tcp_socket(struct bpf_sock_addr *ctx, __u32 family,
						   enum wire_way *ret_way)
{
	struct bpf_sock *sk = ctx->sk;

	*ret_way = WIRE_NOT_TCP;
	if (!sk || sk->protocol != IPPROTO_TCP || ctx->user_family != family)
		return NULL;
	return bpf_skc_to_tcp_sock(sk);
}

/* ---- addresses ---- */

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

static __always_inline void bind_source4(struct call *call, __u32 address_be)
{
	struct question *question = &call->question;

	question->bound = address_be != 0;
	if (question->bound)
		question->to.source_be[2] = bpf_htonl(0xffff);
	question->to.source_be[3] = address_be;
	question->source_be[3] = address_be;
}

static __always_inline void bind_source6(struct call *call, const __u32 *address_be)
{
	struct question *question = &call->question;

	question->bound = !is_any(address_be) && !(is_mapped(address_be) && address_be[3] == 0);
	__builtin_memcpy(question->to.source_be, address_be, sizeof(question->to.source_be));
	__builtin_memcpy(question->source_be, address_be, sizeof(question->source_be));
}

/* ---- connect ---- */

/* A socket that has a port connects. The port's mark has gone if an earlier connect() of the socket failed. */
static __always_inline void leave_bound(struct bpf_sock_addr *ctx)
{
	__u64 netns = bpf_get_netns_cookie(ctx);
	struct port_namespace *namespace = bpf_map_lookup_elem(&namespaces, &netns);

	if (bpf_sk_storage_get(&bound_to_any, ctx->sk, NULL, 0))
		share(ctx);
	if (namespace)
		mark(&namespace->used, ctx->sk->src_port);
}

/* What the kernel is told: 1 is to go on. */
static __always_inline int answer(const struct call *call)
{
	count(call->way);
	if (call->way != WIRE_EXHAUSTED || settings.exhausted == WIRE_TO_KERNEL)
		return 1;
	bpf_set_retval(-EADDRNOTAVAIL);
	return 0;
}

/* The socket, if it is one to give a port to. NULL: its way out is counted, and the kernel goes on. */
static __always_inline struct tcp_sock *take_up(struct bpf_sock_addr *ctx, __u32 family, struct call *call,
						struct port_namespace **ret_namespace)
{
	enum wire_way way;
	struct tcp_sock *tcp = tcp_socket(ctx, family, &way);

	if (tcp && ctx->sk->src_port != 0) {
		leave_bound(ctx);
		way = WIRE_BOUND;
	} else if (tcp) {
		way = examine(ctx, tcp, call, ret_namespace);
	}
	if (way == WIRE_FRESH)
		return tcp;
	count(way);
	return NULL;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct connecting connecting = { .ctx = ctx };
	struct call *call = &connecting.call;
	struct wire_destination *to = &call->question.to;
	struct tcp_sock *tcp = take_up(ctx, AF_INET, call, &connecting.namespace);

	if (!tcp)
		return 1;
	call->question.ipv4 = true;
	bind_source4(call, ctx->sk->src_ip4);
	to->address_be[2] = bpf_htonl(0xffff);
	to->address_be[3] = ctx->user_ip4;
	to->port_be = ctx->user_port;
	replace_any(to);
	give_port(&connecting);
	return answer(call);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct connecting connecting = { .ctx = ctx, .call.ipv6_socket = true };
	struct call *call = &connecting.call;
	struct wire_destination *to = &call->question.to;
	struct tcp_sock *tcp = take_up(ctx, AF_INET6, call, &connecting.namespace);
	__u32 source_be[4];

	if (!tcp)
		return 1;
	source_be[0] = ctx->sk->src_ip6[0];
	source_be[1] = ctx->sk->src_ip6[1];
	source_be[2] = ctx->sk->src_ip6[2];
	source_be[3] = ctx->sk->src_ip6[3];
	bind_source6(call, source_be);
	to->address_be[0] = ctx->user_ip6[0];
	to->address_be[1] = ctx->user_ip6[1];
	to->address_be[2] = ctx->user_ip6[2];
	to->address_be[3] = ctx->user_ip6[3];
	to->port_be = ctx->user_port;
	if (is_link_local(to->address_be) || is_link_local(to->source_be)) {
		count(WIRE_LINK_LOCAL);
		return 1;
	}
	replace_any(to);
	call->question.ipv4 = is_mapped(to->address_be);
	if (call->question.ipv4 &&
	    BPF_CORE_READ_BITFIELD(&((struct sock *)tcp)->__sk_common, skc_ipv6only) != 0) {
		count(WIRE_NOT_TCP); /* fails before a port is chosen */
		return 1;
	}
	give_port(&connecting);
	return answer(call);
}

/* ---- bind ---- */

/* With NO_CAP the kernel does not ask for CAP_NET_BIND_SERVICE, as it does not for a port that it chose itself. */
#define GO_ON	     1
#define GO_ON_NO_CAP 3

static __always_inline int any_port(struct bpf_sock_addr *ctx, __u32 family)
{
	struct binding binding = { .ctx = ctx };
	enum wire_way way;
	struct tcp_sock *tcp = tcp_socket(ctx, family, &way);
	__u32 address_be[4];

	if (tcp && (ctx->user_port != 0 || ctx->sk->src_port != 0))
		way = WIRE_BOUND;
	else if (tcp && has_flag(tcp, bind_no_port_bit))
		way = WIRE_OWN_CHOICE;
	else if (tcp)
		way = examine(ctx, tcp, &binding.call, &binding.namespace);
	if (way != WIRE_FRESH) {
		count(way);
		return GO_ON;
	}
	bpf_sk_storage_get(&bound_to_any, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (family == AF_INET) {
		binding.call.question.ipv4 = true;
		bind_source4(&binding.call, ctx->user_ip4);
	} else {
		address_be[0] = ctx->user_ip6[0];
		address_be[1] = ctx->user_ip6[1];
		address_be[2] = ctx->user_ip6[2];
		address_be[3] = ctx->user_ip6[3];
		binding.call.question.ipv4 = is_mapped(address_be);
		bind_source6(&binding.call, address_be);
	}
	name_port(&binding);
	count(binding.call.way);
	return binding.call.done ? GO_ON_NO_CAP : GO_ON;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return any_port(ctx, AF_INET);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return any_port(ctx, AF_INET6);
}

SEC("cgroup/post_bind4")
int bound4(struct bpf_sock *ctx)
{
	if (ctx->protocol == IPPROTO_TCP)
		unclaim(bpf_get_netns_cookie(ctx), ctx->src_port);
	return 1;
}

SEC("cgroup/post_bind6")
int bound6(struct bpf_sock *ctx)
{
	if (ctx->protocol == IPPROTO_TCP)
		unclaim(bpf_get_netns_cookie(ctx), ctx->src_port);
	return 1;
}

/* ---- beginnings and ends ---- */

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
		ret_source_be[2] = bpf_htonl(0xffff);
		ret_source_be[3] = common->skc_rcv_saddr;
	}
}

static __always_inline void learn_source(const struct sock_common *common, const struct wire_destination *to)
{
	struct record *record = bpf_map_lookup_elem(&records, to);

	if (!record)
		return;
	name_source(common, record->source_be);
	record->source_ns = bpf_ktime_get_ns();
}

static __always_inline void free_port(const struct wire_destination *to, unsigned port)
{
	struct record *record = bpf_map_lookup_elem(&records, to);

	if (!record)
		return;
	unmark(&record->taken, port);
	record->verdict_until_ns = 0;
}

/* The port may be fresh now; and if the socket did not share it, no record knows that it was in its way. */
static __always_inline void release_port(struct port_namespace *namespace, const struct sock_common *common,
					 int before)
{
	unmark(&namespace->used, common->skc_num);
	if (before == BPF_TCP_LISTEN || BPF_CORE_READ_BITFIELD(common, skc_reuse) == 0)
		__sync_fetch_and_add(&namespace->released, 1);
}

static __always_inline bool leaves_time_wait(int state)
{
	return state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_CLOSING;
}

/* Part of each connect() on the machine: as little as can be. */
static __always_inline int begins(const struct sock *sk, __u64 netns)
{
	const struct sock_common *common = &sk->__sk_common;
	struct wire_destination to = { 0 };

	if (common->skc_num != 0)
		unclaim(netns, common->skc_num);
	/* An address that the program has bound says nothing of the one that the routes give others. */
	if (records_made == 0 || (BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDADDR_LOCK) != 0)
		return 0;
	name_destination(common, netns, &to);
	learn_source(common, &to);
	return 0;
}

static __always_inline int ends(const struct sock_common *common, __u64 netns, int before)
{
	struct port_namespace *namespace = bpf_map_lookup_elem(&namespaces, &netns);
	struct wire_destination to = { 0 };

	/* What is not to be given keeps its marks, whoever was on it. */
	if (!namespace || is_marked(&namespace->allowed, common->skc_num))
		return 0;
	release_port(namespace, common, before);
	if (records_made == 0 || leaves_time_wait(before))
		return 0;
	name_destination(common, netns, &to);
	free_port(&to, common->skc_num);
	name_source(common, to.source_be);
	free_port(&to, common->skc_num);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state, const struct sock *sk, int before, int now)
{
	const struct sock_common *common = &sk->__sk_common;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (now == BPF_TCP_SYN_SENT)
		return begins(sk, common->skc_net.net->net_cookie);
	if (now == BPF_TCP_FIN_WAIT1 && is_governed(common))
		bpf_get_socket_cookie((void *)sk);
	if (now == BPF_TCP_CLOSE && leaves_time_wait(before) && is_governed(common))
		report_closed(sk);
	if (now == BPF_TCP_CLOSE)
		return ends(common, common->skc_net.net->net_cookie, before);
	return 0;
}
