/* SPDX-License-Identifier: MIT
 *
 * Gives the terminal back whatever ends the program that draws on it.
 *
 * Theory of operation: two processes
 *
 *     shell
 *       keeper      the pid that the shell knows; holds what the terminal was like, and waits
 *         screen    draws
 *
 * The screen puts the terminal right when it ends by itself. If it dies (a crash, kill -9), the keeper does. If the
 * keeper is killed, the screen gets SIGTERM from the kernel (PR_SET_PDEATHSIG) and ends by itself. Signals that
 * the keeper gets it passes on, and then ends as they would have ended it. When the screen stops (Ctrl-Z), the
 * keeper stops too, after it: so the shell comes back to a terminal that is right.
 */
#ifndef BERTH_CLI_TOP_KEEPER_H
#define BERTH_CLI_TOP_KEEPER_H

/* Runs screen() in a process of its own and returns the exit status. A screen that a signal ended is said on stderr. If a
 * signal was meant to end the program, it ends the caller. */
int top_keep(int (*screen)(const void *context), const void *context);

#endif
