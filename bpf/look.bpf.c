/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * An iterator for one look at the port space, where no daemon has left any (daemon/owners.h). It is small, and loaded without
 * libbpf's own search through the kernel's types: to begin must cost less than what it saves.
 */
#include "bpf/port_owners.h"

char _license[] SEC("license") = "Dual MIT/GPL";

const volatile bool all_ports; /* not only those of ip_local_port_range */

SEC("iter/bpf_map_elem")
int owners(struct bpf_iter__bpf_map_elem *ctx)
{
	return list_stretch(ctx, all_ports);
}
