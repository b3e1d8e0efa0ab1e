/* SPDX-License-Identifier: MIT
 *
 * A claim on a port towards a destination, which of all the runs of Berth in a network namespace one has at a time.
 *
 * A port that is bound by its number cannot be given back, so it is looked up first, and nobody is to come between the
 * look-up and the connection. The kernel keeps others out only where the port is bound by a socket that does not share,
 * but to share is what many of these binds are for. Runs know nothing of each other, so they meet in a name that the
 * kernel grants to one: that of a Unix socket without a file (unix(7), "abstract"), which is of the network namespace as
 * the ports are, needs no privilege, and goes when its owner goes, however that happens.
 *
 * Programs that are not under Berth know nothing of claims.
 */
#ifndef BERTH_SUPERVISE_CLAIM_H
#define BERTH_SUPERVISE_CLAIM_H

#include <stdint.h>

#include "core/address.h"

/* The local address does not count: what a socket will have there may be no more than likely. A descriptor that is the
 * claim until it is closed; -EADDRINUSE: another has it; or negative errno: claims cannot be made here. */
int claim_take(uint16_t port, const struct berth_endpoint *remote);

#endif
