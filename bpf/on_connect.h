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
 * over, or the end is seen of a connection with the destination, or of a socket that did not share its port; meanwhile a call
 * that must fail costs no more than one that succeeds. Nothing else frees a port but sockets that were bound and never
 * connected, and somebody who ends a TIME_WAIT early: these are noticed VERDICT_NS later.
 *
 * A bind cannot be taken back: a socket that was given a port keeps it when its connect() fails or its connection ends, until it
 * is closed, as if its program had bound it. Hence never a bind in doubt, while there is another port; and who is idle on a
 * port that was given to a connect() is taken for such a one, which may connect once more: its port comes after others.
 */
#ifndef BERTH_BPF_ON_CONNECT_H
#define BERTH_BPF_ON_CONNECT_H

#include "bpf/record.h"

#define FRESH_TRIES    4
#define SHARED_TRIES   8
#define SURVEYED_TRIES 64
#define SURVEY_ENOUGH  4096
#define SURVEY_WAITING 512 /* enough where none of them is free, and some are ENDED or WAITING */
#define HAND_LOOKS     4
#define WAITING_LOOKS  16
#define UNSURE_LOOKS   64
#define VERDICT_NS     100000000ull

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WIRE_EXHAUSTIONS);
	__type(key, struct wire_destination);
	__type(value, struct wire_exhaustion);
} exhaustions SEC(".maps");

struct connecting {
	struct bpf_sock_addr *ctx;
	struct port_namespace *namespace;
	struct record *record; /* of the destination; NULL: there is none */
	struct call call;
	/* Of a survey. */
	__u64 start, looked, free;
	__u64 ended, waiting, elsewhere, unsure, kernel_may; /* a port of that kind; 0: none */
	__u64 waiting_leaves;				     /* TIME_WAIT, in jiffies */
	__u64 leaves; /* likewise, the first of those that may set a port free */
};

/* ---- one port ---- */

static __always_inline enum verdict verdict_of(const struct look *look, bool was_given)
{
	if (has(look, TO_IT))
		return TAKEN;
	if (has(look, DOUBTFUL) || (has(look, IDLE) && !was_given))
		return UNSURE;
	if (look->owners == 0)
		return FRESH;
	if (!may_bind(look))
		return look->kernel_only ? KERNEL_MAY : TAKEN;
	if (has(look, TO_IT_ELSEWHERE))
		return ELSEWHERE;
	if (has(look, TO_IT_WAITING))
		return WAITING;
	return has(look, IDLE) ? ENDED : FREE;
}

static __always_inline bool bind_to(struct bpf_sock_addr *ctx, const struct call *call, unsigned port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = bpf_htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = bpf_htons(port) };

	if (call->ipv6_socket) {
		__builtin_memcpy(&in6.sin6_addr, call->question.to.source_be, sizeof(in6.sin6_addr));
		return bpf_bind(ctx, (struct sockaddr *)&in6, sizeof(in6)) == 0;
	}
	in.sin_addr.s_addr = call->question.to.source_be[3];
	return bpf_bind(ctx, (struct sockaddr *)&in, sizeof(in)) == 0;
}

static __always_inline void give(struct bpf_sock_addr *ctx, struct call *call, unsigned port,
				 enum wire_way way)
{
	share(ctx);
	if (bind_to(ctx, call, port)) {
		call->done = true;
		call->way = way;
		return;
	}
	count(WIRE_BIND_REFUSED);
	call->refused = true;
	unclaim(call->question.to.netns, port);
}

/* Gives the port if its verdict, which is returned, is at most `worst`. */
__noinline int try_port(struct bpf_sock_addr *ctx, struct call *call, unsigned port, unsigned worst)
{
	enum verdict verdict;
	struct look look;

	if (!call || port == 0 || port > 65535 || !claim(call, port))
		return UNSURE;
	look_for(call, port, &look);
	verdict = verdict_of(&look, call->was_given);
	if (verdict <= worst) {
		give(ctx, call, port,
		     verdict == FRESH	  ? WIRE_FRESH
		     : verdict == WAITING ? WIRE_WAITING
					  : WIRE_SHARED);
	} else {
		unclaim(call->question.to.netns, port);
		count(WIRE_MISS);
	}
	return verdict;
}

static __always_inline enum verdict try(struct connecting *connecting, unsigned port, enum verdict worst)
{
	__u64 *given = &connecting->namespace->given[WORD(port)];
	enum verdict verdict;

	/* Maps forget, and what is forgotten is another's at once: what a hint says is looked after. */
	if (is_marked(&connecting->namespace->allowed, port))
		return TAKEN;
	connecting->call.was_given = (*given & BIT(port)) != 0;
	verdict = try_port(connecting->ctx, &connecting->call, port, worst);
	if (connecting->call.done && !connecting->call.was_given)
		__sync_fetch_and_or(given, BIT(port));
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

static long try_fresh(unsigned index, struct connecting *connecting)
{
	unsigned port = next_fresh(connecting->namespace);

	if (port == 0)
		return 1;
	/* Who is idle may be about to go: its end is told before it leaves the port. */
	if (is_idle(try(connecting, port, FRESH)))
		unmark(&connecting->namespace->used, port);
	return is_done(connecting);
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

static __always_inline void note(struct connecting *connecting, struct record *record, unsigned port,
				 const struct look *look)
{
	enum verdict verdict = verdict_of(look, (connecting->namespace->given[WORD(port)] & BIT(port)) != 0);

	if (verdict <= FREE) {
		unmark(&record->taken, port);
		connecting->free++;
		return;
	}
	mark(&record->taken, port);
	if (verdict == ENDED) {
		connecting->ended = port;
	} else if (verdict == WAITING) {
		if (connecting->waiting == 0 || (__s64)(look->last_leaves - connecting->waiting_leaves) < 0) {
			connecting->waiting = port;
			connecting->waiting_leaves = look->last_leaves;
		}
	} else if (verdict == ELSEWHERE) {
		connecting->elsewhere = port;
	} else if (verdict == UNSURE) {
		connecting->unsure = port;
	} else if (verdict == KERNEL_MAY) {
		connecting->kernel_may = port;
	} else if (look->first_leaves != 0 &&
		   (connecting->leaves == 0 || (__s64)(look->first_leaves - connecting->leaves) < 0)) {
		connecting->leaves = look->first_leaves;
	}
}

static long survey_port(unsigned index, struct connecting *connecting)
{
	struct record *record = connecting->record;
	unsigned first = first_port(connecting->namespace), last = last_port(connecting->namespace);
	unsigned port = connecting->start + index;
	struct look look;

	if (port > last)
		port -= last - first + 1u;
	if (!record || is_marked(&connecting->namespace->allowed, port))
		return 0;
	look_for(&connecting->call, port, &look);
	note(connecting, record, port, &look);
	connecting->looked++;
	if (APART(connecting->free) >= SURVEY_ENOUGH)
		return 1;
	return APART(connecting->looked) >= SURVEY_WAITING && APART(connecting->free) == 0 &&
	       APART(connecting->waiting + connecting->ended) != 0;
}

static __always_inline enum verdict survey_verdict(const struct connecting *connecting)
{
	if (connecting->free > 0)
		return FREE;
	if (connecting->ended != 0)
		return ENDED;
	if (connecting->waiting != 0)
		return WAITING;
	if (connecting->elsewhere != 0)
		return ELSEWHERE;
	if (connecting->unsure != 0)
		return UNSURE;
	return connecting->kernel_may != 0 ? KERNEL_MAY : TAKEN;
}

static __always_inline void forget_survey(struct connecting *connecting)
{
	connecting->looked = connecting->free = nothing;
	connecting->ended = connecting->waiting = connecting->elsewhere = nothing;
	connecting->unsure = connecting->kernel_may = nothing;
	connecting->leaves = nothing;
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

	count(WIRE_SURVEY);
	connecting->start = first + draw(span);
	bpf_loop(span, survey_port, connecting, 0);
	if (!record)
		return UNSURE;
	count_marks(&record->taken);
	record->verdict = survey_verdict(connecting);
	record->verdict_until_jiffies = connecting->leaves;
	record->verdict_until_ns = verdict_end(connecting->call.now_ns);
	record->released = released;
	if (record->verdict == TAKEN &&
	    (__s64)(connecting->call.now_ns - record->source_ns) > (__s64)SOURCE_NS)
		record->source_ns = 0;
	return record->verdict;
}

static __always_inline bool verdict_stands(const struct connecting *connecting)
{
	const struct record *record = connecting->record;

	/* That some were free says nothing once none is left. */
	return record->verdict != FREE && record->released == connecting->namespace->released &&
	       (__s64)(record->verdict_until_ns - connecting->call.now_ns) > 0 &&
	       (record->verdict_until_jiffies == 0 ||
		(__s64)(record->verdict_until_jiffies - bpf_jiffies64()) > 0);
}

/* ---- what is left when no port is free ---- */

/* Among the next ports of the hand, which goes round in the order in which it gave them. */
static long find_waiting(unsigned index, struct connecting *connecting)
{
	struct record *record = connecting->record;
	struct look look;
	unsigned port;

	if (!record)
		return 1;
	port = next_of_hand(record, connecting->namespace);
	if (port == 0)
		return 0;
	look_for(&connecting->call, port, &look);
	note(connecting, record, port, &look);
	return APART(connecting->free) > 0;
}

static long try_unsure(unsigned index, struct connecting *connecting)
{
	if (try(connecting, connecting->unsure, FREE) != UNSURE)
		return 1;
	return is_done(connecting);
}

static __always_inline void give_waiting(struct connecting *connecting)
{
	if (connecting->free > 0)
		bpf_loop(SHARED_TRIES, try_shared, connecting, 0);
	if (!connecting->call.done && connecting->ended != 0)
		try(connecting, connecting->ended, ENDED);
	if (!connecting->call.done && connecting->waiting != 0)
		try(connecting, connecting->waiting, WAITING);
}

static __always_inline void give_surveyed(struct connecting *connecting, enum verdict verdict)
{
	if (verdict == FREE)
		bpf_loop(SURVEYED_TRIES, try_shared, connecting, 0);
	else if (verdict == ENDED || verdict == WAITING)
		give_waiting(connecting);
	else if (verdict == ELSEWHERE)
		try(connecting, connecting->elsewhere, ELSEWHERE);
	else if (verdict == UNSURE)
		bpf_loop(UNSURE_LOOKS, try_unsure, connecting, 0);
	else if (verdict == TAKEN)
		connecting->call.way = WIRE_EXHAUSTED;
}

/* By what the last survey has found. False: that is not enough. */
static __always_inline bool give_known(struct connecting *connecting)
{
	enum verdict verdict = connecting->record->verdict;

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
	forget_survey(connecting);
	if (verdict_stands(connecting) && give_known(connecting))
		return;
	forget_survey(connecting);
	give_surveyed(connecting, survey(connecting));
}

/* ---- all of it ---- */

static __always_inline void note_exhaustion(const struct call *call, bool collision)
{
	struct wire_exhaustion first = {
		.count = 1, .first_ns = call->now_ns, .last_ns = call->now_ns, .collisions = collision
	};
	struct wire_exhaustion *noted = bpf_map_lookup_elem(&exhaustions, &call->question.to);

	if (collision)
		count(WIRE_COLLISION);
	first.last_of_kind_ns[collision & 1] = call->now_ns;
	if (!noted) {
		bpf_map_update_elem(&exhaustions, &call->question.to, &first, BPF_NOEXIST);
		return;
	}
	__sync_fetch_and_add(&noted->count, 1);
	if (collision)
		__sync_fetch_and_add(&noted->collisions, 1);
	noted->last_ns = noted->last_of_kind_ns[collision & 1] = call->now_ns;
}

static __always_inline void give_port(struct connecting *connecting)
{
	struct call *call = &connecting->call;

	call->way = WIRE_UNSURE;
	sweep_some(connecting->namespace, &call->question, call->now_ns);
	bpf_loop(FRESH_TRIES, try_fresh, connecting, 0);
	if (call->done)
		return;
	connecting->record = find_record(call, connecting->namespace);
	bpf_loop(SHARED_TRIES, try_shared, connecting, 0);
	if (!call->done)
		give_scarce(connecting);
	if (call->way == WIRE_EXHAUSTED)
		note_exhaustion(call, connecting->record && connecting->record->verdict_until_jiffies != 0);
	/* The kernel forgets a socket's address when it refuses a bind; to bind to port 0 sets it anew. */
	if (!call->done && call->refused && call->question.bound)
		bind_to(connecting->ctx, call, 0);
}

#endif
