/* SPDX-License-Identifier: MIT
 *
 * What the supervisor knows of the ports of this host, and how it is kept up to date.
 *
 * Theory of operation
 *
 * The port spaces (address_spaces.h) are built anew from dumps of the kernel's socket table, which
 * another thread reads, a small piece at a time between two calls of the program. So nothing has to
 * be told when a connection goes: it is missing in the next dump, and a record of whatever kind is
 * never older than one dump.
 *
 * Connections in TIME_WAIT come last into a next space, oldest first (time_waits.h). Where the settings keep ports away from
 * a destination for longer than the kernel does, those that it has let go are among them, and dumps are made without calls,
 * too, some in a minute.
 *
 * All of it is a hint. A port that looks free is refused by the kernel, is marked, and the next is
 * tried; a port that looks taken is missed until the next dump. A dump is made only after calls,
 * and what it costs between calls is at most a twentieth of the time: on a host with 100,000
 * connections one every few seconds, elsewhere four a second. The first call after a pause has one
 * made for it if that takes no more than 2 ms.
 */
#ifndef BERTH_SUPERVISE_KNOWLEDGE_H
#define BERTH_SUPERVISE_KNOWLEDGE_H

#include "supervise/address_spaces.h"
#include "supervise/dump_reader.h"
#include "supervise/time_waits.h"

struct knowledge {
	struct address_spaces spaces;
	struct port_limits limits;
	struct berth_random random;
	struct dump_reader reader;
	struct time_waits time_waits;
	bool taking_up;	  /* a dump has been read, and its connections in TIME_WAIT come into the spaces */
	bool wanted;	  /* something was asked since the last dump began */
	uint64_t dump_ns; /* when the dump under way, or the last one, began */
	uint64_t dump_cost_ns;	/* spent on it between calls */
	uint64_t dump_took_ns;	/* how long the last one took that was waited for */
	uint64_t not_before_ns; /* the next one */
	uint64_t sysctls_ns;	/* when they were read */
};

/* 0 or negative errno. The struct is to be zero-filled. The config is not kept. */
int knowledge_open(struct knowledge *knowledge, const struct config *config, uint64_t now_ns);

/* The space to pick from for a socket with this local address (any: 0.0.0.0, ::). */
struct berth_space *knowledge_space(struct knowledge *knowledge, const struct berth_address *local,
				    uint64_t now_ns);

/* Makes a dump now, or as much of it as can be had in some milliseconds. Spaces that were asked for
 * before may have changed places: ask again. */
void knowledge_refresh(struct knowledge *knowledge, uint64_t now_ns);

/* Whether ports are kept away from a destination for longer than the kernel does; then no port in TIME_WAIT is to be
 * tried. */
static inline bool knowledge_keeps(const struct knowledge *knowledge)
{
	return time_waits_keeps(&knowledge->time_waits);
}

/* Whether the port is kept away from remote, or was refused for it. False, if nothing is. */
bool knowledge_is_kept(struct knowledge *knowledge, const struct berth_endpoint *local,
		       const struct berth_endpoint *remote, uint64_t now_ns);

/* The sysctls are not what they were thought to be: they are read again before the next pick. */
void knowledge_doubt_sysctls(struct knowledge *knowledge);

/* Does a piece of what is due: begins, continues or ends a dump. */
void knowledge_work(struct knowledge *knowledge, uint64_t now_ns);

/* To be polled along with other things: readable when knowledge_work() has a piece to take. */
static inline int knowledge_fd(const struct knowledge *knowledge)
{
	return knowledge->reader.fd;
}

/* Milliseconds until knowledge_work() has something to do; -1: not before the next call. */
int knowledge_idle_ms(const struct knowledge *knowledge, uint64_t now_ns);

#endif
