/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Who is vouched for: the socket that was given a port last, when nobody else was idle there.
 *
 * A look at a port that many share waits for each of its owners, which no processor has touched for long. But they stand in
 * lists, one for each local address, and the kernel puts every new owner before the others of its list (sk_add_bind_node(),
 * inet_twsk_add_bind_node()): behind the socket that was given the port last are only those that the look for it has met, or
 * that were behind the one given before. If none of them was idle then, the socket is vouched for, and the next look goes
 * through its list no further than to it: whoever is behind shares the port and is connected; whether to this very destination
 * is asked otherwise (give.h).
 *
 * When the socket's end is told, who is next behind it takes its place, if that one's end will be told, too. A socket that
 * is disconnected is taken out of its list, and put in front of another one. But a socket that its program bound to an address
 * stays where it is, and becomes idle there: nobody is vouched for where there is one.
 */
#ifndef BERTH_BPF_VOUCHED_H
#define BERTH_BPF_VOUCHED_H

#include "bpf/port_slot.h"

static __always_inline __u64 *vouched_on(__u64 netns, unsigned port)
{
	return &vouched[place_of_port(netns, port) % PORT_SLOTS];
}

static __always_inline bool is_vouched(__u64 netns, unsigned port, const void *sk)
{
	return *vouched_on(netns, port) == (__u64)sk;
}

/* 0: for nobody. */
static __always_inline void vouch(__u64 netns, unsigned port, __u64 sk)
{
	*vouched_on(netns, port) = sk;
}

static __always_inline void unvouch(__u64 netns, unsigned port, const void *sk)
{
	if (is_vouched(netns, port, sk))
		vouch(netns, port, 0);
}

/* To the one behind it, while it is in its list: until it has given back the port, or forgotten its destination, for which it has
 * been put into another list (inet_bhash2_reset_saddr()). One in TIME_WAIT ends untold. */
static __always_inline void pass_on(__u64 netns, unsigned port, const struct sock_common *owner)
{
	struct hlist_node *node = owner->skc_bind_node.next;
	struct sock_common *next;

	if (!is_vouched(netns, port, owner))
		return;
	vouch(netns, port, 0);
	if (!node || owner->skc_dport == 0 || owner->skc_num != port)
		return;
	next = read_around(sock_common, skc_bind_node, node);
	if (next->skc_state != STATE_TIME_WAIT && next->skc_num == port)
		vouch(netns, port, (__u64)next);
}

#endif
