/* SPDX-License-Identifier: MIT
 *
 * The filter that intercepts a program's calls, and the conversation about each (man 2
 * seccomp_unotify).
 */
#ifndef BERTH_SUPERVISE_NOTIFICATION_H
#define BERTH_SUPERVISE_NOTIFICATION_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

struct answer;

/* A getsockname() on descriptor -1 with this length asks whether the caller runs under Berth: the
 * supervisor answers 0, where the kernel says EBADF. */
#define SUPERVISED_QUESTION 0x42657274u

/* True if the calling process runs under a living supervisor. */
bool notification_supervised(void);

/* Intercepts, from now on, in the calling thread and all it starts: bind() and connect() with an address
 * that may be IPv4 or IPv6, listen(), getsockname(), setsockopt() of the options that depend on whether a
 * socket has a port, landlock_restrict_self(), and prctl(PR_SET_DUMPABLE, 0). Other architectures' calls
 * pass. Returns the listener (close-on-exec), or negative errno with *ret_step naming what failed: -EBUSY
 * where somebody else listens to this process already, -EOPNOTSUPP where kernel or libseccomp lack user
 * notification. Sets no_new_privs only where the caller lacks CAP_SYS_ADMIN, as the kernel demands it. */
int notification_install(const char **ret_step);

/* Takes the next call. 0, or negative errno: -ENOENT where its caller was killed, -EINTR. */
int notification_receive(int listener, struct seccomp_notif *ret_call);

/* Gives the answer. 0, or -ENOENT where the caller is gone. */
int notification_send(int listener, uint64_t id, const struct answer *answer);

/* True while the caller still waits for the answer. */
bool notification_is_pending(int listener, uint64_t id);

/* Lets caller and supervisor hand over the CPU instead of waking each other up on another one
 * (Linux 6.6; before it, does nothing). */
void notification_set_sync_wake_up(int listener);

#endif
