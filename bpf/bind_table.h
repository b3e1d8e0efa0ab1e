/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Who is on a port: a look into the kernel's own bind table.
 *
 * Every socket with a local port, and what is left of it in TIME_WAIT, is an owner of the port's bucket (struct
 * inet_bind_bucket), from its bind until it is gone. So the owners tell at once all that a bind and a connection from the
 * port depend on, whatever the source address will be; a look-up of connections (bpf_skc_lookup_tcp) needs the source
 * address, which is not chosen yet when a program calls connect(), and does not see who has bound the port only; it helps
 * where a look may be cut short (vouched.h).
 *
 * The table is read without its locks. What changes under the reader's eyes can lead it into another list; each owner says
 * which port it is on, and the heads of lists are read again at the end: whatever does not fit makes the look doubtful, and a doubtful
 * port is not given. What a look says is true at its instant: whoever uses it has claimed the port (call.h), and the
 * kernel has the last word, under its locks, in bind() and connect().
 */
#ifndef BERTH_BPF_BIND_TABLE_H
#define BERTH_BPF_BIND_TABLE_H

#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/kernel_types.h"
#include "bpf/vouched.h"
#include "wire/kernel_mode.h"

#define CHAIN_MAX  128	/* buckets of other ports in the same slot */
#define OWNERS_MAX 1024 /* of one port, and its local addresses */

/* What is asked. The kernel's addresses are plain numbers here, which look_at() makes pointers of. */
struct question {
	__u64 net, table; /* struct net *, struct inet_bind_hashbucket * */
	__u32 table_size, hash_mix;
	struct wire_destination to; /* no address and no port for bind() */
	__u32 source_be
		[4];  /* the address that the socket is bound to; or from where the connection may come */
	__u64 now_ns; /* the coarse clock, which may be some milliseconds late and costs next to nothing */
	__u64 who; /* struct sock *, or 0: who asks, and does not count; with tell_source the one that is asked */
	bool stop_at_vouched; /* whoever is behind is left out (vouched.h) */
	bool until_busy;      /* one that is not in TIME_WAIT is enough; the rest is left out */
	bool ipv4;
	bool bound;	   /* the socket has an address, or is about to get it */
	bool source_known; /* if it has none */
	bool at_once;	   /* a TIME_WAIT may be taken over however young */
	bool tell_source;  /* of `who`, or of any owner, that is connected to the destination */
};

static __always_inline void ask_in(struct question *question, const struct net *net)
{
	question->net = (__u64)net;
	question->hash_mix = net->hash_mix;
	question->table = (__u64)net->ipv4.tcp_death_row.hashinfo->bhash;
	question->table_size = net->ipv4.tcp_death_row.hashinfo->bhash_size;
}

/* What was found on one port. Owners on other addresses than the one that the socket is bound to do not count. */
#define DOUBTFUL	0x01u /* the table changed meanwhile, or the owners are too many */
#define IDLE		0x02u /* some owner is bound and not connected */
#define KEPT		0x04u /* some owner does not share, or listens */
#define NOT_WAITING	0x08u /* some owner is not in TIME_WAIT */
#define TO_IT		0x10u /* some owner is connected to the destination */
#define TO_IT_WAITING	0x20u /* the same in TIME_WAIT, and may be taken over */
#define TO_IT_ELSEWHERE 0x40u /* connected to the destination, perhaps from another address */
#define BEGINS \
	0x80u /* some owner is bound, and no connect() of its has come to an end: perhaps one is about to */
#define ADDRESSED 0x100u /* some owner was bound to its address, with or without the port */

struct look {
	/* When the first and the last of those in TIME_WAIT leaves it, in jiffies; 0: none is. If a destination is asked for,
	 * the last one counts the connection with it only. */
	__u64 first_leaves, last_leaves;
	__u32 found;	  /* the bits above */
	__u32 port;	  /* which is asked for */
	__u16 owners;	  /* 0: nobody is on the port */
	bool visited;	  /* some are, if only on other addresses */
	bool may_share;	  /* the kernel has noted that all who bound the port share it */
	bool kernel_only; /* the kernel has chosen the port for all who are on it, and may once more */
	bool cut_short;	  /* some owners were left out */
	__u64 asked; /* with tell_source: struct sock_common * of who was asked, and is or was connected; 0: nobody */
};

struct walk {
	const struct question *question;
	struct look *look;
	struct inet_bind_bucket *bucket;
	struct hlist_node *list, *node; /* the next ones */
};

/* Of a socket that ends, too: it has given back a port that the kernel chose, and skc_num with it (inet_put_port()). */
static __always_inline unsigned port_of(const struct sock *sk)
{
	return bpf_ntohs(read_as(inet_sock, sk)->inet_sport);
}

static __always_inline bool has(const struct look *look, __u32 any_of)
{
	return (look->found & any_of) != 0;
}

static long visit_bucket(unsigned index, struct walk *walk)
{
	struct inet_bind_bucket *bucket;

	if (!walk->node)
		return 1;
	bucket = read_around(inet_bind_bucket, node, walk->node);
	if (bucket->port == walk->look->port && (__u64)bucket->ib_net.net == walk->question->net &&
	    bucket->l3mdev == 0) {
		walk->bucket = bucket;
		return 1;
	}
	walk->node = bucket->node.next;
	return 0;
}

static __always_inline struct hlist_node *first_of_slot(const struct question *question, unsigned port)
{
	__u64 slot = (port + question->hash_mix) & (question->table_size - 1);

	return read_as(inet_bind_hashbucket,
		       question->table + slot * bpf_core_type_size(struct inet_bind_hashbucket))
		->chain.first;
}

/* Fills in `bucket`, if there is one. */
static __always_inline void find_bucket(struct walk *walk)
{
	const struct question *question = walk->question;

	walk->node = first_of_slot(question, walk->look->port);
	if (!walk->node)
		return;
	bpf_loop(CHAIN_MAX, visit_bucket, walk, 0);
	if (walk->node && !walk->bucket)
		walk->look->found |= DOUBTFUL;
}

static __always_inline bool is_same(const __u32 *address_be, const __u32 *other_be)
{
	return ((address_be[0] ^ other_be[0]) | (address_be[1] ^ other_be[1]) |
		(address_be[2] ^ other_be[2]) | (address_be[3] ^ other_be[3])) == 0;
}

static __always_inline bool is_to(const struct question *question, const struct sock_common *owner)
{
	if (owner->skc_dport != (__u16)question->to.port_be)
		return false;
	if (question->ipv4)
		return owner->skc_daddr == question->to.address_be[3];
	return owner->skc_family == AF_INET6 &&
	       is_same(owner->skc_v6_daddr.s6_addr32, question->to.address_be);
}

static __always_inline bool is_from(const struct question *question, const struct sock_common *owner)
{
	if (question->ipv4)
		return owner->skc_rcv_saddr == question->source_be[3];
	return owner->skc_family == AF_INET6 &&
	       is_same(owner->skc_v6_rcv_saddr.s6_addr32, question->source_be);
}

/* On another address, where it is in nobody's way. The IPv4 address is 0 for whoever is on all addresses, by :: or by
 * ::ffff:0.0.0.0, too; for IPv6 addresses it is LOOPBACK4_IPV6. */
static __always_inline bool is_beside(const struct question *question, const struct sock_common *owner)
{
	return question->bound && !is_from(question, owner) && owner->skc_rcv_saddr != 0;
}

static __always_inline bool is_from_elsewhere(const struct question *question,
					      const struct sock_common *owner)
{
	return !question->bound && !(question->source_known && is_from(question, owner));
}

/* A socket with an explicit port takes a TIME_WAIT with timestamps over (RFC 6191; tcp_twsk_unique()), at once. Where the
 * kernel chooses the port it leaves it a second, and so do we. */
static __always_inline bool may_be_taken_over(const struct question *question, struct sock_common *owner)
{
	__u32 stamp = read_as(tcp_timewait_sock, owner)->tw_ts_recent_stamp;

	return stamp != 0 &&
	       (question->at_once || (__s32)((__u32)(question->now_ns / 1000000000u) - stamp) > 0);
}

static __always_inline unsigned judge_waiting(const struct walk *walk, struct sock_common *owner)
{
	__u64 leaves = read_as(inet_timewait_sock, owner)->tw_timer.expires;
	struct look *look = walk->look;

	if (look->first_leaves == 0 || (__s64)(leaves - look->first_leaves) < 0)
		look->first_leaves = leaves;
	if ((walk->question->to.port_be == 0 || is_to(walk->question, owner)) &&
	    (look->last_leaves == 0 || (__s64)(leaves - look->last_leaves) > 0))
		look->last_leaves = leaves;
	return may_be_taken_over(walk->question, owner) ? TO_IT_WAITING : TO_IT;
}

static __always_inline bool is_left_out(const struct question *question, const struct sock_common *owner)
{
	return !question->tell_source && question->who == (__u64)owner;
}

/* A socket that has just ended is on its port until its end is told, in CLOSE and with its addresses. */
static __always_inline bool is_asked(const struct question *question, const struct sock_common *owner)
{
	return question->tell_source && is_to(question, owner) &&
	       (question->who == 0 ? owner->skc_state != STATE_CLOSE : question->who == (__u64)owner);
}

/* Of a socket in CLOSE. One that was connected has a write_seq; a connect() that has failed leaves the IPv4 destination
 * behind, without its port (tcp_v4_connect()). One of IPv6 has its destination before its route is looked up, and cannot be
 * told from one that begins. */
static __always_inline bool may_begin(const struct sock_common *owner)
{
	return (owner->skc_daddr == 0 || owner->skc_dport != 0) && read_as(tcp_sock, owner)->write_seq == 0;
}

static __always_inline unsigned judge(const struct walk *walk, struct sock_common *owner)
{
	unsigned char state = owner->skc_state;
	unsigned found = 0, to_it = TO_IT;

	if (is_asked(walk->question, owner))
		walk->look->asked = (__u64)owner;
	if (state == STATE_LISTEN || BPF_CORE_READ_BITFIELD(owner, skc_reuse) == 0)
		found |= KEPT;
	if (state == STATE_CLOSE)
		return found | NOT_WAITING | IDLE | (may_begin(owner) ? BEGINS : 0);
	if (state == STATE_TIME_WAIT)
		to_it = judge_waiting(walk, owner);
	else
		found |= NOT_WAITING;
	if (!is_to(walk->question, owner))
		return found;
	return found | (is_from_elsewhere(walk->question, owner) ? TO_IT_ELSEWHERE : to_it);
}

static __always_inline struct sock_common *next_owner(struct walk *walk)
{
	struct sock_common *owner = read_around(sock_common, skc_bind_node, walk->node);

	walk->node = owner->skc_bind_node.next;
	return owner;
}

/* For bpf_loop(): 1 ends it. */
static __always_inline long next_list(struct walk *walk)
{
	struct inet_bind2_bucket *list;

	if (!walk->list)
		return 1;
	list = read_around(inet_bind2_bucket, bhash_node, walk->list);
	walk->node = list->owners.first;
	walk->list = list->bhash_node.next;
	return 0;
}

/* Leaves out the rest of this list, or of all. */
static __always_inline void cut_list(struct walk *walk)
{
	if (!walk->node)
		return;
	walk->node = NULL;
	walk->look->cut_short = true;
}

static __always_inline void cut_all(struct walk *walk)
{
	if (!walk->node && !walk->list)
		return;
	walk->node = walk->list = NULL;
	walk->look->cut_short = true;
}

/* Who is vouched for is not asked for its lock, which is in memory that a look does not touch otherwise. */
static __always_inline void stop_at_vouched(struct walk *walk, const struct sock_common *owner)
{
	if (is_vouched(walk->question->to.netns, walk->look->port, owner))
		cut_list(walk);
	else if (owner->skc_state != STATE_TIME_WAIT &&
		 (read_as(sock, owner)->sk_userlocks & SOCK_BINDADDR_LOCK) != 0)
		walk->look->found |= ADDRESSED;
}

/* One step: the next owner, or the next list of owners. */
static long visit(unsigned index, struct walk *walk)
{
	struct sock_common *owner;

	if (walk->node) {
		owner = next_owner(walk);
		walk->look->visited = true;
		if (owner->skc_num != walk->look->port)
			walk->look->found |= DOUBTFUL;
		if (walk->question->stop_at_vouched)
			stop_at_vouched(walk, owner);
		if (is_beside(walk->question, owner) || is_left_out(walk->question, owner))
			return 0;
		walk->look->owners++;
		walk->look->found |= judge(walk, owner);
		if (walk->question->until_busy && has(walk->look, NOT_WAITING))
			cut_all(walk);
		return 0;
	}
	return next_list(walk);
}

/* A function by itself, as the compiler would otherwise join two addresses to one number. */
static __noinline bool has_ended(const struct walk *walk)
{
	if (walk->node)
		return false;
	barrier();
	return !walk->list;
}

static __always_inline void walk_owners(struct walk *walk)
{
	struct inet_bind_bucket *bucket = walk->bucket;
	struct hlist_node *first = bucket->bhash2.first;

	walk->look->may_share = bucket->fastreuse > 0;
	walk->look->kernel_only = bucket->fastreuse < 0 && bucket->fastreuseport < 0;
	walk->node = NULL;
	walk->list = first;
	bpf_loop(OWNERS_MAX, visit, walk, 0);
	if (has_ended(walk) && walk->look->visited && bucket->bhash2.first == first)
		return;
	walk->look->found |= DOUBTFUL;
}

/* Fills in all but `port`. */
__noinline int look_at(const struct question *question, struct look *look)
{
	struct walk walk = { .question = question, .look = look };

	if (!question || !look)
		return 0;
	look->first_leaves = look->last_leaves = look->found = 0;
	look->owners = 0;
	look->visited = look->may_share = look->kernel_only = look->cut_short = false;
	look->asked = 0;
	find_bucket(&walk);
	if (walk.bucket)
		walk_owners(&walk);
	return 0;
}

static long visit_other(unsigned index, struct walk *walk)
{
	struct sock_common *owner;

	if (walk->node) {
		owner = next_owner(walk);
		if ((__u64)owner == walk->question->who)
			return 0;
		walk->look->visited = true;
		return 1;
	}
	return next_list(walk);
}

/* Is nobody on the port but question.who? Costs less than a look. */
__noinline int is_alone(const struct question *question, unsigned port)
{
	struct look look = { .port = port };
	struct walk walk = { .question = question, .look = &look };

	if (!question)
		return 0;
	find_bucket(&walk);
	if (!walk.bucket)
		return !has(&look, DOUBTFUL);
	walk.node = NULL;
	walk.list = walk.bucket->bhash2.first;
	bpf_loop(OWNERS_MAX, visit_other, &walk, 0);
	return !look.visited;
}

/* Is there no bucket for the port? Costs less than a look. */
__noinline int is_unused(const struct question *question, unsigned port)
{
	struct look look = { .port = port };
	struct walk walk = { .question = question, .look = &look };

	if (!question)
		return 0;
	find_bucket(&walk);
	return !walk.bucket && !has(&look, DOUBTFUL);
}

/* Would the kernel grant a bind with SO_REUSEADDR? */
static __always_inline bool may_bind(const struct look *look)
{
	return look->may_share || !has(look, KEPT);
}

#endif
