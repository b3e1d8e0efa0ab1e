/* SPDX-License-Identifier: MIT
 *
 * The other end of the demo's connections: a process that echoes what it gets and closes after the peer did.
 * It runs outside `berth run`, so that only the program under test is steered.
 */
#ifndef BERTH_CLI_DEMO_PEER_H
#define BERTH_CLI_DEMO_PEER_H

#include <sys/socket.h>
#include <sys/types.h>

/* Writes the loopback address of a family (4 or 6) with port, host byte order. Returns its length. */
socklen_t demo_loopback(unsigned family, unsigned port, struct sockaddr_storage *ret_address);

/* The port in an IPv4 or IPv6 address, host byte order. */
unsigned demo_port_of(const struct sockaddr_storage *address);

/* Starts a peer that listens on DEMO_SERVER_PORT and the destinations - 1 ports after it, in the
 * caller's network namespace. It listens when this returns; it ends when the caller does. Negative errno
 * on failure: -EAFNOSUPPORT or -EADDRNOTAVAIL where there is no IPv6. */
int demo_peer_start(unsigned family, unsigned destinations, pid_t *ret_pid);

/* Ends it and reaps it. */
void demo_peer_stop(pid_t pid);

#endif
