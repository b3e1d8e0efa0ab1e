/* SPDX-License-Identifier: MIT
 *
 * The bpf filesystem, in which eBPF objects outlive the process that made them. It has directories, pinned objects and
 * symbolic links, and no name with a dot in it (kernel/bpf/inode.c).
 */
#ifndef BERTH_HOST_BPF_FS_H
#define BERTH_HOST_BPF_FS_H

#include <stdbool.h>

/* Where a distribution mounts it (systemd does, at boot). */
#define BPF_FS "/sys/fs/bpf"

/* Is the directory in a bpf filesystem? */
bool bpf_fs_is(const char *path);

/* Mounts it at BPF_FS, for root's eyes only, as systemd does. 0 or negative errno: -EBUSY where another filesystem is
 * mounted there. */
int bpf_fs_mount(void);

#endif
