/* SPDX-License-Identifier: MIT
 *
 * `berth run --mode=kernel`: one program and its children in a cgroup of their own, which are given
 * ports by eBPF.
 *
 * Theory of operation
 *
 *     shell
 *       program      the process that the shell started: waits until all is ready, then executes the program
 *     init
 *       keeper       makes the cgroup, attaches the hooks, moves the program in; when the last process of the
 *                    program has gone, takes everything away
 *
 * Nothing stands between the shell and the program: exit status, signals, terminal and job control are its own. The
 * keeper is no child of it (a program that waits for all its children would wait for ever) and in a session of its
 * own. If the keeper is killed, the kernel takes the hooks off, and the program runs on with the kernel's own
 * choice; the empty cgroup stays.
 */
#ifndef BERTH_DAEMON_KERNEL_RUN_H
#define BERTH_DAEMON_KERNEL_RUN_H

#include <stdbool.h>

#include "config/config.h"

/* Executes argv[0], found through PATH. Returns only on failure, the exit status to end with, said on stderr in one
 * line: 127 if there is no such program, 126 if it cannot be executed, 1 if kernel mode cannot be had.
 * Of the config, exhausted, MaxUserPort and ReservedPorts have a meaning here.
 * verbose: the keeper says on stderr how calls were answered, when the last process of the program has gone. */
int kernel_run(const struct config *config, bool verbose, char *const argv[]);

#endif
