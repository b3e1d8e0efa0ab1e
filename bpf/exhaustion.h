/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * For which destinations ports ran out: the events `ports-exhausted` and `time-wait-collision` (wire/kernel_mode.h).
 */
#ifndef BERTH_BPF_EXHAUSTION_H
#define BERTH_BPF_EXHAUSTION_H

#include "bpf/call.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WIRE_EXHAUSTIONS);
	__type(key, struct wire_destination);
	__type(value, struct wire_exhaustion);
} exhaustions SEC(".maps");

__noinline int note_exhaustion(const struct call *call, bool collision)
{
	struct wire_exhaustion first = { .count = 1, .collisions = collision }, *noted;
	unsigned kind = collision;

	if (!call)
		return 0;
	FORGET(kind);
	kind &= 1;
	if (collision)
		count(call, WIRE_COLLISION);
	noted = bpf_map_lookup_elem(&exhaustions, &call->question.to);
	if (!noted) {
		first.first_ns = first.last_ns = first.last_of_kind_ns[kind] = call->question.now_ns;
		bpf_map_update_elem(&exhaustions, &call->question.to, &first, BPF_NOEXIST);
		return 0;
	}
	__sync_fetch_and_add(&noted->count, 1);
	if (collision)
		__sync_fetch_and_add(&noted->collisions, 1);
	noted->last_ns = noted->last_of_kind_ns[kind] = call->question.now_ns;
	return 0;
}

#endif
