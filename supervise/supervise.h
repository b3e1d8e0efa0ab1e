/* SPDX-License-Identifier: MIT
 *
 * `supervise` mode: smart ports for one unmodified program and its children, by seccomp user
 * notification (man 2 seccomp_unotify). Needs no privilege.
 *
 * Theory of operation: who is who
 *
 *     shell
 *       front        the pid the shell knows; stands for the program: its exit status, its signals
 *         guardian   asleep; if the supervisor dies, it answers in its place "continue" for ever after
 *           supervisor   answers the program's calls; one thread, no locks
 *             program    and its children
 *
 * The supervisor is an ancestor of the program, since yama's ptrace_scope=1 (Ubuntu's default) lets
 * only an ancestor read a program's memory and copy its descriptors; it is also the "subreaper", so
 * that a daemon that lost its parents stays its descendant. It cannot be the pid the shell knows,
 * or its death would look like the program's; so there is a front. And the kernel fails every
 * intercepted call with ENOSYS, for the rest of the program's life, once nobody holds the listener;
 * so there is a guardian. The guardian shares the supervisor's descriptor table
 * (clone(CLONE_FILES)), and memory in which the supervisor writes down what it is doing
 * to whose socket: after a kill -9 it can put right the one call that was under way.
 *
 * All of it goes when the last process of the program goes: the listener then reports POLLHUP.
 */
#ifndef BERTH_SUPERVISE_SUPERVISE_H
#define BERTH_SUPERVISE_SUPERVISE_H

#include <stdbool.h>

#include "config/config.h"

struct supervise_options {
	/* Of it, policy, MaxUserPort, ReservedPorts and exclude-destination have a meaning here. To
	 * outlive the run. */
	const struct config *config;
	bool verbose; /* say on stderr what was done, when the program has ended */
};

/* Runs argv[0], found through PATH, with smart ports, and returns the exit status to end with: the
 * program's own; 127 if there is no such program, 126 if it cannot be executed, 1 if it could not
 * be supervised (said on stderr in one line; the program was then not started). If a signal ended
 * the program, it ends the caller as well. The caller is to have one thread. */
int supervise_run(const struct supervise_options *options, char *const argv[]);

#endif
