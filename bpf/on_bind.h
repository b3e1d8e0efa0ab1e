/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * A port for bind() to port 0, which says nothing of a destination: fresh, then the longest-waiting, then shared.
 *
 * The hook can only name the port; the kernel binds after it has ended, and what it then refuses the program sees. So a
 * port is named only if the bind will be granted: nobody is on it, or all that are share it and none listens. Whoever comes
 * through this program keeps away from it until it is bound, by the claim.
 */
#ifndef BERTH_BPF_ON_BIND_H
#define BERTH_BPF_ON_BIND_H

#include "bpf/call.h"

#define BIND_FRESH_TRIES 8
#define BIND_LOOKS	 48
#define BIND_OWNERS	 256 /* were met, and a port to share: enough have been seen */
#define BIND_STANDS_NS	 100000000ull
#define BIND_SMALL	 512 /* ports: so few are searched every time */

struct binding {
	struct bpf_sock_addr *ctx;
	struct port_namespace *namespace;
	struct call call;
	__u64 start;
	__u64 fresh, waiting, shared; /* a port of that kind; 0: none */
	__u64 leaves, owners; /* when the one leaves TIME_WAIT, in jiffies; how many are on the other */
	__u64 met;	      /* owners */
};

static __always_inline bool nobody_is_on(const struct look *look)
{
	return look->owners == 0 && !has(look, DOUBTFUL);
}

static __always_inline bool can_bind(const struct look *look)
{
	return !has(look, DOUBTFUL | IDLE) && may_bind(look);
}

enum naming {
	NOT_NAMED,
	NAMED,	    /* and claimed */
	NAME_LATER, /* somebody is idle on it, who may be about to go */
};

/* Names the port if nobody is on it, or if `shared` and the bind will be granted. Returns an enum naming. */
__noinline int try_to_name(struct bpf_sock_addr *ctx, struct call *call, unsigned port, unsigned shared)
{
	struct look look;

	if (!call || port == 0 || port > 65535 || !claim(call, port))
		return NOT_NAMED;
	look_for(call, port, &look);
	if (!nobody_is_on(&look) && !(shared && can_bind(&look))) {
		settle_claim(call, port);
		count(call, WIRE_MISS);
		return has(&look, IDLE) ? NAME_LATER : NOT_NAMED;
	}
	if (look.owners != 0)
		share(ctx);
	ctx->user_port = bpf_htons(port);
	call->done = true;
	call->way = look.owners == 0 ? WIRE_FRESH : has(&look, NOT_WAITING) ? WIRE_SHARED : WIRE_WAITING;
	return NAMED;
}

static long name_fresh(unsigned index, struct binding *binding)
{
	unsigned port = next_fresh(binding->namespace);
	enum naming naming;

	if (port == 0)
		return 1;
	naming = try_to_name(binding->ctx, &binding->call, port, false);
	if (naming == NAME_LATER)
		unmark_used(binding->namespace, port);
	return naming == NAMED;
}

static __always_inline void note_for_bind(struct binding *binding, unsigned port, const struct look *look)
{
	if (!can_bind(look))
		return;
	if (look->owners == 0)
		binding->fresh = port;
	if (!has(look, NOT_WAITING) &&
	    (binding->waiting == 0 || (__s64)(look->last_leaves - binding->leaves) < 0)) {
		binding->waiting = port;
		binding->leaves = look->last_leaves;
	}
	if (!look->cut_short && (binding->shared == 0 || look->owners < binding->owners)) {
		binding->shared = port;
		binding->owners = look->owners;
	}
}

static __always_inline void look_and_note_for_bind(struct binding *binding, unsigned port)
{
	struct look look;

	look_for(&binding->call, port, &look);
	note_for_bind(binding, port, &look);
	binding->met = (binding->met + look.owners) & 0xffff; /* a bound for the verifier */
}

static __always_inline bool has_met_enough(const struct binding *binding)
{
	return APART(binding->shared) != 0 && APART(binding->met) >= BIND_OWNERS;
}

/* Among ports drawn at random: the longest-waiting, and one that few are on, where the connection to come is least likely to
 * exist already. (In the order of their numbers, programs that go round their destinations would meet the same ones again.) */
static long look_at_some(unsigned index, struct binding *binding)
{
	unsigned port = pick_of(binding->namespace, &binding->namespace->allowed);

	if (port == 0)
		return 1;
	look_and_note_for_bind(binding, port);
	return has_met_enough(binding);
}

static long look_at_all(unsigned index, struct binding *binding)
{
	unsigned first = first_port(binding->namespace), last = last_port(binding->namespace);
	unsigned port = binding->start + index;

	if (port > last)
		port -= last - first + 1u;
	if (is_marked(&binding->namespace->allowed, port))
		return 0;
	binding->call.question.until_busy = has_met_enough(binding);
	look_and_note_for_bind(binding, port);
	return APART(binding->fresh) != 0;
}

static __always_inline bool is_known_to_be_out(const struct binding *binding)
{
	const struct port_namespace *namespace = binding->namespace;

	return last_port(namespace) - first_port(namespace) >= BIND_SMALL &&
	       (__s64)(namespace->bind_until_ns - binding->call.question.now_ns) > 0 &&
	       namespace->bind_released == namespace->released &&
	       is_same(namespace->bind_source_be, binding->call.question.to.source_be);
}

/* The last resort before ports are shared, as a connection from a shared port may exist already, and then fails: is there one that
 * nobody is on, or that is only in TIME_WAIT? Costs what the kernel's own search costs, and stands for a while. */
static __always_inline void search_all(struct binding *binding)
{
	struct port_namespace *namespace = binding->namespace;
	unsigned first = first_port(namespace), span = last_port(namespace) - first + 1u;
	__u32 released = namespace->released;

	count(&binding->call, WIRE_SURVEY);
	binding->start = first + draw(span);
	bpf_loop(span, look_at_all, binding, 0);
	binding->call.question.until_busy = false;
	binding->call.question.now_ns = bpf_ktime_get_coarse_ns();
	if (binding->fresh != 0)
		return;
	__builtin_memcpy(namespace->bind_source_be, binding->call.question.to.source_be,
			 sizeof(namespace->bind_source_be));
	namespace->bind_released = released;
	namespace->bind_until_ns = binding->call.question.now_ns + BIND_STANDS_NS;
}

static __always_inline void name_scarce(struct binding *binding)
{
	binding->fresh = binding->waiting = binding->shared = binding->met = nothing;
	if (is_known_to_be_out(binding))
		bpf_loop(BIND_LOOKS, look_at_some, binding, 0);
	else
		search_all(binding);
	try_to_name(binding->ctx, &binding->call, binding->fresh, false);
	if (!binding->call.done)
		try_to_name(binding->ctx, &binding->call, binding->waiting, true);
	if (!binding->call.done)
		try_to_name(binding->ctx, &binding->call, binding->shared, true);
}

static __always_inline void name_port(struct binding *binding)
{
	binding->call.way = WIRE_UNSURE;
	sweep_some(binding->namespace, &binding->call.question, binding->call.question.now_ns);
	bpf_loop(BIND_FRESH_TRIES, name_fresh, binding, 0);
	if (!binding->call.done)
		name_scarce(binding);
}

#endif
