/* SPDX-License-Identifier: MIT
 *
 * The service manager's side of a daemon (man 3 sd_notify): one datagram for each change of state to the socket that
 * $NOTIFY_SOCKET names. That is all there is to it, so libsystemd is not needed.
 */
#ifndef BERTH_DAEMON_SERVICE_H
#define BERTH_DAEMON_SERVICE_H

/* Tells the service manager, if there is one, lines such as "READY=1". 0, also if there is none, or negative errno. */
int service_tell(const char *state);

#endif
