/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The eBPF program as a later build might have it, to upgrade to: with one hook more, and with NEXT_LAYOUT one variable more.
 */
#include "bpf/berth.bpf.c"

#ifdef NEXT_LAYOUT
__u64 next_calls;
#endif

SEC("cgroup/getpeername4")
int next_hook(struct bpf_sock_addr *ctx)
{
#ifdef NEXT_LAYOUT
	__sync_fetch_and_add(&next_calls, 1);
#endif
	return 1;
}
