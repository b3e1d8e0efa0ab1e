/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Kernel mode: gives a port to each connect() of a TCP socket that has none, and to each bind() to port 0.
 *
 *	connect4, connect6	on_connect.h
 *	bind4, bind6		on_bind.h
 *				both: policy.h, where an older policy is set; what is left alone: excluded.h, and here
 *	bound4, bound6		a bind has been made: its claim ends
 *	ended, reset		on_end.h: every TCP socket of the machine whose end has come: marks go, records learn
 *	closing			those that closed first are reported (closed.h), and their ports kept away for longer
 *				(kept_away.h); attached only where a setting asks for that
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
#include "bpf/excluded.h"
#include "bpf/kernel_types.h"
#include "bpf/on_bind.h"
#include "bpf/on_connect.h"
#include "bpf/on_end.h"
#include "bpf/policy.h"
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
static __always_inline enum wire_way judge_socket(struct bpf_sock_addr *ctx, const struct tcp_sock *tcp)
{
	if (BPF_CORE_READ_BITFIELD(tcp, is_mptcp) != 0)
		return WIRE_NOT_TCP;
	return is_own_choice(tcp) || ctx->sk->bound_dev_if != 0 ? WIRE_OWN_CHOICE : WIRE_FRESH;
}

static __always_inline struct net *begin_question(struct tcp_sock *tcp, struct question *question)
{
	struct net *net = ((struct sock *)tcp)->__sk_common.skc_net.net;

	question->who = (__u64)tcp;
	question->now_ns = bpf_ktime_get_coarse_ns();
	question->at_once = settings.exhausted == WIRE_TAKE_OVER;
	question->to.netns = net->net_cookie;
	ask_in(question, net);
	return net;
}

/* The same of the socket and its network namespace. */
static __always_inline enum wire_way examine(struct bpf_sock_addr *ctx, struct tcp_sock *tcp,
					     struct call *call, struct port_namespace **ret_namespace)
{
	enum wire_way way = judge_socket(ctx, tcp);
	struct net *net;

	if (way != WIRE_FRESH)
		return way;
	net = begin_question(tcp, &call->question);
	*ret_namespace = namespace_of(net, call->question.to.netns, call->question.now_ns);
	if (!*ret_namespace)
		return WIRE_NO_ROOM;
	return (*ret_namespace)->shape != 0 ? WIRE_FRESH : WIRE_NO_STATE;
}

/* NULL if it is none, which is counted. */
static __always_inline struct tcp_sock *tcp_socket(struct bpf_sock_addr *ctx, __u32 family,
						   enum wire_hook hook)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tcp = NULL;

	if (sk && sk->protocol == IPPROTO_TCP && ctx->user_family == family)
		tcp = read_as(tcp_sock, sk);
	if (!tcp)
		count_way(hook, WIRE_NOT_TCP);
	return tcp;
}

/* ---- addresses ---- */

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

/* From where to where. */
static __always_inline void name_ends4(const struct bpf_sock_addr *ctx, struct call *call)
{
	struct wire_destination *to = &call->question.to;

	call->question.ipv4 = true;
	bind_source4(call, ctx->sk->src_ip4);
	to->address_be[2] = bpf_htonl(0xffff);
	to->address_be[3] = ctx->user_ip4;
	to->port_be = ctx->user_port;
	replace_any(to);
}

static __always_inline void name_ends6(const struct bpf_sock_addr *ctx, struct call *call)
{
	struct wire_destination *to = &call->question.to;
	__u32 source_be[4];

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
	replace_any(to);
	call->question.ipv4 = is_mapped(to->address_be);
}

/* Is the port that bind() to port 0 was given kept away from where the socket now connects to? */
static __always_inline bool is_kept_from(const struct call *call, unsigned port)
{
	__u64 slot;

	if (!is_keeping() || settings.exhausted == WIRE_TO_KERNEL)
		return false;
	slot = find_kept(&call->question.to, port);
	return slot != 0 && !may_take_over_kept(slot);
}

/* A socket that has a port connects, in the network namespace of the question. The port's mark has gone if an earlier connect() of the socket failed. */
static __always_inline enum wire_way leave_bound(struct bpf_sock_addr *ctx, struct call *call)
{
	struct port_namespace *namespace = find_namespace(call->question.to.netns);

	if (namespace)
		mark(&namespace->used, ctx->sk->src_port);
	if (!bpf_sk_storage_get(&bound_to_any, ctx->sk, NULL, 0))
		return WIRE_BOUND;
	share(ctx);
	if (!is_kept_from(call, ctx->sk->src_port))
		return WIRE_BOUND;
	call->question.now_ns = bpf_ktime_get_coarse_ns();
	note_exhaustion(call, true);
	return WIRE_EXHAUSTED;
}

/* WIRE_FRESH where a port may be given from there to there. */
static __always_inline enum wire_way judge_ends6(struct bpf_sock_addr *ctx, const struct call *call)
{
	const struct wire_destination *to = &call->question.to;
	const struct sock_common *common = read_as(sock_common, ctx->sk);

	if (is_link_local(to->address_be) || is_link_local(to->source_be))
		return WIRE_LINK_LOCAL;
	if (call->question.ipv4 && BPF_CORE_READ_BITFIELD(common, skc_ipv6only) != 0)
		return WIRE_NOT_TCP; /* fails before a port is chosen */
	return WIRE_FRESH;
}

/* What the kernel is told: 1 is to go on. */
static __always_inline int answer(const struct call *call)
{
	count(call, call->way);
	if (call->way != WIRE_EXHAUSTED || settings.exhausted == WIRE_TO_KERNEL)
		return 1;
	bpf_set_retval(-EADDRNOTAVAIL);
	return 0;
}

/* Whether it is a call to give a port to. False: its way out is another, and the kernel is told that. */
static __always_inline bool take_up(struct bpf_sock_addr *ctx, struct tcp_sock *tcp, struct call *call,
				    struct port_namespace **ret_namespace)
{
	if (ctx->sk->src_port != 0) {
		call->question.to.netns = bpf_get_netns_cookie(ctx);
		unvouch(call->question.to.netns, ctx->sk->src_port, tcp);
	}
	if (is_connect_excluded(&call->question.to))
		call->way = WIRE_EXCLUDED;
	else if (ctx->sk->src_port != 0)
		call->way = leave_bound(ctx, call);
	else
		call->way = examine(ctx, tcp, call, ret_namespace);
	return call->way == WIRE_FRESH;
}

/* What give_port() begins with, where nothing else is to be done: not for the first call of a tick, nor after a change, nor where
 * the destination needs another window, nor for a socket that is bound to an address, which a refused bind takes from it. It is
 * tried by itself, before all else: nothing here needs the call in memory, or the code that has it there, and these are a fifth
 * of what Berth costs. */
static __always_inline unsigned give_at_once(struct bpf_sock_addr *ctx, struct call *call)
{
	struct tcp_sock *tcp = read_as(tcp_sock, ctx->sk);
	struct port_namespace *namespace;
	unsigned port;

	if (settings.policy != WIRE_BERTH || settings.excluded_cgroups != 0 ||
	    settings.excluded_destinations != 0 || call->question.bound)
		return 0;
	begin_question(tcp, &call->question);
	namespace = find_namespace(call->question.to.netns);
	if (!namespace || namespace->swept_ns != call->question.now_ns ||
	    namespace->none_ns == call->question.now_ns || namespace->change != settings.change)
		return 0;
	if (ctx->sk->src_port != 0 || judge_socket(ctx, tcp) != WIRE_FRESH)
		return 0;
	port = next_fresh_in_window(namespace, &call->question.to);
	if (port == 0)
		return 0;
	give_if_unused(ctx, namespace, call, port);
	if (!call->done)
		return port;
	count(call, WIRE_FRESH);
	return GIVEN_AT_ONCE;
}

/* Functions by themselves, whose stack is free again when they return. */
static __noinline unsigned give_at_once4(struct bpf_sock_addr *ctx)
{
	struct call call = { .hook = WIRE_CONNECT4 };

	if (!ctx->sk)
		return 0;
	name_ends4(ctx, &call);
	return give_at_once(ctx, &call);
}

static __noinline unsigned give_at_once6(struct bpf_sock_addr *ctx)
{
	struct call call = { .ipv6_socket = true, .hook = WIRE_CONNECT6 };

	if (!ctx->sk)
		return 0;
	name_ends6(ctx, &call);
	return judge_ends6(ctx, &call) == WIRE_FRESH ? give_at_once(ctx, &call) : 0;
}

/* `tried` is what give_at_once() left. */
static __always_inline void give_anyhow(struct connecting *connecting, unsigned tried)
{
	connecting->found.fresh = tried;
	if (settings.policy == WIRE_BERTH)
		give_port(connecting);
	else
		give_by_policy(connecting);
}

static __always_inline int answer4(struct bpf_sock_addr *ctx, struct tcp_sock *tcp, unsigned tried)
{
	struct connecting connecting = { .ctx = ctx, .call.hook = WIRE_CONNECT4 };
	struct call *call = &connecting.call;

	name_ends4(ctx, call);
	if (take_up(ctx, tcp, call, &connecting.namespace))
		give_anyhow(&connecting, tried);
	return answer(call);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct tcp_sock *tcp = tcp_socket(ctx, AF_INET, WIRE_CONNECT4);
	unsigned tried;

	if (!tcp)
		return 1;
	tried = give_at_once4(ctx);
	return tried == GIVEN_AT_ONCE ? 1 : answer4(ctx, tcp, tried);
}

static __always_inline int answer6(struct bpf_sock_addr *ctx, struct tcp_sock *tcp, unsigned tried)
{
	struct connecting connecting = { .ctx = ctx, .call = { .ipv6_socket = true, .hook = WIRE_CONNECT6 } };
	struct call *call = &connecting.call;

	name_ends6(ctx, call);
	if (!take_up(ctx, tcp, call, &connecting.namespace))
		return answer(call);
	call->way = judge_ends6(ctx, call);
	if (call->way == WIRE_FRESH)
		give_anyhow(&connecting, tried);
	return answer(call);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct tcp_sock *tcp = tcp_socket(ctx, AF_INET6, WIRE_CONNECT6);
	unsigned tried;

	if (!tcp)
		return 1;
	tried = give_at_once6(ctx);
	return tried == GIVEN_AT_ONCE ? 1 : answer6(ctx, tcp, tried);
}

/* ---- bind ---- */

/* With NO_CAP the kernel does not ask for CAP_NET_BIND_SERVICE, as it does not for a port that it chose itself. */
#define GO_ON	     1
#define GO_ON_NO_CAP 3

static __always_inline int any_port(struct bpf_sock_addr *ctx, __u32 family)
{
	struct binding binding = { .ctx = ctx, .call.hook = family == AF_INET ? WIRE_BIND4 : WIRE_BIND6 };
	struct tcp_sock *tcp = tcp_socket(ctx, family, binding.call.hook);
	enum wire_way way;
	__u32 address_be[4];

	if (!tcp)
		return GO_ON;
	if (is_bind_excluded())
		way = WIRE_EXCLUDED;
	else if (ctx->user_port != 0 || ctx->sk->src_port != 0)
		way = WIRE_BOUND;
	else if (has_flag(tcp, bind_no_port_bit))
		way = WIRE_OWN_CHOICE;
	else
		way = examine(ctx, tcp, &binding.call, &binding.namespace);
	if (way != WIRE_FRESH) {
		count(&binding.call, way);
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
	if (settings.policy == WIRE_BERTH)
		name_port(&binding);
	else
		name_by_policy(&binding);
	count(&binding.call, binding.call.way);
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

/* ---- ends ---- */

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(ended, const struct sock *sk)
{
	unsigned port = port_of(sk);
	__u64 netns = sk->__sk_common.skc_net.net->net_cookie;
	struct port_namespace *namespace = port != 0 ? find_namespace(netns) : NULL;
	struct wire_destination to = { 0 };
	struct question question;
	bool untold;

	if (!namespace)
		return 0;
	pass_on(netns, port, &sk->__sk_common);
	/* What is not to be given keeps its marks, whoever was on it. */
	if (is_marked(&namespace->allowed, port))
		return 0;
	name_destination(&sk->__sk_common, netns, &to);
	ask_beside(sk, &to, &question);
	if (is_alone(&question, port))
		release_port(namespace, port);
	untold = is_untold(sk, port);
	if (was_in_the_way(sk) || (untold && is_first_of_tick(namespace)))
		__sync_fetch_and_add(&namespace->released, 1);
	if (records_made != 0 && to.port_be != 0)
		tell_records(sk, &question, port);
	return 0;
}

/* A socket that is closed with a reset forgets its destination before its end is told (tcp_disconnect()). No TIME_WAIT comes
 * of it; it will be off the port at once, or is idle there if its program only disconnected it. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(reset, const struct sock *sk)
{
	const struct sock_common *common;
	struct wire_destination to = { 0 };
	struct concerned concerned;
	unsigned port;

	if (!sk)
		return 0;
	common = &sk->__sk_common;
	if (common->skc_state != BPF_TCP_CLOSE || common->skc_dport == 0)
		return 0;
	port = port_of(sk);
	pass_on(common->skc_net.net->net_cookie, port, common);
	if (BPF_CORE_READ_BITFIELD(common, skc_reuse) != 0)
		told[port % TOLD] = (__u64)sk;
	if (records_made == 0)
		return 0;
	name_destination(common, common->skc_net.net->net_cookie, &to);
	find_concerned(sk, &to, &concerned);
	tell_source_of(sk, &to, concerned.unbound, port);
	free_port(concerned.unbound, port);
	free_port(concerned.bound, port);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(closing, const struct sock *sk, int before, int now)
{
	bool governed = is_governed(&sk->__sk_common);

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (now == BPF_TCP_FIN_WAIT1 && governed)
		bpf_get_socket_cookie((void *)sk);
	if (now != BPF_TCP_CLOSE || !leaves_time_wait(before))
		return 0;
	if (governed)
		report_closed(sk);
	if (is_keeping())
		keep_from(sk);
	return 0;
}

SEC("iter/bpf_map_elem")
int range_owners(struct bpf_iter__bpf_map_elem *ctx)
{
	return list_stretch(ctx, false);
}

SEC("iter/bpf_map_elem")
int all_owners(struct bpf_iter__bpf_map_elem *ctx)
{
	return list_stretch(ctx, true);
}
