/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Keeps a port away from a destination for longer than the kernel's TIME_WAIT: TcpTimedWaitDelay above 60.
 *
 * A connection that closed first is entered when its full socket ends, with the time; where the far end closes later, that is
 * before the kernel's TIME_WAIT begins (closed.h). For a look at its port (bind_table.h) it then stands for one more owner, in
 * TIME_WAIT with the destination, until the delay is over; while the kernel has its own TIME_WAIT there too, whichever leaves
 * later counts. It may not be taken over, with timestamps or not, unless ports ran out and the settings say take-over. It is not
 * known which destination a bind() is for: there a port stands for one in TIME_WAIT as long as it is kept away from anybody.
 *
 * Theory of operation
 *
 * A table of fixed size, in sets of two cache lines with 16 slots; a keyed hash of the connection tells its set and its tag. A
 * slot is one word, written at once: who reads needs no lock, and an entry costs 8 bytes, where an LRU hash of the kernel's would
 * take more than 100 and not tell what it forgets. Another connection has the same set and tag once in 2^45, and then a port
 * is missed. A slot whose time is over is used again; a full set lets the one go that closed first, which is counted: with
 * 100,000 connections 2 in 1,000. Nothing has to be removed: what is written is when it closed, and the settings say what
 * that means now.
 *
 * A connection has two entries, with its local address and without, as a socket that is not bound to one asks for the port
 * before it is known; and its port has one.
 *
 * Cost: while the setting is off, a comparison for each look and each end of a connection. Otherwise three hashes and three
 * sets at the end, one of each for a look.
 */
#ifndef BERTH_BPF_KEPT_AWAY_H
#define BERTH_BPF_KEPT_AWAY_H

#include "bpf/closed.h"
#include "core/siphash.h"

#define KEPT_SETS  32768 /* 4 MiB */
#define KEPT_SLOTS 16

/* Of a slot: the tag, one bit for timestamps, and when it closed, in jiffies. 0: empty. */
#define KEPT_TAG	0xfffffffe00000000ull
#define KEPT_USED	0x8000000000000000ull /* of the tag: always set */
#define KEPT_TIMESTAMPS 0x0000000100000000ull

struct kept_set {
	__u64 slot[KEPT_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KEPT_SETS);
	__type(key, __u32);
	__type(value, struct kept_set);
} kept_away SEC(".maps");

static __always_inline __u64 two(__u32 high, __u32 low)
{
	return (__u64)high << 32 | low;
}

/* The low bits tell the set, the high ones are the tag. */
static __always_inline __u64 kept_hash(const struct wire_destination *to, unsigned port, bool named)
{
	const struct berth_siphash_key key = { settings.keep_key[0], settings.keep_key[1] };
	const uint64_t word[] = { to->netns,
				  named ? two(to->source_be[0], to->source_be[1]) : 0,
				  named ? two(to->source_be[2], to->source_be[3]) : 0,
				  two(to->address_be[0], to->address_be[1]),
				  two(to->address_be[2], to->address_be[3]),
				  two(to->port_be, port) };

	return berth_siphash(&key, word, sizeof(word) / sizeof(word[0])) | KEPT_USED;
}

static __always_inline struct kept_set *kept_set_of(__u64 hash)
{
	__u32 index = hash % KEPT_SETS;

	return bpf_map_lookup_elem(&kept_away, &index);
}

/* For how many jiffies more; 0: it is over. */
static __always_inline __u32 kept_for(__u64 slot, __u32 now)
{
	__u32 age = now - (__u32)slot;

	return slot != 0 && age < settings.keep_away ? (__u32)settings.keep_away - age : 0;
}

/* ---- entries ---- */

/* The slot for a connection: its own, or one whose time is over, or that of the longest-waiting. */
static __always_inline unsigned choose_slot(const struct kept_set *set, __u64 hash, __u32 now)
{
	__u32 least = ~0u, left;
	unsigned chosen = 0;

	for (unsigned i = 0; i < KEPT_SLOTS; i++) {
		if (((set->slot[i] ^ hash) & KEPT_TAG) == 0)
			return i;
		left = kept_for(set->slot[i], now);
		if (left < least) {
			least = left;
			chosen = i;
		}
	}
	return chosen;
}

__noinline int keep_one(const struct wire_destination *to, __u32 port, bool timestamps)
{
	__u32 now = (__u32)bpf_jiffies64();
	struct kept_set *set;
	unsigned chosen;
	__u64 hash, before;

	if (!to)
		return 0;
	hash = kept_hash(to, port, true);
	set = kept_set_of(hash);
	if (!set)
		return 0;
	chosen = choose_slot(set, hash, now) % KEPT_SLOTS;
	before = set->slot[chosen];
	/* Who comes second in a race for a slot is forgotten, too. */
	if (__sync_val_compare_and_swap(&set->slot[chosen], before,
					(hash & KEPT_TAG) | (timestamps ? KEPT_TIMESTAMPS : 0) | now) !=
		    before ||
	    (((before ^ hash) & KEPT_TAG) != 0 && kept_for(before, now) != 0))
		__sync_fetch_and_add(&governed[WIRE_KEPT_LOST], 1);
	return 0;
}

static __always_inline bool is_keeping(void)
{
	return settings.keep_away != 0;
}

/* A connection has closed first: from is its address, to its destination without one. One that was reset leaves no
 * TIME_WAIT. */
static __always_inline void keep_away(const struct sock *sk, const struct wire_destination *to,
				      const __u32 *from_be)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock((void *)sk);
	struct wire_destination named = *to, anybody = { .netns = to->netns };
	unsigned port = port_of(sk);
	bool timestamps;

	if (!tcp || sk->sk_err != 0)
		return;
	timestamps = BPF_CORE_READ_BITFIELD(tcp, rx_opt.tstamp_ok) != 0;
	__builtin_memcpy(named.source_be, from_be, sizeof(named.source_be));
	keep_one(&named, port, timestamps);
	keep_one(to, port, timestamps);
	keep_one(&anybody, port, timestamps);
	__sync_fetch_and_add(&governed[WIRE_KEPT], 1);
}

/* ---- questions ---- */

/* The slot that keeps the port away; 0: none does. A bind(), without a destination, may be for any address. */
__noinline __u64 find_kept(const struct wire_destination *to, __u32 port)
{
	__u32 now = (__u32)bpf_jiffies64();
	struct kept_set *set;
	__u64 hash;

	if (!to)
		return 0;
	hash = kept_hash(to, port, to->port_be != 0);
	set = kept_set_of(hash);
	for (unsigned i = 0; set && i < KEPT_SLOTS; i++) {
		__u64 slot = set->slot[i];

		if (((slot ^ hash) & KEPT_TAG) == 0 && kept_for(slot, now) != 0)
			return slot;
	}
	return 0;
}

static __always_inline bool may_take_over_kept(__u64 slot)
{
	return settings.exhausted == WIRE_TAKE_OVER && (slot & KEPT_TIMESTAMPS) != 0;
}

/* Adds to a look who keeps the port away. Whether somebody does. What is in TIME_WAIT now, but was not entered, is not taken over
 * either. */
__noinline int add_kept(const struct question *question, struct look *look)
{
	__u64 slot, now, leaves;

	if (!question || !look)
		return false;
	if (has(look, TO_IT_WAITING) && !question->at_once)
		look->found |= TO_IT;
	slot = find_kept(&question->to, look->port);
	if (slot == 0)
		return has(look, TO_IT_WAITING);
	now = bpf_jiffies64();
	leaves = now + kept_for(slot, (__u32)now);
	look->owners++;
	look->found |= may_take_over_kept(slot) ? TO_IT_WAITING : TO_IT;
	if (look->first_leaves == 0 || (__s64)(leaves - look->first_leaves) < 0)
		look->first_leaves = leaves;
	if (look->last_leaves == 0 || (__s64)(leaves - look->last_leaves) > 0)
		look->last_leaves = leaves;
	return true;
}

#endif
