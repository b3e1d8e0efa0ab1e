/* SPDX-License-Identifier: MIT
 *
 * A cgroup (v2) of one's own, below the caller's.
 */
#ifndef BERTH_HOST_CGROUP_H
#define BERTH_HOST_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup {
	char path[PATH_MAX];
	int fd;	       /* the directory, locked: who has it open is still there to remove it */
	int events_fd; /* cgroup.events; poll() reports POLLPRI when it has changed */
};

/* Finds the root of the hierarchy, as /proc/mounts has it. 0, or -ENOENT where no cgroup v2 is mounted, with *ret_path
 * untouched. */
int cgroup_root(char ret_path[PATH_MAX]);

/* Opens the directory of a cgroup. The descriptor, which is close-on-exec, with the number that the kernel knows the
 * cgroup by; or negative errno, -EMEDIUMTYPE where the path is no cgroup of version 2. */
int cgroup_open(const char *path, uint64_t *ret_id);

/* Finds the directory of the caller's cgroup. 0, or negative errno with *ret_path untouched: -ENOENT where no
 * cgroup v2 is mounted, or the caller's own is not under the mount. */
int cgroup_own(char ret_path[PATH_MAX]);

/* Makes the cgroup "NAME" below parent and opens it; one of this name that was left behind, empty and with nobody who
 * has it open from here, is replaced. 0, or negative errno and nothing is left: -EEXIST where it is in use. */
int cgroup_make(const char *parent, const char *name, struct cgroup *ret_cgroup);

/* Moves a process into it. 0 or negative errno. */
int cgroup_enter(const struct cgroup *cgroup, pid_t process);

/* Is there a process in it, or in one below it? On error, true. */
bool cgroup_populated(const struct cgroup *cgroup);

/* Closes and removes it, with those that the program may have made below it, if no process is left in them. */
void cgroup_remove(struct cgroup *cgroup);

#endif
