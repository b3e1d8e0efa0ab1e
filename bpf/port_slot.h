/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What is kept of each port of all network namespaces together. A place is found by a hash: two ports may have one, and what
 * is kept there must bear that. Claims are many times fewer than ports, as nearly every call writes one: they stay near the
 * processor.
 */
#ifndef BERTH_BPF_PORT_SLOT_H
#define BERTH_BPF_PORT_SLOT_H

#include "bpf/kernel_types.h"

#define CLAIMS	   4096
#define PORT_SLOTS 65536

static __u64 claims[CLAIMS];	  /* call.h */
static __u64 vouched[PORT_SLOTS]; /* struct sock *, or 0: vouched.h */

static __always_inline unsigned place_of_port(__u64 netns, unsigned port)
{
	return port + (__u32)netns * 40503u;
}

#endif
