/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What is read of the kernel's own structures. Only the members that are read are declared; libbpf finds where they are in
 * the running kernel (CO-RE), and refuses to load the program where one is missing. The bind table has had this shape since
 * Linux 6.8.
 */
#ifndef BERTH_BPF_KERNEL_TYPES_H
#define BERTH_BPF_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>

#define AF_INET		   2
#define AF_INET6	   10
#define SOL_SOCKET	   1
#define SO_REUSEADDR	   2
#define SO_REUSEPORT	   15
#define SOCK_BINDADDR_LOCK 4 /* include/net/sock.h */

#define E2BIG	      7
#define EADDRNOTAVAIL 99

/* States of struct sock_common; linux/bpf.h has the others. */
#define STATE_CLOSE	BPF_TCP_CLOSE
#define STATE_TIME_WAIT BPF_TCP_TIME_WAIT
#define STATE_LISTEN	BPF_TCP_LISTEN

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};

struct local_ports {
	__u32 range; /* first in the low half, last in the high one */
};
struct inet_bind_hashbucket {
	struct hlist_head chain; /* of inet_bind_bucket.node */
};
struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	unsigned int bhash_size;
};
struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};
struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
	struct local_ports ip_local_ports;
	unsigned long *sysctl_local_reserved_ports;
};
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	atomic_t refs;
} refcount_t;
struct net {
	refcount_t passive; /* 0: it has gone */
	__u32 hash_mix;
	struct netns_ipv4 ipv4;
	__u64 net_cookie;
};
typedef struct {
	struct net *net;
} possible_net_t;

/* One for each port that somebody is on: `port` of the network namespace `ib_net`. */
struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	unsigned short port;
	signed char
		fastreuse; /* above 0: all that bound it share; below: the kernel chose it for all that are on it */
	signed char fastreuseport;
	struct hlist_node node;
	struct hlist_head bhash2; /* of inet_bind2_bucket.bhash_node: one for each local address */
};
struct inet_bind2_bucket {
	struct hlist_node bhash_node;
	struct hlist_head
		owners; /* of sock_common.skc_bind_node: sockets and what is left of them in TIME_WAIT */
};

/* Of enum sock_flags. */
enum sock_flags {
	SOCK_DONE = 1,
};
typedef struct {
	__s64 counter;
} atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	struct hlist_node skc_bind_node;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
};
typedef struct {
	__u32 val;
} kuid_t;
struct sock {
	struct sock_common __sk_common;
	kuid_t sk_uid;
	__u32 sk_mark;
	__u8 sk_userlocks;
	__u8 sk_shutdown;
	__u16 sk_protocol;
	int sk_err;
	__u32 sk_max_ack_backlog; /* of listen() */
};
struct inet_sock {
	struct sock sk;
	__be16 inet_sport; /* stays when the port is given back */
	unsigned long inet_flags;
	__u32 local_port_range;
};
struct tcp_options_received {
	__u16 tstamp_ok : 1;
};
struct tcp_sock {
	unsigned char is_mptcp : 1;
	__u32 write_seq; /* 0 until the socket has been connected (tcp_v4_connect) */
	struct tcp_options_received rx_opt;
};

struct timer_list {
	unsigned long expires;
};
struct inet_timewait_sock {
	volatile unsigned char tw_substate; /* TIME_WAIT, or FIN_WAIT_2 */
	struct timer_list tw_timer;
};
struct tcp_timewait_sock {
	int tw_ts_recent_stamp; /* seconds; 0: the connection had no timestamps */
};

#pragma clang attribute pop

/* Reads of what it returns cannot fault, whatever the address: they give 0. */
extern void *bpf_rdonly_cast(const void *address, __u32 type_id) __ksym;

#define read_as(type, address) \
	((struct type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(struct type)))
/* The structure of which `node` points to a member. */
#define read_around(type, member, node) \
	read_as(type, (const char *)(node)-bpf_core_field_offset(struct type, member))

#endif
