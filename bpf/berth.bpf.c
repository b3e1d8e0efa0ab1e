/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Kernel mode: gives a port to each connect() of a TCP socket that has none.
 *
 * Theory of operation
 *
 * Nothing that is remembered here decides: it only says where to try. Two things do decide, and both are the
 * kernel's own. For `fresh` it is a bind without SO_REUSEADDR, which the kernel grants only if no socket at all,
 * in TIME_WAIT or not, is on the port: then no connection from it can exist, whatever the source address will be.
 * For `shared` it is a look-up of the very connection to be made (which sees TIME_WAIT too), and then a bind with
 * SO_REUSEADDR, which the kernel grants if all that are on the port share it and nobody listens there. The source
 * address of an unbound socket is not known yet at this point: every local address is looked up.
 *
 * A bind cannot be taken back, and a socket that is bound to a port whose connection exists fails with
 * EADDRNOTAVAIL; hence never a bind in doubt. Between the look-up and the moment when the kernel has the connection
 * in its table another call could look the same port up: what is given is claimed by one call only, until
 * the kernel reports the connection, or for CLAIM_NS.
 *
 * The turn	One bit for each port that was given, or found in use, since the turn began. The ports without a
 *		mark are where fresh ones are looked for; so a port rests as long as the range allows. When all
 *		have had their turn there is nothing fresh for TURN_NS, and then a new turn begins.
 * Destinations	Which ports are taken for (source if bound, destination): marked when given or found taken. Made
 *		only when a shared port is needed, so that many destinations of few connections cost nothing;
 *		the least recently used is forgotten. An end of a connection is not reported: when no port without
 *		a mark is left, or too many without one are taken, a survey looks ports up until it has found
 *		SURVEY_ENOUGH free ones, and sets all marks right on its way.
 *
 * For `waiting`, the longest-waiting that the survey has met is taken over, where timestamps allow it. Where no port was
 * free among the first SURVEY_WAITING, it looks no further. This must be done here, too: the kernel's own choice skips
 * a port in TIME_WAIT that was bound explicitly, which it would have taken over otherwise (tcp_tw_reuse).
 *
 * Cost: some draws, and where most ports are marked a count over the marks; both the same for every fill. The
 * survey costs what the kernel's own search would have, is paid once for many connections, and cannot be left
 * out: the kernel's own choice skips every port that a live socket of ours was bound to, so that "leave it to the
 * kernel" alone would fail where stock Linux finds a port.
 *
 * Once bound here, a socket whose connect() fails keeps its port, as if its program had bound it.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "core/port_word.h"
#include "wire/kernel_mode.h"

char _license[] SEC("license") = "Dual MIT/GPL";

#define AF_INET	     2
#define AF_INET6     10
#define SOL_SOCKET   1
#define SO_REUSEADDR 2

#define PORT_WORDS 1024

#define TURN_NS	       30000000000ull
#define CLAIM_NS       50000000ull /* longer than a call is kept from the processor after it was given a port */
#define DRAWS	       8	   /* before the marks are counted */
#define FRESH_TRIES    4	   /* binds */
#define SHARED_TRIES   8	   /* look-ups, with or without a bind */
#define SURVEYED_TRIES 64	   /* after a survey, which does not see who would refuse a bind */
#define SURVEY_ENOUGH  4096
#define SURVEY_WAITING 512
#define SECOND_NS      1000000000ull
#define DESTINATIONS   2048 /* 16 MiB */

/* ---- what is read of the kernel's own structures; libbpf finds the offsets (CO-RE) ---- */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sock_common {
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
};
struct sock {
	struct sock_common __sk_common;
};
struct inet_sock {
	struct sock sk;
	unsigned long inet_flags;
	__u32 local_port_range;
};
struct tcp_sock {
	unsigned char is_mptcp : 1;
};
struct tcp_timewait_sock {
	unsigned int tw_ts_recent_stamp;
};
#pragma clang attribute pop
/* A bit's number in inet_flags. Of an enumeration without a name, in which CO-RE finds nothing; the same since the
 * bits were gathered there (Linux 6.6). */
#define INET_FLAGS_TRANSPARENT 15

/* ---- what is remembered ---- */

struct marks {
	__u64 word[PORT_WORDS];
};

struct destination {
	__u32 source_be[4]; /* 0 if the socket is bound to no address; IPv4 in its mapped form */
	__u32 address_be[4];
	__u32 port_be;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DESTINATIONS);
	__type(key, struct destination);
	__type(value, struct marks);
} destinations SEC(".maps");

struct wire_settings settings;
__u64 ways[WIRE_WAYS];

static struct marks turn;
static __u64 turn_over_ns; /* since when all have had their turn; 0: some have not */

static const struct marks no_marks; /* what a new destination begins with */

/* When a port was last given for (source if bound, destination); found by a hash, and a collision only means another draw. */
static __u64 claimed_ns[65536];

static void count(enum wire_way way)
{
	__sync_fetch_and_add(&ways[way], 1);
}

/* ---- marks ---- */

#define WORD(port) ((port) / 64 % PORT_WORDS)
#define BIT(port)  (1ull << ((port) % 64))

static __always_inline bool may_be_tried(const struct marks *marks, unsigned port)
{
	return (settings.allowed[WORD(port)] & ~marks->word[WORD(port)] & BIT(port)) != 0;
}

static __always_inline void mark(struct marks *marks, unsigned port)
{
	__sync_fetch_and_or(&marks->word[WORD(port)], BIT(port));
}

static __always_inline void unmark(struct marks *marks, unsigned port)
{
	__sync_fetch_and_and(&marks->word[WORD(port)], ~BIT(port));
}

/* A number below bound, each with the same chance but for 1 in 2^32 / bound. */
static __always_inline unsigned draw(unsigned bound)
{
	return (__u64)bpf_get_prandom_u32() * bound >> 32;
}

static __always_inline unsigned draw_port(void)
{
	return settings.first + draw(settings.last - settings.first + 1u);
}

/* The range is walked a cache line of marks at a time. */
#define LINE 8

struct walk {
	const struct marks *marks;
	unsigned first_line;
	unsigned left; /* how many to count off; in the first walk, how many there were */
	unsigned port; /* 0: none */
};

static __always_inline __u64 unmarked(const struct walk *walk, unsigned word)
{
	return settings.allowed[word % PORT_WORDS] & ~walk->marks->word[word % PORT_WORDS];
}

static long count_line(unsigned index, struct walk *walk)
{
	unsigned word = (walk->first_line + index) * LINE;
	unsigned here = 0;

	for (unsigned i = 0; i < LINE; i++)
		here += berth_word_count(unmarked(walk, word + i));
	walk->left += here;
	return 0;
}

static long select_in_line(unsigned index, struct walk *walk)
{
	unsigned word = (walk->first_line + index) * LINE;
	unsigned left = walk->left;

	for (unsigned i = 0; i < LINE; i++, word++) {
		__u64 ports = unmarked(walk, word);
		unsigned here = berth_word_count(ports);

		if (left < here) {
			walk->port = word * 64 + berth_word_select(ports, left);
			return 1;
		}
		left -= here;
	}
	walk->left = left;
	return 0;
}

/* A port without a mark, each with the same chance; 0: none. Where marks come and go meanwhile it may be one
 * that has just been marked, or none though there was one: mark() finds out, or the next try. */
__noinline unsigned pick(const struct marks *marks)
{
	unsigned lines = settings.last / (64 * LINE) - settings.first / (64 * LINE) + 1u;
	struct walk walk = { .marks = marks, .first_line = settings.first / (64 * LINE) };

	if (!marks)
		return 0;
	for (int i = 0; i < DRAWS; i++) {
		unsigned port = draw_port();

		if (may_be_tried(marks, port))
			return port;
	}
	bpf_loop(lines, count_line, &walk, 0);
	if (walk.left == 0)
		return 0;
	walk.left = draw(walk.left);
	bpf_loop(lines, select_in_line, &walk, 0);
	return walk.port;
}

/* ---- one connect() ---- */

/* What a look-up found. */
enum found {
	FREE,
	WAITING, /* a TIME_WAIT that may be taken over */
	TAKEN,	 /* a connection, a listener, or a TIME_WAIT that may not */
};

struct call {
	struct bpf_sock_addr *ctx;
	struct marks *taken; /* for the destination; NULL: nothing is remembered of it */
	struct destination to;
	unsigned salt; /* of `to`, in the hash of claims */
	__u64 now_ns;
	bool ipv6_socket, ipv6_only, ipv4; /* an IPv6 socket may connect to a mapped address */
	bool bound;			   /* to an address, without a port */
	bool reuse;			   /* the program has set SO_REUSEADDR itself */
	bool done;
	bool refused; /* some bind was */
	/* Of a survey: where it began, free ports seen, the longest-waiting port (0: none) and its last segment. */
	unsigned start, free, waiting;
	__u32 oldest, stamp; /* seconds */
	/* Of a probe. */
	unsigned port;
	enum found worst;
};

static __always_inline void set_reuse(const struct call *call, int on)
{
	bpf_setsockopt(call->ctx, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

static __noinline bool bind_to(const struct call *call, unsigned port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = bpf_htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = bpf_htons(port) };

	if (call->ipv6_socket) {
		__builtin_memcpy(&in6.sin6_addr, call->to.source_be, sizeof(in6.sin6_addr));
		return bpf_bind(call->ctx, (struct sockaddr *)&in6, sizeof(in6)) == 0;
	}
	in.sin_addr.s_addr = call->to.source_be[3];
	return bpf_bind(call->ctx, (struct sockaddr *)&in, sizeof(in)) == 0;
}

static __always_inline bool bind_port(struct call *call, unsigned port)
{
	if (bind_to(call, port)) {
		call->done = true;
		return true;
	}
	count(WIRE_BIND_REFUSED);
	call->refused = true;
	return false;
}

static __always_inline unsigned salt_of(const struct destination *to)
{
	__u64 salt = 0;

	for (int i = 0; i < 4; i++)
		salt = (salt ^ to->source_be[i] ^ (__u64)to->address_be[i] << 32) * 0x9e3779b97f4a7c15ull;
	return (salt ^ to->port_be) * 0x9e3779b97f4a7c15ull >> 48;
}

static __always_inline __u64 *claim_of(const struct call *call, unsigned port)
{
	return &claimed_ns[(port + call->salt) % 65536];
}

static __always_inline bool is_claimed(const struct call *call, unsigned port)
{
	/* Another CPU may have claimed it after our now_ns: signed. */
	return (__s64)(call->now_ns - *claim_of(call, port)) < (__s64)CLAIM_NS;
}

/* True for one of several calls that claim the same port at once. */
static __always_inline bool claim(const struct call *call, unsigned port)
{
	__u64 *claimed = claim_of(call, port), before = *claimed;

	return (__s64)(call->now_ns - before) >= (__s64)CLAIM_NS &&
	       __sync_val_compare_and_swap(claimed, before, call->now_ns) == before;
}

/* By who has claimed it and could not use it. */
static __always_inline void unclaim(const struct call *call, unsigned port)
{
	*claim_of(call, port) = 0;
}

/* A socket with an explicit port takes a TIME_WAIT over if that has timestamps (RFC 6191), at once. As the kernel does
 * where it chooses the port itself, we leave it a second (tcp_twsk_unique()). */
static __always_inline enum found look_at(struct call *call, struct bpf_sock *sk)
{
	struct tcp_timewait_sock *waiting = bpf_skc_to_tcp_timewait_sock(sk);
	__u32 stamp;

	if (!waiting)
		return TAKEN;
	stamp = waiting->tw_ts_recent_stamp;
	if (stamp == 0 || (__s32)((__u32)(call->now_ns / SECOND_NS) - stamp) <= 0)
		return TAKEN;
	call->stamp = stamp;
	return WAITING;
}

static __always_inline enum found look_up(struct call *call, unsigned port, const __u32 *source_be)
{
	struct bpf_sock_tuple tuple = { 0 };
	struct bpf_sock *sk;
	enum found found;
	__u32 size;

	/* As a packet that arrives would have it: its source is the far end. */
	if (call->ipv4) {
		tuple.ipv4.saddr = call->to.address_be[3];
		tuple.ipv4.daddr = source_be[3];
		tuple.ipv4.sport = call->to.port_be;
		tuple.ipv4.dport = bpf_htons(port);
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, call->to.address_be, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, source_be, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = call->to.port_be;
		tuple.ipv6.dport = bpf_htons(port);
		size = sizeof(tuple.ipv6);
	}
	sk = bpf_skc_lookup_tcp(call->ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return FREE;
	found = look_at(call, sk);
	bpf_sk_release(sk);
	return found;
}

static long probe_source(unsigned index, struct call *call)
{
	__u32 source_be[4] = { 0 };
	enum found found;

	if (call->ipv4)
		source_be[3] = settings.source4_be[index % WIRE_SOURCES];
	else
		__builtin_memcpy(source_be, settings.source6_be[index % WIRE_SOURCES], sizeof(source_be));
	found = look_up(call, call->port, source_be);
	if (found > call->worst)
		call->worst = found;
	return found == TAKEN;
}

/* The worst that is found from any address that the connection could come from. */
static __noinline enum found probe(struct call *call, unsigned port)
{
	count(WIRE_PROBE);
	if (call->bound)
		return look_up(call, port, call->to.source_be);
	call->port = port;
	call->worst = FREE;
	bpf_loop(call->ipv4 ? settings.source4_count : settings.source6_count, probe_source, call, 0);
	return call->worst;
}

/* ---- fresh ---- */

static long clear_word(unsigned index, void *unused)
{
	turn.word[index % PORT_WORDS] = 0;
	return 0;
}

static __always_inline bool turn_is_over(__u64 now_ns)
{
	__u64 since = turn_over_ns;

	if (since == 0)
		return false;
	if (now_ns - since < TURN_NS)
		return true;
	if (__sync_val_compare_and_swap(&turn_over_ns, since, 0) == since)
		bpf_loop(PORT_WORDS, clear_word, NULL, 0);
	return false;
}

static long try_fresh(unsigned index, struct call *call)
{
	unsigned port = pick(&turn);

	if (port == 0) {
		turn_over_ns = call->now_ns;
		return 1;
	}
	mark(&turn, port);
	if (call->taken)
		mark(call->taken, port);
	if (!bind_port(call, port))
		return 0;
	*claim_of(call, port) = call->now_ns; /* so that nobody shares it before it is connected */
	return 1;
}

static __always_inline bool give_fresh(struct call *call)
{
	if (turn_is_over(call->now_ns))
		return false;
	if (call->reuse)
		set_reuse(call, 0);
	bpf_loop(FRESH_TRIES, try_fresh, call, 0);
	/* Its TIME_WAIT inherits this, without which nobody could share the port for a minute. */
	if (call->done || call->reuse)
		set_reuse(call, 1);
	return call->done;
}

/* ---- shared, waiting ---- */

static long try_shared(unsigned index, struct call *call)
{
	unsigned port;

	if (!call->taken)
		return 1;
	port = pick(call->taken);
	if (port == 0)
		return 1;
	mark(call->taken, port);
	if (!claim(call, port))
		return 0;
	if (probe(call, port) != FREE)
		count(WIRE_TAKEN);
	else if (bind_port(call, port))
		return 1;
	unclaim(call, port);
	return 0;
}

static long survey_port(unsigned index, struct call *call)
{
	unsigned span = settings.last - settings.first + 1u;
	unsigned offset = call->start + index;
	unsigned port = settings.first + (offset < span ? offset : offset - span);
	enum found found;

	if (!call->taken || (settings.allowed[WORD(port)] & BIT(port)) == 0 || is_claimed(call, port))
		return 0;
	found = probe(call, port);
	if (found == FREE) {
		unmark(call->taken, port);
		return ++call->free >= SURVEY_ENOUGH;
	}
	mark(call->taken, port);
	if (found == WAITING && (call->waiting == 0 || (__s32)(call->stamp - call->oldest) < 0)) {
		call->waiting = port;
		call->oldest = call->stamp;
	}
	return call->waiting != 0 && call->free == 0 && index >= SURVEY_WAITING;
}

static __always_inline void survey(struct call *call)
{
	unsigned span = settings.last - settings.first + 1u;

	count(WIRE_SURVEY);
	call->start = draw(span);
	bpf_loop(span, survey_port, call, 0);
}

static __always_inline void remember(struct call *call)
{
	if (call->taken)
		return;
	bpf_map_update_elem(&destinations, &call->to, &no_marks, BPF_NOEXIST);
	call->taken = bpf_map_lookup_elem(&destinations, &call->to);
}

static __always_inline enum wire_way try_all(struct call *call)
{
	bpf_loop(SHARED_TRIES, try_shared, call, 0);
	if (call->done)
		return WIRE_SHARED;
	survey(call);
	if (call->free > 0) {
		bpf_loop(SURVEYED_TRIES, try_shared, call, 0);
		return call->done ? WIRE_SHARED : WIRE_REFUSED;
	}
	if (call->waiting == 0 || !claim(call, call->waiting))
		return WIRE_EXHAUSTED;
	if (!bind_port(call, call->waiting))
		unclaim(call, call->waiting);
	return call->done ? WIRE_WAITING : WIRE_REFUSED;
}

static __always_inline enum wire_way give_other(struct call *call)
{
	if (!call->bound && (call->ipv4 ? settings.source4_count : settings.source6_count) > WIRE_SOURCES)
		return WIRE_MANY_SOURCES;
	remember(call);
	/* Stays, also if the kernel chooses: without it nobody could share the port that it takes. */
	set_reuse(call, 1);
	return try_all(call);
}

/* ---- the hooks ---- */

static __always_inline bool is_own_choice(struct tcp_sock *tcp)
{
	struct inet_sock *inet = (struct inet_sock *)tcp;

	return inet->local_port_range != 0 || (inet->inet_flags >> INET_FLAGS_TRANSPARENT & 1) != 0 ||
	       BPF_CORE_READ_BITFIELD(&inet->sk.__sk_common, skc_reuseport) != 0;
}

/* Is the socket one to give a port to? WIRE_FRESH if it is; otherwise the way out. */
static __always_inline enum wire_way examine(struct call *call, __u32 family)
{
	struct bpf_sock *sk = call->ctx->sk;
	struct tcp_sock *tcp;

	if (!sk || sk->protocol != IPPROTO_TCP || call->ctx->user_family != family)
		return WIRE_NOT_TCP;
	if (sk->src_port != 0)
		return WIRE_BOUND;
	if (sk->bound_dev_if != 0)
		return WIRE_OWN_CHOICE;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || BPF_CORE_READ_BITFIELD(tcp, is_mptcp) != 0)
		return WIRE_NOT_TCP;
	if (is_own_choice(tcp))
		return WIRE_OWN_CHOICE;
	if (bpf_get_netns_cookie(call->ctx) != settings.netns_cookie)
		return WIRE_OTHER_NETNS;
	call->ipv6_only =
		BPF_CORE_READ_BITFIELD(&((struct inet_sock *)tcp)->sk.__sk_common, skc_ipv6only) != 0;
	call->reuse = BPF_CORE_READ_BITFIELD(&((struct inet_sock *)tcp)->sk.__sk_common, skc_reuse) != 0;
	return WIRE_FRESH;
}

static __always_inline void give(struct call *call)
{
	enum wire_way way = WIRE_FRESH;

	call->salt = salt_of(&call->to);
	call->now_ns = bpf_ktime_get_ns();
	call->taken = bpf_map_lookup_elem(&destinations, &call->to);
	if (!give_fresh(call))
		way = give_other(call);
	/* The kernel forgets a socket's address when it refuses a bind; to bind to port 0 sets it anew. */
	if (!call->done && call->refused && call->bound)
		bind_to(call, 0);
	count(way);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct call call = { .ctx = ctx, .ipv4 = true };
	enum wire_way way = examine(&call, AF_INET);

	if (way != WIRE_FRESH) {
		count(way);
		return 1;
	}
	call.to.source_be[3] = ctx->sk->src_ip4;
	call.bound = call.to.source_be[3] != 0;
	if (call.bound)
		call.to.source_be[2] = bpf_htonl(0xffff);
	call.to.address_be[2] = bpf_htonl(0xffff);
	call.to.address_be[3] = ctx->user_ip4;
	call.to.port_be = ctx->user_port;
	/* 0.0.0.0 is this host, here as in ip_route_output_key(). */
	if (call.to.address_be[3] == 0)
		call.to.address_be[3] = call.bound ? call.to.source_be[3] : bpf_htonl(INADDR_LOOPBACK);
	give(&call);
	return 1;
}

static __always_inline bool is_link_local(const __u32 *address_be)
{
	return (address_be[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool is_mapped(const __u32 *address_be)
{
	return address_be[0] == 0 && address_be[1] == 0 && address_be[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_any(const __u32 *address_be)
{
	return (address_be[0] | address_be[1] | address_be[2] | address_be[3]) == 0;
}

/* The unspecified address is this host, here as in tcp_v6_connect(). */
static __always_inline void replace_any(struct destination *to)
{
	if (!is_any(to->address_be))
		return;
	if (is_mapped(to->source_be)) {
		to->address_be[2] = bpf_htonl(0xffff);
		to->address_be[3] = bpf_htonl(INADDR_LOOPBACK);
	} else {
		to->address_be[3] = bpf_htonl(1);
	}
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct call call = { .ctx = ctx, .ipv6_socket = true };
	enum wire_way way = examine(&call, AF_INET6);
	struct destination *to = &call.to;

	if (way != WIRE_FRESH) {
		count(way);
		return 1;
	}
	to->source_be[0] = ctx->sk->src_ip6[0];
	to->source_be[1] = ctx->sk->src_ip6[1];
	to->source_be[2] = ctx->sk->src_ip6[2];
	to->source_be[3] = ctx->sk->src_ip6[3];
	call.bound = !is_any(to->source_be);
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
	call.ipv4 = is_mapped(to->address_be);
	if (call.ipv4 && call.ipv6_only) { /* fails before a port is chosen */
		count(WIRE_NOT_TCP);
		return 1;
	}
	give(&call);
	return 1;
}

/* The connection is in the kernel's table, where every look-up finds it: no claim is needed any more. */
SEC("sockops")
int begun(struct bpf_sock_ops *ctx)
{
	/* Read before the family is asked: the compiler would otherwise choose among addresses within ctx, which the
	 * verifier does not allow. */
	__u32 remote4 = ctx->remote_ip4, local4 = ctx->local_ip4;
	__u32 remote6[4] = { ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2], ctx->remote_ip6[3] };
	__u32 local6[4] = { ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3] };
	struct destination to = { .port_be = ctx->remote_port >> 16 };
	bool ipv4 = ctx->family == AF_INET;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	if (ipv4) {
		to.address_be[2] = bpf_htonl(0xffff);
		to.address_be[3] = remote4;
	} else {
		__builtin_memcpy(to.address_be, remote6, sizeof(remote6));
	}
	claimed_ns[(ctx->local_port + salt_of(&to)) % 65536] = 0;
	/* Or it was bound to its address before. */
	if (ipv4) {
		to.source_be[2] = bpf_htonl(0xffff);
		to.source_be[3] = local4;
	} else {
		__builtin_memcpy(to.source_be, local6, sizeof(local6));
	}
	claimed_ns[(ctx->local_port + salt_of(&to)) % 65536] = 0;
	return 1;
}
