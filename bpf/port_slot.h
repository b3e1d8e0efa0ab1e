/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What is kept of each port of all network namespaces together, in one piece of memory for who reads both. A port's slot is found by
 * a hash: two ports may have one slot, and what is kept there must bear that.
 */
#ifndef BERTH_BPF_PORT_SLOT_H
#define BERTH_BPF_PORT_SLOT_H

#include "bpf/kernel_types.h"

#define PORT_SLOTS 65536

static struct port_slot {
	__u64 claimed_until_ns; /* call.h */
	__u64 vouched;		/* struct sock *, or 0: vouched.h */
} port_slots[PORT_SLOTS];

static __always_inline struct port_slot *slot_of_port(__u64 netns, unsigned port)
{
	return &port_slots[(port + (__u32)netns * 40503u) % PORT_SLOTS];
}

#endif
