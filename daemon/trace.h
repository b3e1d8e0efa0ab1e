/* SPDX-License-Identifier: MIT
 *
 * The eBPF program of `berth record` (bpf/trace.bpf.c): what the TCP sockets of the caller's network namespace do about
 * ports, as it happens, with the daemon or without it. It is gone when it is closed, or its process ends in whatever way.
 *
 * Takes the capabilities of kernel mode, and cgroup v2: what it attaches lies at the root of the hierarchy, as sockets of
 * one network namespace are those of programs in many cgroups.
 */
#ifndef BERTH_DAEMON_TRACE_H
#define BERTH_DAEMON_TRACE_H

#include <stdint.h>

#include "daemon/trouble.h"
#include "wire/trace.h"

struct trace;

/* Called for each report, in the order in which they were made; of one socket, the order is exact. */
typedef void trace_see(void *context, const struct wire_traced *report);

/* Returns the trace, to be closed, or NULL. */
struct trace *trace_open(trace_see *see, void *context, struct trouble *ret_trouble);

/* Calls back for what has been reported. To be called often: the ring has room for 131,072. */
void trace_read(struct trace *trace);

/* Reports that were lost, as the ring was full. */
uint64_t trace_lost(const struct trace *trace);

/* NULL is allowed. */
void trace_close(struct trace *trace);

#endif
