/* SPDX-License-Identifier: MIT
 *
 * Which processes hold sockets: by the inode numbers in /proc/PID/fd.
 *
 * A process of another user is closed to us unless we are root; its sockets are then known by their user only, which
 * the socket table says to everybody. A socket in TIME_WAIT belongs to nobody any more. Walks over all
 * descriptors of all processes: some microseconds each.
 */
#ifndef BERTH_VIEW_PROCESSES_H
#define BERTH_VIEW_PROCESSES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "view/snapshot.h"

enum view_holder {
	VIEW_PROCESS,
	VIEW_HIDDEN,   /* a process that cannot be looked into */
	VIEW_ORPHANED, /* none: the program has closed it, and the kernel is not done with it */
};

struct view_process {
	enum view_holder holder;
	pid_t pid;	  /* 0 where it is no process */
	uint32_t uid;	  /* of the sockets; meaningless where orphaned */
	char name[16];	  /* of the command, as in /proc/PID/comm; "" where it is no process */
	uint32_t sockets; /* one that several processes hold counts for the first found */
};

/* Who holds the connections (but those in TIME_WAIT) of one destination; those with the most first. Writes
 * an array that the caller frees and its length. 0 or negative errno. */
int view_processes(const struct view_snapshot *snapshot, const struct view_pair *pair,
		   struct view_process **ret_process, size_t *ret_count);

#endif
