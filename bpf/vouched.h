/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Who is vouched for: the socket that was given a port last, when nobody else was idle there.
 *
 * A look at a port that many share waits for each of its owners, which no processor has touched for long. But the kernel puts
 * every new owner before the others of its list (sk_add_bind_node(), inet_twsk_add_bind_node()): behind the socket that was
 * given the port last are only those that the look for it has met, or that were behind the one given before. If none of them
 * was idle then, the socket is vouched for, and the next look need go no further than to it: whoever is behind shares the port
 * and is connected; whether to this very destination is asked otherwise (give.h). When the socket's end is told, who is next
 * behind it takes its place, if that one's end will be told, too. A socket that connects once more is put in front anew, and not
 * vouched for any longer.
 */
#ifndef BERTH_BPF_VOUCHED_H
#define BERTH_BPF_VOUCHED_H

#include "bpf/kernel_types.h"

/* One for each port of a network namespace, found by a hash: who is driven out by another one's is just not vouched for. */
#define PLACES 65536
static __u64 vouched[PLACES]; /* struct sock *; 0: nobody */

static __always_inline unsigned place_of(__u64 netns, unsigned port)
{
	return (port + (__u32)netns * 40503u) % PLACES;
}

static __always_inline bool is_vouched(__u64 netns, unsigned port, const void *sk)
{
	return vouched[place_of(netns, port)] == (__u64)sk;
}

/* 0: for nobody. */
static __always_inline void vouch(__u64 netns, unsigned port, __u64 sk)
{
	vouched[place_of(netns, port)] = sk;
}

static __always_inline void unvouch(__u64 netns, unsigned port, const void *sk)
{
	if (is_vouched(netns, port, sk))
		vouch(netns, port, 0);
}

/* To the one behind it, while it is in its list. One in TIME_WAIT ends untold; and one that has forgotten its destination has
 * been put into another list (inet_bhash2_reset_saddr()). */
static __always_inline void pass_on(__u64 netns, unsigned port, const struct sock_common *owner)
{
	struct hlist_node *node = owner->skc_bind_node.next;
	struct sock_common *next;

	if (!is_vouched(netns, port, owner))
		return;
	vouch(netns, port, 0);
	if (!node || owner->skc_dport == 0)
		return;
	next = read_around(sock_common, skc_bind_node, node);
	if (next->skc_state != STATE_TIME_WAIT && next->skc_num == port)
		vouch(netns, port, (__u64)next);
}

#endif
