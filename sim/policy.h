/* SPDX-License-Identifier: MIT
 *
 * A policy: a way to choose a local port. One file each; policy.c has the table of them.
 *
 * Each local address has a state of its own, memory that starts zero-filled. A policy asks the host through
 * struct sim_ask and is told what became of its ports. It never learns what only a peer knows.
 */
#ifndef BERTH_SIM_POLICY_H
#define BERTH_SIM_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/random.h"
#include "sim/host.h"

/* How large things can get in a run: for policies that keep tables. */
struct sim_scale {
	unsigned first, last; /* the range of ports, both included */
	uint32_t destinations;
	uint32_t time_wait; /* connections in TIME_WAIT on one local address, at most */
	uint32_t ended;	    /* the same, of those in TIME_WAIT at the peer as well */
	uint64_t time_wait_ns;
};

/* A question: who asks for a port, or what a report is about. */
struct sim_ask {
	const struct sim_host *host;
	struct berth_random *random; /* for pick only */
	uint64_t now_ns;
	unsigned first, last;
	unsigned address;
	uint32_t destination; /* a policy that chooses at bind does not look */
	uint32_t probes;      /* ports looked at */
};

enum sim_news {
	SIM_MADE,     /* a connection from the port was made */
	SIM_REFUSED,  /* pick gave the port, and the connection could not be made */
	SIM_CLOSED,   /* it was closed here and is in TIME_WAIT */
	SIM_RELEASED, /* it is gone without TIME_WAIT here */
	SIM_EVICTED,  /* it has left TIME_WAIT early, as there were too many */
	SIM_HELD,     /* somebody listens on the port */
	SIM_UNHELD,
};

struct sim_policy {
	const char *name;
	const char *source; /* where the description comes from */
	/* Bytes of state for one local address. NULL: none. */
	size_t (*size)(const struct sim_scale *scale);
	/* Prepares the zero-filled state. NULL: nothing to do. */
	void (*start)(void *state, const struct sim_scale *scale, struct berth_random *random);
	/* The port, or 0: there is none. */
	unsigned (*pick)(void *state, struct sim_ask *ask);
	/* NULL: the policy remembers nothing. TIME_WAIT that ends in its time is not told. */
	void (*told)(void *state, enum sim_news news, const struct sim_ask *about, unsigned port);
};

/* Each from the file of its name. */
extern const struct sim_policy sim_policy_legacy, sim_policy_legacy_random, sim_policy_legacy_first_fit,
	sim_policy_sp1, sim_policy_berth, sim_policy_berth_both_ends, sim_policy_rfc6056_1,
	sim_policy_rfc6056_2, sim_policy_rfc6056_3, sim_policy_rfc6056_4, sim_policy_rfc6056_5,
	sim_policy_linux_connect, sim_policy_linux_bind, sim_policy_linux_bind_reuse, sim_policy_freebsd,
	sim_policy_openbsd, sim_policy_lwip, sim_policy_haproxy, sim_policy_nat_ten_tries;

/* All of them, in the order in which they are shown, ended by NULL. */
extern const struct sim_policy *const sim_policies[];

/* The policy of that name, or NULL. */
const struct sim_policy *sim_policy_find(const char *name);

/* The three looks that a policy may take at a port. Each counts as a probe. */

/* Nobody is on the port and no connection on it is in TIME_WAIT. */
static inline bool sim_port_is_free(struct sim_ask *ask, unsigned port)
{
	const struct sim_port *p = sim_host_port(ask->host, ask->address, port);

	ask->probes++;
	return p->live == 0 && p->time_wait == 0 && p->holders == 0;
}

/* Nobody listens on the port: connections may share it. */
static inline bool sim_port_is_shareable(struct sim_ask *ask, unsigned port)
{
	ask->probes++;
	return sim_host_port(ask->host, ask->address, port)->holders == 0;
}

/* Nobody listens on the port, and there is no connection from it to this destination, not in TIME_WAIT
 * either. What RFC 6056 calls check_suitable_port(). */
static inline bool sim_tuple_is_free(struct sim_ask *ask, unsigned port)
{
	const struct sim_port *p = sim_host_port(ask->host, ask->address, port);
	enum sim_state state;

	ask->probes++;
	if (p->holders != 0)
		return false;
	if (p->live == 0 && p->time_wait == 0)
		return true;
	state = sim_host_state(ask->host, ask->address, port, ask->destination);
	return state != SIM_LIVE && state != SIM_TIME_WAIT;
}

/* How many ports the range has. */
static inline unsigned sim_span(const struct sim_ask *ask)
{
	return ask->last - ask->first + 1;
}

#endif
