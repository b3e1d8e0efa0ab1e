/* SPDX-License-Identifier: MIT
 *
 * ADDR:PORT on the command line: "192.0.2.1:443", "[2001:db8::1]:443", "example.org:https".
 */
#ifndef BERTH_CLI_DESTINATION_H
#define BERTH_CLI_DESTINATION_H

#include "view/pair_index.h"

struct destination {
	struct view_pair pair; /* the local address is what the routing table says, or what --from does */
	unsigned addresses;    /* that the name has; the first, which connect() tries first, is in pair */
	int route_error;       /* 0, or a negative errno: there is no way there; pair.local is then [::] */
};

/* Reads ADDR:PORT, resolves names and asks for the route; nothing is sent but what resolving needs. from is the local
 * address to take, or NULL. EXIT_OK; otherwise an exit status, said on stderr in the name of command. */
int destination_read(const char *command, const char *text, const char *from,
		     struct destination *ret_destination);

#endif
