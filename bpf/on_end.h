/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What the end of a socket tells: its port may be fresh, it is free for its destination, and from where it was connected.
 *
 * tcp_destroy_sock tells of each socket once, when nothing but the port is left to be given back; the socket is idle there for
 * an instant yet. Two kinds have forgotten their destination by then (tcp_disconnect()): who is closed with a reset is
 * told before, by tcp_send_reset; of who was refused, all that can be done is to have everybody look anew.
 */
#ifndef BERTH_BPF_ON_END_H
#define BERTH_BPF_ON_END_H

#include "bpf/kept_away.h"
#include "bpf/record.h"

/* Who ends is on the port for an instant yet. */
static __always_inline void ask_beside(const struct sock *sk, const struct wire_destination *to,
				       struct question *ret_question)
{
	*ret_question = (struct question){ .who = (__u64)sk, .to = *to, .ipv4 = is_mapped(to->address_be) };
	ask_in(ret_question, sk->__sk_common.skc_net.net);
}

/* Sockets whose end `reset` has told, until it is told once more: by their ports, and forgotten when another takes the place. */
#define TOLD 1024
static __u64 told[TOLD]; /* struct sock * */

/* tcp_disconnect() forgets the destination, not its address: where a connect() was refused nothing has told the records. */
static __always_inline bool is_untold(const struct sock *sk, unsigned port)
{
	const struct sock_common *common = &sk->__sk_common;
	bool was_told = told[port % TOLD] == (__u64)sk;

	if (was_told)
		told[port % TOLD] = 0;
	return !was_told && common->skc_dport == 0 &&
	       (common->skc_daddr != 0 ||
		(common->skc_family == AF_INET6 && !is_any(common->skc_v6_daddr.s6_addr32)));
}

/* Listened, or was connected and did not share the port: no record knows that it was in its way. */
static __always_inline bool was_in_the_way(const struct sock *sk)
{
	const struct sock_common *common = &sk->__sk_common;

	if (common->skc_dport == 0)
		return sk->sk_max_ack_backlog != 0;
	return BPF_CORE_READ_BITFIELD(common, skc_reuse) == 0;
}

/* Who tries in vain a thousand times a second is not to have everybody look anew each time: once for a tick will do. */
static __always_inline bool is_first_of_tick(struct port_namespace *namespace)
{
	__u64 tick = bpf_jiffies64();

	if (namespace->untold_tick == tick)
		return false;
	namespace->untold_tick = tick;
	return true;
}

/* The records that a connection's end is news to. */
struct concerned {
	struct record *unbound, *bound; /* to no address; to the connection's; NULL: there is none */
};

static __always_inline void find_concerned(const struct sock *sk, struct wire_destination *to,
					   struct concerned *ret_concerned)
{
	ret_concerned->unbound = bpf_map_lookup_elem(&records, to);
	name_source(&sk->__sk_common, to->source_be);
	ret_concerned->bound = bpf_map_lookup_elem(&records, to);
}

static __always_inline void tell_source_of(const struct sock *sk, const struct wire_destination *to,
					   struct record *record, unsigned port)
{
	if (!record || record->last != (__u64)sk || record->last_port != port)
		return;
	learn_source(record, to->source_be);
	record->last = 0;
}

/* Nobody is connected to the destination from the port any more. */
static __always_inline void free_port(struct record *record, unsigned port)
{
	if (!record)
		return;
	unmark(&record->taken, port);
	record->verdict_until_ns = 0;
}

/* A TIME_WAIT that it leaves behind keeps the port from the destination. */
static __always_inline void tell_records(const struct sock *sk, const struct question *question,
					 unsigned port)
{
	struct wire_destination to = question->to;
	struct look look = { .port = port };
	struct concerned concerned;

	find_concerned(sk, &to, &concerned);
	tell_source_of(sk, &to, concerned.unbound, port);
	if (!concerned.unbound && !concerned.bound)
		return;
	look_at(question, &look);
	if (has(&look, TO_IT | TO_IT_WAITING | TO_IT_ELSEWHERE))
		return;
	free_port(concerned.unbound, port);
	free_port(concerned.bound, port);
}

/* The port stays away from the destination for longer than in TIME_WAIT, if it is one to give at all. */
static __always_inline void keep_from(const struct sock *sk)
{
	const struct sock_common *common = &sk->__sk_common;
	__u64 netns = common->skc_net.net->net_cookie;
	struct port_namespace *namespace = find_namespace(netns);
	struct wire_destination to = { 0 };
	__u32 source_be[4];

	if (!namespace || is_marked(&namespace->allowed, port_of(sk)))
		return;
	name_destination(common, netns, &to);
	name_source(common, source_be);
	keep_away(sk, &to, source_be);
}

#endif
