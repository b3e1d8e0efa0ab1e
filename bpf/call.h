/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * One bind() or connect() on its way through the program, and the claims that keep calls out of each other's way.
 *
 * A claim is one call's alone to look at a port and to give it. It begins before the look and ends when the socket is bound,
 * which the kernel's table shows to all who look from then on, or was not given the port; or after CLAIM_NS, if the kernel did
 * not bind what bind() was told to, or the call was kept from the processor. For CLAIM_NS after a connect() was given the
 * port, who is on it and was never connected is taken for that one, about to connect.
 */
#ifndef BERTH_BPF_CALL_H
#define BERTH_BPF_CALL_H

#include "bpf/bind_table.h"
#include "bpf/kept_away.h"
#include "bpf/port_namespace.h"
#include "bpf/port_slot.h"

#define CLAIM_NS 20000000ull /* two ticks of the coarse clock at its slowest */

/* Without pointers into maps, so that functions which the verifier looks at once can have it. */
struct call {
	struct question question;
	__u64 claim_before; /* what stood there before this call claimed the port that it tries */
	bool ipv6_socket;   /* which may connect to a mapped address */
	bool was_given;	    /* the port that is tried: once before, to a connect() */
	bool just_given;    /* and that not CLAIM_NS ago */
	bool source_sure;   /* not by a guess */
	__u8 done;	    /* a port was given */
	__u8 refused;	    /* some bind was */
	bool kept;	    /* some port was kept away (kept_away.h) */
	__u8 way;	    /* enum wire_way */
	__u8 hook;	    /* enum wire_hook */
};

__u64 ways[WIRE_HOOKS][WIRE_WAYS];

/* A claim: until when it stands, in ns, but for the lowest bits, which say whose it is. A port whose place another one has claimed
 * cannot be claimed meanwhile. */
#define GIVEN	     1ull /* a connect() was given the port, and the claim is over */
#define CLAIMED_PORT ((65536ull / CLAIMS - 1) << 1)

static __always_inline void count_way(unsigned hook, unsigned way)
{
	FORGET(hook);
	FORGET(way);
	if (hook < WIRE_HOOKS && way < WIRE_WAYS)
		__sync_fetch_and_add(&ways[hook][way], 1);
}

static __always_inline void count(const struct call *call, unsigned way)
{
	count_way(call->hook, way);
}

static __always_inline __u64 *claim_of(__u64 netns, unsigned port)
{
	return &claims[place_of_port(netns, port) % CLAIMS];
}

static __always_inline __u64 claimed_port(unsigned port)
{
	return (__u64)port / CLAIMS << 1;
}

static __always_inline __u64 new_claim(const struct call *call, unsigned port)
{
	return ((call->question.now_ns + CLAIM_NS) & ~(CLAIMED_PORT | GIVEN)) | claimed_port(port);
}

static __always_inline bool stands(__u64 claim, const struct call *call)
{
	return (__s64)(claim - call->question.now_ns) > 0;
}

static __always_inline bool is_for(__u64 claim, unsigned port)
{
	return (claim & CLAIMED_PORT) == claimed_port(port);
}

static __always_inline bool is_just_given(const struct call *call, unsigned port)
{
	__u64 claim = *claim_of(call->question.to.netns, port);

	return stands(claim, call) && is_for(claim, port);
}

/* True for one of several calls that claim a port at once. */
static __always_inline bool claim(struct call *call, unsigned port)
{
	__u64 *place = claim_of(call->question.to.netns, port), before = *place;

	call->just_given = stands(before, call) && is_for(before, port);
	call->claim_before = before;
	return (!stands(before, call) || (before & GIVEN) != 0) &&
	       __sync_val_compare_and_swap(place, before, new_claim(call, port)) == before;
}

/* A bind() is done. That a connect() was just given the port stays known. */
static __always_inline void unclaim(__u64 netns, unsigned port)
{
	__u64 *place = claim_of(netns, port);

	if ((*place & GIVEN) == 0 && is_for(*place, port))
		*place = 0;
}

static __always_inline void settle_claim(const struct call *call, unsigned port)
{
	*claim_of(call->question.to.netns, port) =
		call->done ? new_claim(call, port) | GIVEN : call->claim_before;
}

static __always_inline void set_option(struct bpf_sock_addr *ctx, int option, int value)
{
	bpf_setsockopt(ctx, SOL_SOCKET, option, &value, sizeof(value));
}

static __always_inline void share(struct bpf_sock_addr *ctx)
{
	set_option(ctx, SO_REUSEADDR, 1);
}

/* Always 0, which the verifier does not know. What begins with it is any number to it, and it goes round a loop once
 * instead of once for every number that it could reach. */
static volatile __u64 nothing;
/* To compare a number without the verifier's drawing conclusions for what it was loaded from. */
#define APART(number) ((number) + nothing)

static __always_inline void look_for(struct call *call, unsigned port, struct look *look)
{
	look->port = port;
	look_at(&call->question, look);
	if (is_keeping() && add_kept(&call->question, look))
		call->kept = true;
	count(call, WIRE_LOOK);
}

#endif
