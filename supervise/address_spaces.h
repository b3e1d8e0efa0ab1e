/* SPDX-License-Identifier: MIT
 *
 * Who is on which port, for each local address.
 *
 * Theory of operation
 *
 * For each local address that is used there is a libberth port space, and one more for sockets
 * bound to all addresses, in which every socket of the host counts. Each exists twice: the current
 * one is asked, and the next one is being built, from a dump of the kernel's socket table
 * (knowledge.h). When it is complete they change places. What the supervisor itself does meanwhile
 * is told to both.
 *
 * An address that nothing is known of yet, and those for which there is no room because as many
 * others are in use, are served from the space in which all count: no port that it calls fresh is
 * anything else, though it knows fewer.
 *
 * Memory: 64 addresses at most; what a space does not use of its 6 MB are untouched pages.
 */
#ifndef BERTH_SUPERVISE_ADDRESS_SPACES_H
#define BERTH_SUPERVISE_ADDRESS_SPACES_H

#include "core/port_space.h"
#include "supervise/port_limits.h"

#define SITES 64u

/* One local address, or all of them (site 0). */
struct site {
	struct berth_address address;
	struct berth_space *current, *next; /* NULL: the site is free */
	bool in_dump;			    /* was there when the dump under way began */
	bool known;			    /* a dump has been completed since it is there */
	uint64_t used_ns;
};

struct address_spaces {
	struct site site[SITES];
	enum berth_policy policy;
	uint64_t time_wait_ns;
};

/* Ports are kept away from a destination for time_wait_ns. 0 or negative errno. The struct is to be zero-filled. */
int spaces_open(struct address_spaces *spaces, enum berth_policy policy, uint64_t time_wait_ns,
		const struct port_limits *limits);

/* These are the ports that may be handed out now. */
void spaces_limit(struct address_spaces *spaces, const struct port_limits *limits);

/* The space to pick from for a socket with this local address (any: 0.0.0.0, ::). *ret_is_new: the
 * address had none until now. */
struct berth_space *spaces_of(struct address_spaces *spaces, const struct berth_address *local,
			      const struct port_limits *limits, uint64_t now_ns, bool *ret_is_new);

/* The supervisor gave port to a connection, or to a socket without one (remote NULL). */
void spaces_took(struct address_spaces *spaces, const struct berth_endpoint *local,
		 const struct berth_endpoint *remote, uint64_t now_ns);

/* A socket without a connection that has a port from the supervisor now connects to remote. */
void spaces_connects(struct address_spaces *spaces, const struct berth_endpoint *local,
		     const struct berth_endpoint *remote, uint64_t now_ns);

/* The kernel refused the port. remote as above. */
void spaces_refused(struct address_spaces *spaces, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote, uint64_t now_ns);

/* A dump: begins with nothing, is told what there is, TIME_WAIT last and oldest first, and ends with the
 * change of places. One that is not ended may begin anew. */
void spaces_begin_next(struct address_spaces *spaces);
void spaces_see_holder(struct address_spaces *spaces, const struct berth_endpoint *local, uint64_t now_ns);
void spaces_see_connection(struct address_spaces *spaces, const struct berth_endpoint *local,
			   const struct berth_endpoint *remote, uint64_t now_ns);
void spaces_see_time_wait(struct address_spaces *spaces, const struct berth_endpoint *local,
			  const struct berth_endpoint *remote, uint64_t entered_ns);
void spaces_change_places(struct address_spaces *spaces);

#endif
