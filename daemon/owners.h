/* SPDX-License-Identifier: MIT
 *
 * Through what a look at the port space goes (view/snapshot.h): the iterators that berth daemon has pinned, or one of this process's
 * own, which is gone when it is closed.
 *
 * To load one takes the same rights as to load the hooks, and some 7 ms of CPU, in which sock_diag tells of 15,000 sockets: it is
 * done where there are more.
 */
#ifndef BERTH_DAEMON_OWNERS_H
#define BERTH_DAEMON_OWNERS_H

#include "host/port_owners.h"

/* For looks at the range, or at all ports. None where sock_diag is better or all that the caller may use.
 * port_owners_close() them. */
struct port_owners owners_open(bool all);

#endif
