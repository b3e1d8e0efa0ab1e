/* SPDX-License-Identifier: MIT
 *
 * A network namespace of one's own: loopback only, default settings, nothing in TIME_WAIT.
 *
 * It belongs to the calling process and the children it forks from then on, and goes with the last
 * of them. For single-threaded callers: both namespaces are entered by the calling thread.
 */
#ifndef BERTH_HOST_PRIVATE_NET_H
#define BERTH_HOST_PRIVATE_NET_H

/* Moves the caller into a new network namespace and brings its loopback up. May be called again:
 * each call gives a fresh one.
 *
 * Without CAP_SYS_ADMIN a user namespace comes first, in which the caller keeps its user and group
 * (other groups become unusable) and which it cannot leave again. Capabilities there last until the
 * next exec.
 *
 * 0, or a negative errno: -EPERM where neither is allowed, -ENOSPC or -EUSERS where the limits on
 * namespaces say so. A failure after the user namespace was entered leaves the caller inside it. */
int private_net_enter(void);

/* Writes a setting of the caller's network namespace: name is a path below /proc/sys/net, such as
 * "ipv4/tcp_timestamps". 0 or a negative errno. */
int private_net_set(const char *name, const char *value);

#endif
