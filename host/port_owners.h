/* SPDX-License-Identifier: MIT
 *
 * Who is on the ports of this network namespace, through BPF iterators that berth daemon leaves in the kernel,
 * or that were loaded for the look (bpf/port_owners.h): what a dump of sock_diag says (socket_table.h), at a fraction of its cost.
 *
 * To load an iterator, or to open a pinned one, takes rights; to read takes none.
 */
#ifndef BERTH_HOST_PORT_OWNERS_H
#define BERTH_HOST_PORT_OWNERS_H

#include <stdbool.h>

#include "core/port_set.h"
#include "host/socket_table.h"

/* Descriptors of the iterators' links, such as bpf_obj_get() returns; one of them will do for looks of its kind. The
 * zero-filled struct has none, as 0 is standard input. */
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

/* For all ports, or for those of the range. */
static inline bool port_owners_are_there(const struct port_owners *owners, bool all)
{
	return owners && (all ? owners->all_link : owners->range_link) > 0;
}

/* Calls back for all ports, or for those of the range. 0 or negative errno, and then the callers may have been called. */
int port_owners_read(const struct port_owners *owners, bool all, const struct port_owners_reader *reader);

/* Those that are open. */
void port_owners_close(struct port_owners *owners);

#endif
