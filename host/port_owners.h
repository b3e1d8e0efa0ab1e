/* SPDX-License-Identifier: MIT
 *
 * Who is on the ports of this network namespace, through the BPF iterators that berth daemon leaves in the kernel
 * (bpf/port_owners.h): what a dump of sock_diag says (socket_table.h), at a fraction of its cost.
 *
 * To open the iterators takes the rights to the pins; to read takes none.
 */
#ifndef BERTH_HOST_PORT_OWNERS_H
#define BERTH_HOST_PORT_OWNERS_H

#include <stdbool.h>

#include "core/port_set.h"
#include "host/socket_table.h"

/* Descriptors of the iterators' links, such as bpf_obj_get() returns. The zero-filled struct has none, as 0 is standard
 * input. */
struct port_owners {
	int range_link, all_link;
};

struct port_owners_reader {
	void *context;
	/* One that is on a port. cookie, interface, inode and uid are not known, and 0. */
	void (*see)(void *context, const struct socket_entry *entry);
	/* A port where somebody listens. Of others on it nothing is told but how many of them are connections, in
	 * TIME_WAIT too. */
	void (*see_listener)(void *context, unsigned port, uint32_t connections);
	/* A port of which this look says nothing; outside of the range it may just be busy. */
	void (*see_unsure)(void *context, unsigned port);
};

static inline bool port_owners_are_there(const struct port_owners *owners)
{
	return owners && owners->range_link > 0 && owners->all_link > 0;
}

/* Calls back for all ports, or for those of the range. 0 or negative errno, and then the callers may have been called. */
int port_owners_read(const struct port_owners *owners, bool all, const struct port_owners_reader *reader);

/* Those that are open. */
void port_owners_close(struct port_owners *owners);

#endif
