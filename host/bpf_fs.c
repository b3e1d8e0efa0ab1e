/* SPDX-License-Identifier: MIT */
#include "host/bpf_fs.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>

bool bpf_fs_is(const char *path)
{
	struct statfs filesystem;

	return statfs(path, &filesystem) == 0 && filesystem.f_type == BPF_FS_MAGIC;
}

int bpf_fs_mount(void)
{
	struct statfs filesystem;

	if (statfs(BPF_FS, &filesystem) < 0)
		return -errno;
	/* The empty directory is sysfs's own. */
	if (filesystem.f_type != SYSFS_MAGIC)
		return -EBUSY;
	if (mount("bpf", BPF_FS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
		return -errno;
	return 0;
}
