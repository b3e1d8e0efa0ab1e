/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * A port for a socket that connects without one: fresh, then shared, then waiting.
 *
 * When no port without a mark is left in the destination's record (record.h), or too many of them are taken, a survey looks
 * at ports until it has met SURVEY_ENOUGH free ones, and sets all marks right on its way. It costs what the kernel's own search
 * costs and is paid once for many calls. It cannot be left to the kernel, which skips every port that a program, or we, bound
 * explicitly.
 *
 * What a survey of the whole range has found stands for VERDICT_NS, or until the first TIME_WAIT leaves or may be taken
 * over, or the end is seen of a connection with the destination, of a socket that did not share its port, or of one that was
 * refused; meanwhile a call that must fail costs no more than one that succeeds. Nothing else frees a port but sockets that
 * were bound and never connected, and somebody who ends a TIME_WAIT early: these are noticed VERDICT_NS later.
 *
 * A bind cannot be taken back: a socket that was given a port keeps it when its connect() fails or its connection ends, until it
 * is closed, as if its program had bound it. Hence never a bind in doubt, while there is another port; and who is idle on a
 * port that was given to a connect() is taken for such a one, which may connect once more: its port comes after others.
 */
#ifndef BERTH_BPF_ON_CONNECT_H
#define BERTH_BPF_ON_CONNECT_H

#include "bpf/exhaustion.h"
#include "bpf/give.h"
#include "bpf/record.h"

#define FRESH_TRIES    64
#define SHARED_TRIES   8
#define SURVEYED_TRIES 64
#define SURVEY_ENOUGH  4096
#define SURVEY_WAITING 512 /* enough where none of them is free, and some are ENDED or WAITING */
#define HAND_LOOKS     4
#define WAITING_LOOKS  16
#define UNSURE_LOOKS   64
#define VERDICT_NS     100000000ull

/* What a survey has met. */
struct found {
	/* Not of a survey, but of the search for a fresh port; 0: none yet. */
	__u16 fresh; /* which is tried first */
	__u16 idle;  /* where somebody was idle */
	__u16 start; /* the survey's first port */
	__u16 looked, free;
	__u16 ended, waiting, elsewhere, unsure, kernel_may, taken; /* a port of that kind; 0: none */
	__u64 waiting_leaves;					    /* TIME_WAIT, in jiffies */
	__u64 leaves; /* likewise, the first of those that may set a port free */
};

struct connecting {
	struct bpf_sock_addr *ctx;
	struct port_namespace *namespace;
	struct record *record; /* of the destination; NULL: there is none */
	struct call call;
	struct found found;
};

/* ---- one port ---- */

static __always_inline enum verdict try(struct connecting *connecting, unsigned port, enum verdict worst)
{
	enum verdict verdict;

	/* Maps forget, and what is forgotten is another's at once: what a hint says is looked after. */
	if (is_marked(&connecting->namespace->allowed, port))
		return TAKEN;
	connecting->call.was_given = (connecting->namespace->given[WORD(port)] & BIT(port)) != 0;
	verdict = try_port(connecting->ctx, &connecting->call, port, worst);
	if (verdict == ELSEWHERE && connecting->call.source_sure && connecting->record)
		connecting->record->several = true;
	note_given(connecting->namespace, connecting->record, &connecting->call, port);
	return verdict;
}

/* For bpf_loop(): 1 ends it. */
static __always_inline long is_done(const struct connecting *connecting)
{
	return connecting->call.done != 0 ? 1 : 0;
}

/* ---- fresh ---- */

static __always_inline bool is_idle(enum verdict verdict)
{
	return verdict == ENDED || verdict == UNSURE;
}

/* Tries what give_unused() leaves. */
static long try_fresh(unsigned index, struct connecting *connecting)
{
	struct call *call = &connecting->call;
	unsigned port = connecting->found.fresh;

	connecting->found.fresh = 0;
	if (port == 0)
		port = give_unused(connecting->ctx, connecting->namespace, call);
	if (call->done || port == NO_FRESH)
		return 1;
	/* Who is idle may be about to go: its end is told before it leaves the port. */
	if (is_idle(try(connecting, port, FRESH)))
		connecting->found.idle = port;
	return is_done(connecting);
}

/* Many tries: a port on which somebody is idle does not look taken beforehand, and a few of these in a row are not to end in a shared
 * port while there is a fresh one. All but one of them keep their marks, so they cost the next calls nothing. */
static __always_inline void give_fresh(struct connecting *connecting)
{
	bpf_loop(FRESH_TRIES, try_fresh, connecting, 0);
	if (connecting->found.idle != 0)
		unmark_used(connecting->namespace, connecting->found.idle);
}

/* ---- shared ---- */

static long try_shared(unsigned index, struct connecting *connecting)
{
	struct record *record = connecting->record;
	unsigned port =
		pick_of(connecting->namespace, record ? &record->taken : &connecting->namespace->allowed);

	if (port == 0)
		return 1;
	if (record)
		mark(&record->taken, port);
	try(connecting, port, FREE);
	return is_done(connecting);
}

/* The hand: ports in their order, 0 for those that are not allowed. */
static __always_inline unsigned next_of_hand(struct record *record, const struct port_namespace *namespace)
{
	unsigned first = first_port(namespace), last = last_port(namespace);
	unsigned port = record->hand;

	port = port < first || port >= last ? first : port + 1;
	record->hand = port;
	return is_marked(&namespace->allowed, port) ? 0 : port;
}

static long look_again(unsigned index, struct connecting *connecting)
{
	struct record *record = connecting->record;
	unsigned port;

	if (!record)
		return 1;
	port = next_of_hand(record, connecting->namespace);
	if (port == 0 || !is_marked(&record->taken, port))
		return 0;
	try(connecting, port, FREE);
	return is_done(connecting);
}

/* ---- the survey ---- */

static __always_inline void note_waiting(struct found *found, const struct look *look)
{
	if (found->waiting != 0 && (__s64)(look->last_leaves - found->waiting_leaves) >= 0)
		return;
	found->waiting = look->port;
	found->waiting_leaves = look->last_leaves;
}

static __always_inline void note_taken(struct found *found, const struct look *look)
{
	if (may_bind(look))
		found->taken = look->port;
	if (look->first_leaves != 0 &&
	    (found->leaves == 0 || (__s64)(look->first_leaves - found->leaves) < 0))
		found->leaves = look->first_leaves;
}

static __always_inline void note_kind(struct found *found, const struct look *look, enum verdict verdict)
{
	if (verdict == ENDED)
		found->ended = look->port;
	else if (verdict == WAITING)
		note_waiting(found, look);
	else if (verdict == ELSEWHERE)
		found->elsewhere = look->port;
	else if (verdict == UNSURE)
		found->unsure = look->port;
	else if (verdict == KERNEL_MAY)
		found->kernel_may = look->port;
	else
		note_taken(found, look);
}

/* Sets the port's mark right. */
__noinline int note(struct found *found, struct record *record, const struct look *look, bool was_given,
		    bool just_given)
{
	enum verdict verdict;

	if (!found || !record || !look)
		return 0;
	found->looked++;
	verdict = verdict_of(look, was_given, just_given);
	if (verdict <= FREE) {
		unmark(&record->taken, look->port);
		found->free++;
		return 0;
	}
	mark(&record->taken, look->port);
	note_kind(found, look, verdict);
	return 0;
}

static __always_inline void look_and_note(struct connecting *connecting, struct record *record, unsigned port)
{
	struct look look;

	look_for(&connecting->call, port, &look);
	if (has(&look, TO_IT_ELSEWHERE) && connecting->call.source_sure)
		record->several = true;
	note(&connecting->found, record, &look, (connecting->namespace->given[WORD(port)] & BIT(port)) != 0,
	     is_just_given(&connecting->call, port));
}

static long survey_port(unsigned index, struct connecting *connecting)
{
	struct record *record = connecting->record;
	unsigned first = first_port(connecting->namespace), last = last_port(connecting->namespace);
	const struct found *found = &connecting->found;
	unsigned port = connecting->found.start + index;

	if (port > last)
		port -= last - first + 1u;
	if (!record || is_marked(&connecting->namespace->allowed, port))
		return 0;
	look_and_note(connecting, record, port);
	return found->free >= SURVEY_ENOUGH ||
	       (found->looked >= SURVEY_WAITING && found->free == 0 && (found->waiting | found->ended) != 0);
}

/* What the kernel may have is better than what may be taken. */
__noinline int survey_verdict(const struct found *found, bool source_sure)
{
	if (!found)
		return UNSURE;
	if (found->free > 0)
		return FREE;
	if (found->ended != 0)
		return ENDED;
	if (found->waiting != 0)
		return WAITING;
	if (found->elsewhere != 0 && (source_sure || found->kernel_may == 0))
		return ELSEWHERE;
	if (found->unsure != 0)
		return UNSURE;
	return found->kernel_may != 0 ? KERNEL_MAY : TAKEN;
}

/* With a new second, other connections in TIME_WAIT may be taken over (may_be_taken_over()). */
static __always_inline __u64 verdict_end(__u64 now_ns)
{
	__u64 end = now_ns + VERDICT_NS, second = (now_ns / 1000000000u + 1) * 1000000000u;

	return end < second ? end : second;
}

static __always_inline enum verdict survey(struct connecting *connecting)
{
	unsigned first = first_port(connecting->namespace),
		 span = last_port(connecting->namespace) - first + 1u;
	struct record *record = connecting->record;
	__u32 released = connecting->namespace->released;
	__u64 began_ns = connecting->call.question.now_ns;

	count(&connecting->call, WIRE_SURVEY);
	connecting->found.start = first + draw(span);
	bpf_loop(span, survey_port, connecting, 0);
	connecting->call.question.now_ns = bpf_ktime_get_coarse_ns();
	if (!record)
		return UNSURE;
	count_marks(&record->taken);
	record->verdict = survey_verdict(&connecting->found, connecting->call.source_sure);
	record->kept = connecting->call.kept;
	record->verdict_until_jiffies = connecting->found.leaves;
	record->verdict_until_ns = verdict_end(began_ns);
	record->released = released;
	if (record->verdict == ELSEWHERE)
		guess_source(&connecting->call, record, connecting->found.elsewhere);
	else if (record->verdict == KERNEL_MAY && connecting->found.elsewhere != 0)
		record->verdict_until_ns = 0; /* the next call may have to make do with that */
	return record->verdict;
}

static __always_inline bool verdict_stands(const struct connecting *connecting)
{
	const struct record *record = connecting->record;

	/* That some were free says nothing once none is left. */
	return record->verdict != FREE && record->released == connecting->namespace->released &&
	       (__s64)(record->verdict_until_ns - connecting->call.question.now_ns) > 0 &&
	       (record->verdict_until_jiffies == 0 ||
		(__s64)(record->verdict_until_jiffies - bpf_jiffies64()) > 0);
}

/* ---- what is left when no port is free ---- */

/* Among the next ports of the hand, which goes round in the order in which it gave them. */
static long find_waiting(unsigned index, struct connecting *connecting)
{
	struct record *record = connecting->record;
	unsigned port;

	if (!record)
		return 1;
	port = next_of_hand(record, connecting->namespace);
	if (port != 0)
		look_and_note(connecting, record, port);
	return connecting->found.free > 0;
}

static long try_unsure(unsigned index, struct connecting *connecting)
{
	if (try(connecting, connecting->found.unsure, FREE) != UNSURE)
		return 1;
	return is_done(connecting);
}

static __always_inline void give_waiting(struct connecting *connecting)
{
	if (connecting->found.free > 0)
		bpf_loop(SHARED_TRIES, try_shared, connecting, 0);
	if (!connecting->call.done && connecting->found.ended != 0)
		try(connecting, connecting->found.ended, ENDED);
	if (!connecting->call.done && connecting->found.waiting != 0)
		try(connecting, connecting->found.waiting, WAITING);
}

static __always_inline void give_taken(struct connecting *connecting)
{
	if (connecting->found.taken != 0 && is_to_probe(&connecting->call, connecting->record))
		try(connecting, connecting->found.taken, TAKEN);
	if (!connecting->call.done)
		connecting->call.way = WIRE_EXHAUSTED;
}

static __always_inline void give_surveyed(struct connecting *connecting, enum verdict verdict)
{
	if (verdict == FREE)
		bpf_loop(SURVEYED_TRIES, try_shared, connecting, 0);
	else if (verdict == ENDED || verdict == WAITING)
		give_waiting(connecting);
	else if (verdict == ELSEWHERE)
		try(connecting, connecting->found.elsewhere, ELSEWHERE);
	else if (verdict == UNSURE)
		bpf_loop(UNSURE_LOOKS, try_unsure, connecting, 0);
	else if (verdict == TAKEN)
		give_taken(connecting);
}

/* By what the last survey has found. False: that is not enough. */
static __always_inline bool give_known(struct connecting *connecting)
{
	enum verdict verdict = connecting->record->verdict;

	connecting->call.kept |= connecting->record->kept != 0;
	if (verdict == ENDED || verdict == WAITING) {
		bpf_loop(WAITING_LOOKS, find_waiting, connecting, 0);
		give_waiting(connecting);
		return connecting->call.done;
	}
	bpf_loop(HAND_LOOKS, look_again, connecting, 0);
	if (verdict == TAKEN)
		connecting->call.way = connecting->call.done ? connecting->call.way : WIRE_EXHAUSTED;
	return connecting->call.done || verdict == TAKEN || verdict == KERNEL_MAY;
}

static __always_inline void give_scarce(struct connecting *connecting)
{
	if (!connecting->record)
		connecting->record = make_record(&connecting->call, connecting->namespace);
	if (!connecting->record)
		return;
	connecting->found = (struct found){ 0 };
	if (verdict_stands(connecting) && give_known(connecting))
		return;
	connecting->found = (struct found){ 0 };
	give_surveyed(connecting, survey(connecting));
}

/* Left to the kernel, which knows nothing of it, a port that is kept away would be given. */
static __always_inline void refuse_kept(struct call *call)
{
	if (call->way == WIRE_UNSURE && call->kept && settings.exhausted != WIRE_TO_KERNEL)
		call->way = WIRE_EXHAUSTED;
}

/* ---- all of it ---- */

static __always_inline void give_port(struct connecting *connecting)
{
	struct call *call = &connecting->call;

	call->way = WIRE_UNSURE;
	sweep_some(connecting->namespace, &call->question, call->question.now_ns);
	give_fresh(connecting);
	if (call->done)
		return;
	connecting->record = find_record(call, connecting->namespace);
	bpf_loop(SHARED_TRIES, try_shared, connecting, 0);
	if (!call->done)
		give_scarce(connecting);
	refuse_kept(call);
	if (call->way == WIRE_EXHAUSTED)
		note_exhaustion(call, connecting->record && connecting->record->verdict_until_jiffies != 0);
	if (!call->done && call->refused && call->question.bound)
		restore_address(connecting->ctx, call);
}

#endif
