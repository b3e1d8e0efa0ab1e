/* SPDX-License-Identifier: MIT
 *
 * Ends TIME_WAIT early where the administrator has said so: MaxFreeTWTcbs, TcpTimedWaitDelay below the kernel's 60 s, and with
 * either time-wait-timestamps-only (berth.conf(5)). For the network namespace that the process is in, IPv4 and IPv6.
 *
 * Theory of operation
 *
 * The kernel keeps each TIME_WAIT for 60 s, without an order that could be asked for. The order is kept here (waiting.h). What
 * enters is reported by the eBPF program (bpf/closed.h) through a ring, which is read many times a second; what has not
 * been closed by the far end waits until it is (half_closed.h). What was there before is learned from one reading of the
 * kernel's socket table, and so it is if reports were lost. There the age is 60 s less what remains, which is too little
 * if a late segment has started the 60 s anew: then a connection stays longer than it must, never shorter.
 *
 * Who is over the limit is counted by the kernel (/proc/net/sockstat), not here: what has gone by itself, unseen, is not
 * missed. The kernel's count has those in FIN_WAIT_2 in it, who are subtracted.
 *
 * A connection is ended by its ends and its cookie. So one that has taken its place is never hit.
 *
 * Cost: constant for each connection; one look and one end, in requests of many. Nothing at all while neither is set.
 */
#ifndef BERTH_DAEMON_GOVERNOR_H
#define BERTH_DAEMON_GOVERNOR_H

#include "config/config.h"
#include "daemon/trouble.h"

struct governor;

/* For hooks of this build that are pinned in dir; variables are theirs, mapped (pinned.h), and stay the
 * caller's. It does nothing until settings are applied. NULL: ret_trouble says why. */
struct governor *governor_open(const char *dir, void *variables, struct trouble *ret_trouble);

/* Takes settings; those that shorten TIME_WAIT are said on stderr in one line, with their price; so is that the kernel
 * cannot. */
void governor_apply(struct governor *governor, const struct config *config);

/* Does what is due. In how many milliseconds there is more; -1: never. */
int governor_work(struct governor *governor);

/* NULL is allowed. */
void governor_close(struct governor *governor);

#endif
