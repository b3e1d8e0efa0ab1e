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
#define BIND_SWEEP	 64
#define BIND_LOOKS	 48

struct binding {
	struct bpf_sock_addr *ctx;
	struct port_namespace *namespace;
	struct call call;
	__u64 waiting, shared; /* a port of that kind; 0: none */
	__u64 leaves, owners; /* when the one leaves TIME_WAIT, in jiffies; how many are on the other */
};

static __always_inline bool nobody_is_on(const struct look *look)
{
	return look->owners == 0 && !has(look, DOUBTFUL);
}

static __always_inline bool can_bind(const struct look *look)
{
	return !has(look, DOUBTFUL | IDLE) && may_bind(look);
}

/* Names the port if nobody is on it, or if `shared` and the bind will be granted. 1 if it does, and then it is claimed. */
__noinline int try_to_name(struct bpf_sock_addr *ctx, struct call *call, unsigned port, unsigned shared)
{
	struct look look;

	if (!call || port == 0 || port > 65535 || !claim(call, port))
		return 0;
	look_for(call, port, &look);
	if (!nobody_is_on(&look) && !(shared && can_bind(&look))) {
		unclaim(call->question.to.netns, port);
		count(WIRE_MISS);
		return 0;
	}
	if (look.owners != 0)
		share(ctx);
	ctx->user_port = bpf_htons(port);
	call->done = true;
	call->way = look.owners == 0 ? WIRE_FRESH : has(&look, NOT_WAITING) ? WIRE_SHARED : WIRE_WAITING;
	return 1;
}

static long name_fresh(unsigned index, struct binding *binding)
{
	unsigned port = next_fresh(binding->namespace);

	return port == 0 || try_to_name(binding->ctx, &binding->call, port, false) ? 1 : 0;
}

/* Among ports drawn at random: the longest-waiting, and one that few are on, where the connection to come is least likely to
 * exist already. (In the order of their numbers, programs that go round their destinations would meet the same ones again.) */
static long look_for_shared(unsigned index, struct binding *binding)
{
	unsigned port = pick_of(binding->namespace, &binding->namespace->allowed);
	struct look look;

	if (port == 0)
		return 1;
	look_for(&binding->call, port, &look);
	if (!can_bind(&look))
		return 0;
	if (!has(&look, NOT_WAITING) && (binding->waiting == 0 || (__s64)(look.last_leaves - binding->leaves) < 0)) {
		binding->waiting = port;
		binding->leaves = look.last_leaves;
	}
	if (binding->shared == 0 || look.owners < binding->owners) {
		binding->shared = port;
		binding->owners = look.owners;
	}
	return 0;
}

static __always_inline void name_port(struct binding *binding)
{
	binding->call.way = WIRE_UNSURE;
	sweep_some(binding->namespace, &binding->call.question);
	bpf_loop(BIND_FRESH_TRIES, name_fresh, binding, 0);
	if (binding->call.done)
		return;
	sweep_ports(binding->namespace, &binding->call.question, BIND_SWEEP);
	bpf_loop(BIND_FRESH_TRIES, name_fresh, binding, 0);
	if (binding->call.done)
		return;
	binding->waiting = nothing;
	binding->shared = nothing;
	bpf_loop(BIND_LOOKS, look_for_shared, binding, 0);
	if (!try_to_name(binding->ctx, &binding->call, binding->waiting, true))
		try_to_name(binding->ctx, &binding->call, binding->shared, true);
}

#endif
