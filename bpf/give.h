/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * One port for a connect(): what may be done with it, and the bind.
 */
#ifndef BERTH_BPF_GIVE_H
#define BERTH_BPF_GIVE_H

#include "bpf/record.h"

static __always_inline enum verdict verdict_of(const struct look *look, bool was_given, bool just_given)
{
	if (has(look, TO_IT))
		return TAKEN;
	if (has(look, DOUBTFUL) || (has(look, IDLE) && !was_given) || (has(look, BEGINS) && just_given))
		return UNSURE;
	if (look->owners == 0)
		return FRESH;
	if (!may_bind(look))
		return look->kernel_only ? KERNEL_MAY : TAKEN;
	if (has(look, TO_IT_ELSEWHERE))
		return ELSEWHERE;
	if (has(look, TO_IT_WAITING))
		return WAITING;
	return has(look, IDLE) ? ENDED : FREE;
}

static __always_inline bool bind_to(struct bpf_sock_addr *ctx, const struct call *call, unsigned port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = bpf_htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = bpf_htons(port) };

	if (call->ipv6_socket) {
		__builtin_memcpy(&in6.sin6_addr, call->question.to.source_be, sizeof(in6.sin6_addr));
		return bpf_bind(ctx, (struct sockaddr *)&in6, sizeof(in6)) == 0;
	}
	in.sin_addr.s_addr = call->question.to.source_be[3];
	return bpf_bind(ctx, (struct sockaddr *)&in, sizeof(in)) == 0;
}

/* Since Linux 6.8 the kernel asks each owner of the port whether it shares (inet_csk_get_port() notes that all do in a bucket
 * that has no list yet, and by then it has one), which costs what a look at all of them costs. It asks nobody when the last
 * one had SO_REUSEPORT while it was bound, and was the same user's (sk_reuseport_match()). The price is that it asks nobody
 * either when another program of that user comes with SO_REUSEPORT and the port's number. */
static __always_inline bool bind_unasked(struct bpf_sock_addr *ctx, const struct call *call, unsigned port)
{
	bool bound;

	set_option(ctx, SO_REUSEPORT, 1);
	bound = bind_to(ctx, call, port);
	set_option(ctx, SO_REUSEPORT, 0);
	return bound;
}

static __always_inline void give_here(struct bpf_sock_addr *ctx, struct call *call, unsigned port,
				      enum wire_way way)
{
	bool bound;

	share(ctx);
	bound = way == WIRE_FRESH ? bind_to(ctx, call, port) : bind_unasked(ctx, call, port);
	if (bound) {
		call->done = true;
		call->way = way;
		return;
	}
	count(call, WIRE_BIND_REFUSED);
	call->refused = true;
}

/* Functions by themselves, as there is little stack for the addresses. */
static __noinline int give(struct bpf_sock_addr *ctx, struct call *call, unsigned port, enum wire_way way)
{
	give_here(ctx, call, port, way);
	return 0;
}

/* The kernel forgets a socket's address when it refuses a bind; to bind to port 0 sets it anew. */
static __noinline int restore_address(struct bpf_sock_addr *ctx, const struct call *call)
{
	return bind_to(ctx, call, 0);
}

/* Is there a connection with the destination from this port, or somebody listening? */
__noinline int is_connected(struct bpf_sock_addr *ctx, const struct call *call, unsigned port)
{
	struct bpf_sock_tuple tuple = { 0 };
	const struct question *question;
	struct bpf_sock *sk;

	if (!call)
		return 1;
	question = &call->question;
	if (question->ipv4) {
		tuple.ipv4.saddr = question->to.address_be[3];
		tuple.ipv4.daddr = question->source_be[3];
		tuple.ipv4.sport = (__u16)question->to.port_be;
		tuple.ipv4.dport = bpf_htons(port);
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, question->to.address_be, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, question->source_be, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = (__u16)question->to.port_be;
		tuple.ipv6.dport = bpf_htons(port);
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

/* bpf_skc_lookup_tcp reads what the kernel's connect() is about to read; it wants the source address, for sure. */
static __always_inline void look_to_vouched(struct bpf_sock_addr *ctx, struct call *call, unsigned port,
					    struct look *look)
{
	call->question.stop_at_vouched = call->question.bound || call->source_sure;
	look_for(call, port, look);
	call->question.stop_at_vouched = false;
	if (look->cut_short && is_connected(ctx, call, port))
		look_for(call, port, look);
}

static __always_inline bool may_vouch(const struct call *call, const struct look *look)
{
	return !call->question.bound && !has(look, IDLE | KEPT | DOUBTFUL | ADDRESSED);
}

/* Gives the port if its verdict, which is returned, is at most `worst`. */
__noinline int try_port(struct bpf_sock_addr *ctx, struct call *call, unsigned port, unsigned worst)
{
	enum verdict verdict;
	struct look look;

	if (!call || port == 0 || port > 65535 || !claim(call, port))
		return UNSURE;
	look_to_vouched(ctx, call, port, &look);
	verdict = verdict_of(&look, call->was_given, call->just_given);
	if (verdict <= worst)
		give(ctx, call, port,
		     verdict == FRESH	  ? WIRE_FRESH
		     : verdict == WAITING ? WIRE_WAITING
					  : WIRE_SHARED);
	else
		count(call, WIRE_MISS);
	if (call->done)
		vouch(call->question.to.netns, port, may_vouch(call, &look) ? call->question.who : 0);
	settle_claim(call, port);
	return verdict;
}

static __always_inline void mark_given(struct port_namespace *namespace, unsigned port)
{
	__sync_fetch_and_or(&namespace->given[WORD(port)], BIT(port));
}

__noinline int note_given(struct port_namespace *namespace, struct record *record, const struct call *call,
			  unsigned port)
{
	if (!namespace || !call || !call->done)
		return 0;
	if (!call->was_given)
		mark_given(namespace, port);
	if (record) {
		record->last_port = port;
		record->last_ns = call->question.now_ns;
		record->last_routed_by = routed_by(call);
		record->last = call->question.who;
	}
	return 0;
}

/* What give_unused() and give_at_once() tell but ports. */
#define NO_FRESH      0x10000u /* none is left that was not tried */
#define GIVEN_AT_ONCE 0x20000u

/* What most calls come to: a port that may be fresh, in whose slot of the bind table there is nobody at all. Unless that makes the
 * call done, the port is to be tried with a look. */
static __always_inline void give_if_unused(struct bpf_sock_addr *ctx, struct port_namespace *namespace,
					   struct call *call, unsigned port)
{
	if (is_marked(&namespace->allowed, port) || is_keeping() || !claim(call, port))
		return;
	if (!first_of_slot(&call->question, port))
		give_here(ctx, call, port, WIRE_FRESH);
	settle_claim(call, port);
	if (call->done)
		mark_given(namespace, port);
}

/* The next one. */
__noinline unsigned give_unused(struct bpf_sock_addr *ctx, struct port_namespace *namespace,
				struct call *call)
{
	unsigned port = 0;

	if (namespace && call)
		port = next_fresh_to(namespace, &call->question.to, call->question.now_ns);
	if (port == 0)
		return NO_FRESH;
	give_if_unused(ctx, namespace, call, port);
	return port;
}

#endif
