/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * A BPF iterator that lists who is on the ports of the reader's network namespace, from the kernel's bind table: for who looks
 * at the port space (view/snapshot.h). The daemon's hooks have two, one for the range and one for all ports (berth.bpf.c), and a
 * look without a daemon may have one of its own (look.bpf.c).
 *
 * Theory of operation
 *
 * The bind table is sorted by port, has every socket with a port and what is left of it in TIME_WAIT (bind_table.h), and can
 * be read without its locks. So a look walks only the ports that it is about, and not the inbound connections of a server,
 * and a record of ours costs less to write than a netlink message: a fifth of what sock_diag takes for the same.
 * The kernel's own iterator over TCP sockets (iter/tcp) takes the lock of each socket and is no faster than sock_diag.
 *
 * What an iterator walks over is a map whose elements stand for stretches of ports, and have nothing in them; a step writes
 * all records of one stretch, and the kernel takes care of the reader's buffer. Connections on a port where somebody listens
 * were begun by the other side; they are counted only. Handshakes that the other side has begun are left out, as in
 * host/socket_table.h; most of them are not in the bind table anyway.
 *
 * What changes under the reader's eyes can lead it into the list of another port, which each owner tells. Then the records
 * of the port are closed with WIRE_OWNER_UNSURE, as they are where there are more than fit, and where a port outside of the
 * range has many: most likely a server's, whose listener is at the end of a long list. Who reads asks sock_diag about these,
 * first for listeners, which costs next to nothing.
 */
#ifndef BERTH_BPF_PORT_OWNERS_H
#define BERTH_BPF_PORT_OWNERS_H

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/kernel_types.h"
#include "wire/port_owner.h"

/* Steps from owner to owner, on a port of the range and on another one. */
#define STEPS_MAX     1048576
#define STEPS_OUTSIDE 256

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key, *value;
};
struct nsproxy {
	struct net *net_ns;
};
struct task_struct {
	struct nsproxy *nsproxy;
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WIRE_STRETCHES);
	__type(key, __u32);
	__type(value, __u64); /* 0 */
} stretches SEC(".maps");

struct owner_walk {
	struct seq_file *seq;
	struct hlist_node *bucket, *list, *node; /* the next ones */
	__u64 net, table;			 /* struct net *, struct inet_bind_hashbucket * */
	__u64 now;				 /* in jiffies */
	__u32 table_size, hash_mix;
	__u32 written, written_before; /* records of owners, in this stretch; before this port */
	__u32 port;
	__u32 connections; /* on the port */
	__u32 range_first, range_last;
	bool all;			 /* ports, and not those of the range only */
	bool listening, unsure, is_full; /* is_full: not all could be written */
};

static __always_inline void close_port(const struct owner_walk *walk, __u8 state, __u32 number)
{
	struct wire_port_owner closing = { .local_port = walk->port, .state = state, .number = number };

	bpf_seq_write(walk->seq, &closing, sizeof(closing));
}

static __always_inline void write_owner(struct owner_walk *walk, struct sock_common *owner, __u8 state)
{
	struct wire_port_owner record = { .local_port = walk->port, .state = state };
	const struct inet_timewait_sock *waiting;

	if (owner->skc_family == AF_INET6) {
		for (unsigned i = 0; i < 4; i++) {
			record.local_be[i] = owner->skc_v6_rcv_saddr.s6_addr32[i];
			record.remote_be[i] = owner->skc_v6_daddr.s6_addr32[i];
		}
	} else {
		record.local_be[2] = record.remote_be[2] = bpf_htonl(0xffff);
		record.local_be[3] = owner->skc_rcv_saddr;
		record.remote_be[3] = owner->skc_daddr;
	}
	record.remote_port = bpf_ntohs(owner->skc_dport);
	if (state == STATE_TIME_WAIT) {
		waiting = read_as(inet_timewait_sock, owner);
		record.state = waiting->tw_substate;
		record.number = (__u32)(waiting->tw_timer.expires - walk->now);
	}
	bpf_seq_write(walk->seq, &record, sizeof(record));
	walk->written++;
}

static __always_inline void see_owner(struct owner_walk *walk, struct sock_common *owner)
{
	__u8 state = owner->skc_state;

	if (state == STATE_LISTEN) {
		walk->listening = true;
		return;
	}
	if (state == BPF_TCP_SYN_RECV)
		return;
	if (state == STATE_CLOSE)
		state = WIRE_OWNER_BOUND;
	else
		walk->connections++;
	if (walk->listening)
		return;
	if (walk->written >= WIRE_STRETCH_OWNERS || walk->written - walk->written_before >= WIRE_PORT_OWNERS)
		walk->is_full = true;
	else
		write_owner(walk, owner, state);
}

static __always_inline void next_bucket(struct owner_walk *walk)
{
	struct inet_bind_bucket *bucket = read_around(inet_bind_bucket, node, walk->bucket);

	walk->bucket = bucket->node.next;
	if (bucket->port == walk->port && (__u64)bucket->ib_net.net == walk->net)
		walk->list = bucket->bhash2.first;
}

/* One step: an owner, a local address, or a bucket. */
static long step(unsigned index, struct owner_walk *walk)
{
	struct inet_bind2_bucket *list;
	struct sock_common *owner;

	if (walk->node) {
		owner = read_around(sock_common, skc_bind_node, walk->node);
		walk->node = owner->skc_bind_node.next;
		if (owner->skc_num != walk->port) {
			walk->unsure = true;
			return 1;
		}
		see_owner(walk, owner);
		return 0;
	}
	if (walk->list) {
		list = read_around(inet_bind2_bucket, bhash_node, walk->list);
		walk->node = list->owners.first;
		walk->list = list->bhash_node.next;
		return 0;
	}
	if (!walk->bucket)
		return 1;
	next_bucket(walk);
	return 0;
}

static __always_inline struct hlist_node *slot_of(const struct owner_walk *walk)
{
	__u64 slot = (walk->port + walk->hash_mix) & (walk->table_size - 1);

	return read_as(inet_bind_hashbucket,
		       walk->table + slot * bpf_core_type_size(struct inet_bind_hashbucket))
		->chain.first;
}

static __always_inline void list_port(struct owner_walk *walk, unsigned most_steps)
{
	walk->bucket = slot_of(walk);
	if (!walk->bucket)
		return;
	walk->list = walk->node = NULL;
	walk->listening = walk->unsure = walk->is_full = false;
	walk->written_before = walk->written;
	walk->connections = 0;
	if (bpf_loop(most_steps, step, walk, 0) == most_steps)
		walk->unsure = true;
	if (walk->listening && !walk->unsure)
		close_port(walk, WIRE_OWNER_LISTENERS, walk->connections);
	else if (walk->unsure || walk->is_full)
		close_port(walk, WIRE_OWNER_UNSURE, 0);
}

/* For bpf_loop(), which the verifier follows once, where it would follow each round of a loop by itself. */
static long list_next_port(unsigned index, struct owner_walk *walk)
{
	bool is_in_range = walk->port >= walk->range_first && walk->port <= walk->range_last;

	if (walk->all || is_in_range)
		list_port(walk, is_in_range ? STEPS_MAX : STEPS_OUTSIDE);
	walk->port++;
	return 0;
}

static __always_inline int list_stretch(struct bpf_iter__bpf_map_elem *ctx, bool all)
{
	const __u32 *stretch = ctx->key;
	const __u64 *zero = ctx->value;
	struct owner_walk walk = { .now = bpf_jiffies64(), .all = all };
	const struct net *net;

	if (!stretch || !zero)
		return 0; /* the last call, behind the map's end */
	net = ((struct task_struct *)bpf_get_current_task_btf())->nsproxy->net_ns;
	walk.range_first = net->ipv4.ip_local_ports.range & 0xffff;
	walk.range_last = net->ipv4.ip_local_ports.range >> 16;
	walk.seq = ctx->meta->seq;
	walk.net = (__u64)net;
	walk.hash_mix = net->hash_mix;
	walk.table = (__u64)net->ipv4.tcp_death_row.hashinfo->bhash;
	walk.table_size = net->ipv4.tcp_death_row.hashinfo->bhash_size;
	/* Numbers that the verifier knows it would follow through every step of the loop. */
	walk.written = *zero;
	walk.port = *stretch * WIRE_STRETCH_PORTS;
	bpf_loop(WIRE_STRETCH_PORTS, list_next_port, &walk, 0);
	return 0;
}

#endif
