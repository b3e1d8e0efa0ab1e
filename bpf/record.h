/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What is remembered of one destination.
 *
 * Where many connections go to one destination, a record says which ports are taken for it, so that what is left is found at
 * once however little it is. It is made when a few ports drawn blindly were taken; most destinations never have one. A mark is
 * set when a port is given or found taken. It goes when the last socket to the destination leaves the port, unless that leaves a
 * TIME_WAIT, whose end nobody reports: for these a hand goes round the marked ports while ports are scarce, and surveys set
 * all marks right (on_connect.h).
 *
 * The source address is chosen after connect() has been seen here. A record has that of the last connection that it helped to
 * its port, read from the socket at the next call or at its end, and it is sure for who is routed alike; which ports are taken
 * from there is known, and one that is taken from elsewhere only is as good as the last one. Before there was any, it is guessed
 * from those that a survey meets. If a survey finds that all are taken, and the address was not confirmed for SOURCE_NS, one
 * call goes on its way from a port that is taken: it shows which address the routes give now, and if it is still the same the
 * kernel refuses it as we would have.
 */
#ifndef BERTH_BPF_RECORD_H
#define BERTH_BPF_RECORD_H

#include "bpf/addresses.h"
#include "bpf/call.h"

#define RECORDS	   2048 /* 17 MiB */
#define SOURCE_NS  1000000000ull
#define CONFIRM_NS 100000000ull

/* What may be done with one port, the best first. */
enum verdict {
	FRESH,
	FREE,	   /* others are on it, and share it */
	ENDED,	   /* the same, but some are idle; they were given it for a connection which has ended */
	WAITING,   /* shared by all, and in TIME_WAIT with the destination, which may be taken over */
	ELSEWHERE, /* as FREE, if the connection will come from the address that we think it will come from */
	UNSURE,	   /* somebody else is about to have it, or the table changed under our eyes */
	KERNEL_MAY, /* free, but not to be had by a bind; the kernel's own choice may take it */
	TAKEN,
};

struct record {
	struct marks taken;
	__u64 verdict_until_ns; /* 0: none */
	__u64 verdict_until_jiffies;
	__u64 source_ns; /* when the source was confirmed; 0: it is a guess, if it is known */
	__u64 probed_ns; /* when a call was last sent to show it */
	__u64 last;	 /* struct sock *: who was given a port last, and may tell the source; 0: nobody */
	__u64 last_ns;	 /* when */
	__u64 last_routed_by,
		source_routed_by; /* who was given a port last, and who told the source: routed_by() */
	__u32 last_port;
	__u32 source_known;
	__u32 source_be[4];
	__u32 verdict;	/* enum verdict: the best that a survey has found */
	__u32 released; /* of the namespace, at that time */
	__u32 shape;	/* of the namespace, when the record was made */
	__u32 hand;
	__u32 kept;    /* that survey has met ports that are kept away (kept_away.h) */
	__u32 several; /* sources were seen: none is sure any more */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RECORDS);
	__type(key, struct wire_destination);
	__type(value, struct record);
} records SEC(".maps");

__u32 records_made; /* 0: there is none, and nothing to look up */

static const struct record new_record;

static __always_inline void begin_record(struct record *record, const struct port_namespace *namespace)
{
	copy_marks(&record->taken, &namespace->allowed);
	record->verdict_until_ns = 0;
	record->shape = namespace->shape;
}

static __always_inline void learn_source(struct record *record, const __u32 *source_be)
{
	if (record->source_ns != 0 && !is_same(record->source_be, source_be))
		record->several = true;
	__builtin_memcpy(record->source_be, source_be, sizeof(record->source_be));
	record->source_known = true;
	record->source_ns = record->last_ns;
	record->source_routed_by = record->last_routed_by;
}

/* What policy routing goes by, beside the destination: sockets that differ may have different sources. */
static __always_inline __u64 routed_by(const struct call *call)
{
	const struct sock *sk = read_as(sock, call->question.who);

	return (__u64)sk->sk_mark << 32 | sk->sk_uid.val;
}

/* From where `who`, or anybody if 0, is connected to the destination from this port. */
static __always_inline bool ask_source(struct call *call, unsigned port, __u64 who, __u32 *ret_source_be)
{
	__u64 self = call->question.who;
	struct look look;

	call->question.who = who;
	call->question.tell_source = true;
	look_for(call, port, &look);
	call->question.tell_source = false;
	call->question.who = self;
	if (look.asked == 0)
		return false;
	name_source(read_as(sock_common, look.asked), ret_source_be);
	return true;
}

/* Of the last connection. If that has ended, its end has told, and no sooner is it forgotten here. */
__noinline int confirm_source(struct call *call, struct record *record)
{
	__u32 source_be[4];
	__u64 last;

	if (!call || !record || call->question.bound || record->last == 0 ||
	    (__s64)(call->question.now_ns - record->source_ns) <= (__s64)CONFIRM_NS)
		return 0;
	last = record->last;
	if (ask_source(call, record->last_port, last, source_be))
		learn_source(record, source_be);
	__sync_val_compare_and_swap(&record->last, last, 0);
	return 0;
}

/* Of somebody on this port, until it is known. */
__noinline int guess_source(struct call *call, struct record *record, unsigned port)
{
	__u32 source_be[4];

	if (!call || !record || call->question.bound || record->source_ns != 0)
		return 0;
	/* What was found by the last guess, or without one, says nothing of this one, which this call puts to the test. */
	record->verdict_until_ns = 0;
	record->probed_ns = call->question.now_ns;
	if (!ask_source(call, port, 0, source_be))
		return 0;
	__builtin_memcpy(record->source_be, source_be, sizeof(record->source_be));
	record->source_known = true;
	return 0;
}

/* Is this call to show which source the routes give now? Once in SOURCE_NS; but what is kept away stays away. */
__noinline int is_to_probe(const struct call *call, struct record *record)
{
	if (!call || !record || call->question.bound || call->kept ||
	    (__s64)(call->question.now_ns - record->source_ns) <= (__s64)SOURCE_NS ||
	    (__s64)(call->question.now_ns - record->probed_ns) <= (__s64)SOURCE_NS)
		return 0;
	record->probed_ns = call->question.now_ns;
	return 1;
}

static __always_inline void tell_source(struct call *call, struct record *record)
{
	confirm_source(call, record);
	if (call->question.bound || !record->source_known)
		return;
	__builtin_memcpy(call->question.source_be, record->source_be, sizeof(record->source_be));
	call->question.source_known = true;
	call->source_sure =
		record->source_ns != 0 && !record->several && record->source_routed_by == routed_by(call);
}

/* NULL: there is none. Tells the call from where connections go to its destination, if that is known. */
static __always_inline struct record *find_record(struct call *call, const struct port_namespace *namespace)
{
	struct record *record;

	if (records_made == 0)
		return NULL;
	record = bpf_map_lookup_elem(&records, &call->question.to);
	if (!record)
		return NULL;
	if (record->shape != namespace->shape)
		begin_record(record, namespace);
	tell_source(call, record);
	return record;
}

static __always_inline struct record *make_record(struct call *call, const struct port_namespace *namespace)
{
	struct record *record;

	bpf_map_update_elem(&records, &call->question.to, &new_record, BPF_NOEXIST);
	record = bpf_map_lookup_elem(&records, &call->question.to);
	if (!record)
		return NULL;
	__sync_fetch_and_add(&records_made, 1);
	begin_record(record, namespace);
	return record;
}

#endif
