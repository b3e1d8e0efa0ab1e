/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Calls that the settings leave to the kernel wholly: of programs in certain cgroups, and to certain destinations.
 *
 * A cgroup holds for those below it, so the caller's and each above it are looked up by their numbers. A destination is looked
 * up by its port and by port 0, which stands for all; the longest prefix that the trie finds is as good as any. Where the
 * settings exclude nothing, a call pays for reading that.
 */
#ifndef BERTH_BPF_EXCLUDED_H
#define BERTH_BPF_EXCLUDED_H

#include "bpf/call.h"

#define CGROUP_DEPTH 128 /* of the caller's; a path of berth.conf has no room for more */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WIRE_EXCLUDED_CGROUPS);
	__type(key, __u64); /* the number that the kernel knows the cgroup by */
	__type(value, __u8);
} excluded_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, WIRE_EXCLUDED_DESTINATIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wire_excluded);
	__type(value, __u8);
} excluded_destinations SEC(".maps");

static long look_up_ancestor(unsigned level, bool *found)
{
	__u64 id = bpf_get_current_ancestor_cgroup_id((int)level);

	*found = id != 0 && bpf_map_lookup_elem(&excluded_cgroups, &id) != NULL;
	return id == 0 || *found;
}

__noinline int is_caller_excluded(void)
{
	bool found = false;

	bpf_loop(CGROUP_DEPTH, look_up_ancestor, &found, 0);
	return found;
}

__noinline int is_destination_excluded(const struct wire_destination *to)
{
	struct wire_excluded key = { .prefix = WIRE_EXCLUDED_BITS };

	if (!to)
		return 0;
	key.port_be = (__u16)to->port_be;
	__builtin_memcpy(key.address_be, to->address_be, sizeof(key.address_be));
	key.ipv4 = (key.address_be[0] | key.address_be[1]) == 0 && key.address_be[2] == bpf_htonl(0xffff);
	if (bpf_map_lookup_elem(&excluded_destinations, &key))
		return 1;
	key.port_be = 0;
	return bpf_map_lookup_elem(&excluded_destinations, &key) != NULL;
}

/* For bind(), which has no destination. */
static __always_inline bool is_bind_excluded(void)
{
	return settings.excluded_cgroups != 0 && is_caller_excluded();
}

static __always_inline bool is_connect_excluded(const struct wire_destination *to)
{
	return is_bind_excluded() || (settings.excluded_destinations != 0 && is_destination_excluded(to));
}

#endif
