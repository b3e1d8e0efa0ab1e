/* SPDX-License-Identifier: MIT
 *
 * Reaching into a guest: a thread whose system call was intercepted.
 *
 * Everything here needs the right to trace the guest (PTRACE_MODE_ATTACH): the same user, and under
 * yama's ptrace_scope=1 an ancestor of it. Not locked: one owner at a time.
 */
#ifndef BERTH_HOST_GUEST_H
#define BERTH_HOST_GUEST_H

#include <stddef.h>
#include <sys/types.h>

#define GUEST_CACHE 32u
#define LABEL_SIZE  256u

/* Remembers the pidfds of the threads seen last, so that a call costs no pidfd_open. A pidfd of a
 * thread (PIDFD_THREAD, Linux 6.9) names that thread alone; while it has not exited its number
 * cannot have gone to another. Older kernels have pidfds of whole processes only, which say nothing
 * about a thread's number: there nothing is remembered.
 * The zero-filled struct is valid and empty. */
struct guest_cache {
	char own_label[LABEL_SIZE]; /* of our own security module; "" until it is read, or if there is none */
	struct {
		pid_t tid;
		int pidfd; /* valid where tid is not 0 */
	} slot[GUEST_CACHE];
};

/* A descriptor of ours for the guest's descriptor fd; both name the same open file. The caller
 * closes it. Negative errno on failure: -ESRCH where the thread is gone; -EPERM where tracing it is not
 * allowed; -EBADF where it has no such descriptor; -EMFILE where we have no room; -EACCES where a
 * security module (AppArmor, SELinux, Smack) confines the guest otherwise than us, so that what we
 * may do with its socket is not what it may. */
int guest_take_fd(struct guest_cache *cache, pid_t tid, int fd);

/* Calls each() with the number of every descriptor of the guest's that is a socket. */
void guest_each_socket(pid_t tid, void (*each)(void *context, int fd), void *context);

/* Closes all that is remembered. */
void guest_forget(struct guest_cache *cache);

/* Copies size bytes at address of the guest into buffer. 0, or negative errno (-EFAULT where the
 * guest has no such memory). */
int guest_read(pid_t tid, unsigned long address, void *buffer, size_t size);

#endif
