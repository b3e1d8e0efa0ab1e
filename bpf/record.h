/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What is remembered of one destination.
 *
 * Where many connections go to one destination, a record says which ports are taken for it, so that what is left is found at
 * once however little it is. It is made when a few ports drawn blindly were taken; most destinations never have one. A mark is
 * set when a port is given or found taken. It goes when the connection's end is seen, unless that leaves a TIME_WAIT, whose
 * end nobody reports: for these a hand goes round the marked ports while ports are scarce, and surveys set all marks right
 * (on_connect.h).
 *
 * The source address is chosen after connect() has been seen here. A record has that of the last connection; which ports are
 * taken from there is known, and one that is taken from elsewhere only is as good as the last one. If a survey finds that
 * all are taken, and the address was not confirmed for SOURCE_NS, it is forgotten: the next call goes on its way from a
 * port that may be taken, and so shows which address the routes give now.
 */
#ifndef BERTH_BPF_RECORD_H
#define BERTH_BPF_RECORD_H

#include "bpf/call.h"

#define RECORDS	  2048 /* 17 MiB */
#define SOURCE_NS 1000000000ull

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
	__u64 source_ns; /* when the source was confirmed; 0: it is not known */
	__u32 source_be[4];
	__u32 verdict;	/* enum verdict: the best that a survey has found */
	__u32 released; /* of the namespace, at that time */
	__u32 shape;	/* of the namespace, when the record was made */
	__u32 hand;
	__u32 kept; /* that survey has met ports that are kept away (kept_away.h) */
	__u32 pad;
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
	if (!call->question.bound && record->source_ns != 0) {
		__builtin_memcpy(call->question.source_be, record->source_be, sizeof(record->source_be));
		call->question.source_known = true;
	}
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
