/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The older policies, as core/pick.c has them; both are blind to the destination, and make one choice for a call.
 *
 *	sp1	a port that nobody is on, at random; else one that is in TIME_WAIT only, at random
 *	legacy	the next port in the order of their numbers that nobody uses, in TIME_WAIT or not
 *
 * Where that choice is in TIME_WAIT with the call's destination, connect() fails and is counted as the collision that it is; if
 * the socket was bound before, or it is not known yet from which address the connection will come, the kernel judges. To walk
 * in the order of the numbers costs what the kernel's own search costs; nobody has these policies for their speed.
 */
#ifndef BERTH_BPF_POLICY_H
#define BERTH_BPF_POLICY_H

#include "bpf/on_bind.h"
#include "bpf/on_connect.h"

#define FRESH_DRAWS   64
#define WAITING_DRAWS 32

struct choice {
	struct port_namespace *namespace;
	struct call *call;
	__u64 start;
	__u32 port;  /* claimed; 0: none */
	__u32 found; /* on it, as a look says */
	bool fresh;  /* nobody is on it */
	bool fresh_only;
};

/* Claims the port if nobody uses it. */
__noinline int claim_unused(struct call *call, unsigned port, struct look *look)
{
	if (!call || !look || port == 0 || port > 65535 || !claim(call, port))
		return false;
	look_for(call, port, look);
	if (!has(look, DOUBTFUL | NOT_WAITING) && may_bind(look))
		return true;
	settle_claim(call, port);
	count(call, WIRE_MISS);
	return false;
}

/* For bpf_loop(): 1 ends it. */
static __always_inline long choose_port(struct choice *choice, unsigned port)
{
	struct look look;

	if (is_marked(&choice->namespace->allowed, port) || !claim_unused(choice->call, port, &look))
		return 0;
	if (choice->fresh_only && look.owners != 0) {
		settle_claim(choice->call, port);
		return 0;
	}
	choice->port = port;
	choice->found = look.found;
	choice->fresh = look.owners == 0;
	return 1;
}

static long choose_fresh(unsigned index, struct choice *choice)
{
	unsigned port = next_fresh(choice->namespace);

	return port == 0 ? 1 : choose_port(choice, port);
}

static long choose_any(unsigned index, struct choice *choice)
{
	unsigned port = pick_of(choice->namespace, &choice->namespace->allowed);

	return port == 0 ? 1 : choose_port(choice, port);
}

static long choose_next(unsigned index, struct choice *choice)
{
	unsigned first = first_port(choice->namespace), last = last_port(choice->namespace);
	unsigned port = choice->start + index;

	if (port > last)
		port -= last - first + 1u;
	return choose_port(choice, port);
}

static __always_inline void choose(struct choice *choice)
{
	struct port_namespace *namespace = choice->namespace;
	unsigned first = first_port(namespace), span = last_port(namespace) - first + 1u;
	bool sp1 = settings.policy == WIRE_SP1;

	sweep_some(namespace, &choice->call->question, choice->call->question.now_ns);
	choice->start = sp1 ? first + draw(span) : namespace->cursor;
	if (choice->start < first || choice->start > last_port(namespace))
		choice->start = first;
	if (sp1) {
		choice->fresh_only = true;
		bpf_loop(FRESH_DRAWS, choose_fresh, choice, 0);
		choice->fresh_only = false;
		if (choice->port == 0)
			bpf_loop(WAITING_DRAWS, choose_any, choice, 0);
	}
	if (choice->port == 0)
		bpf_loop(span, choose_next, choice, 0);
	if (choice->port == 0)
		return;
	mark(&namespace->used, choice->port);
	if (!sp1)
		choice->namespace->cursor = choice->port + 1;
}

static __always_inline void give_by_policy(struct connecting *connecting)
{
	struct call *call = &connecting->call;
	struct choice choice = { .namespace = connecting->namespace, .call = call };

	/* Its record knows from where the connection will come. */
	connecting->record = find_record(call, connecting->namespace);
	if (!connecting->record)
		connecting->record = make_record(call, connecting->namespace);
	choose(&choice);
	call->way = WIRE_EXHAUSTED;
	if (choice.port == 0 || (choice.found & (TO_IT | TO_IT_WAITING)) != 0) {
		note_exhaustion(call, choice.port != 0);
		if (choice.port != 0)
			settle_claim(call, choice.port);
		return;
	}
	call->way = WIRE_UNSURE;
	give(connecting->ctx, call, choice.port, choice.fresh ? WIRE_FRESH : WIRE_WAITING);
	settle_claim(call, choice.port);
	note_given(connecting->namespace, connecting->record, call, choice.port);
	if (!call->done && call->question.bound)
		restore_address(connecting->ctx, call);
}

static __always_inline void name_by_policy(struct binding *binding)
{
	struct call *call = &binding->call;
	struct choice choice = { .namespace = binding->namespace, .call = call };

	choose(&choice);
	call->way = WIRE_UNSURE;
	if (choice.port == 0)
		return;
	if (!choice.fresh)
		share(binding->ctx);
	binding->ctx->user_port = bpf_htons(choice.port);
	call->done = true;
	call->way = choice.fresh ? WIRE_FRESH : WIRE_WAITING;
}

#endif
