/* SPDX-License-Identifier: MIT
 *
 * The eBPF program of kernel mode (bpf/berth.bpf.c), loaded and attached to a cgroup. It steers as long as the
 * hooks are open: when they are closed, or their process ends in whatever way, the kernel takes them off.
 */
#ifndef BERTH_DAEMON_HOOKS_H
#define BERTH_DAEMON_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/kernel_mode.h"

struct hooks;

/* Loads the program with the settings of the caller's network namespace and attaches it to a cgroup.
 * Returns the hooks, to be closed; or NULL and one line about what is missing in ret_text. */
struct hooks *hooks_open(int cgroup_fd, char *ret_text, size_t size);

/* Reads the settings again: the port range, the reserved ports, the local addresses. What cannot be read
 * stays as it was. */
void hooks_refresh(struct hooks *hooks);

/* How often each way was taken. */
uint64_t hooks_way(const struct hooks *hooks, enum wire_way way);

/* "fresh", "shared", ...; never NULL. */
const char *wire_way_name(enum wire_way way);

/* NULL is allowed. */
void hooks_close(struct hooks *hooks);

#endif
