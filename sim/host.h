/* SPDX-License-Identifier: MIT
 *
 * The simulated host: which connections there are, here and at the peers, and which are in TIME_WAIT.
 *
 * This is what is true, whatever a policy believes. It shares no code with libberth, which is one of those
 * that are judged by it.
 *
 * Destinations are numbers from 0, local addresses too. Time is nanoseconds from the start of the simulation
 * and never goes back.
 */
#ifndef BERTH_SIM_HOST_H
#define BERTH_SIM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/port_set.h"

#define SIM_ADDRESSES_MAX    256u
#define SIM_DESTINATIONS_MAX 1000000u
#define SIM_NO_LIMIT	     UINT32_MAX

struct sim_host_settings {
	unsigned first, last; /* the range of ports, both included */
	unsigned addresses;   /* local addresses, 1 .. SIM_ADDRESSES_MAX */
	uint64_t time_wait_ns;
	uint32_t max_tcbs; /* MaxFreeTWTcbs, for all addresses together; SIM_NO_LIMIT: none */
};

enum sim_state {
	SIM_NO_CONNECTION,
	SIM_LIVE,
	SIM_TIME_WAIT,	    /* this host closed first */
	SIM_PEER_TIME_WAIT, /* the peer did: only the peer knows */
};

/* Who ends a connection, and so where it is in TIME_WAIT. */
enum sim_closer {
	SIM_CLOSED_HERE,
	SIM_CLOSED_BY_PEER,
	SIM_RESET, /* no TIME_WAIT at all */
};

struct sim_connection {
	uint64_t since_ns; /* when it entered TIME_WAIT */
	uint32_t destination;
	uint32_t next; /* in the queue of its state, or among the free ones */
	uint16_t port;
	uint16_t address;
	uint8_t state; /* enum sim_state */
};

/* What there is on a port of one local address. */
struct sim_port {
	uint32_t live;
	uint32_t time_wait; /* here */
	uint32_t holders;   /* listeners and the like, which do not share */
};

struct sim_queue {
	uint32_t head, tail; /* connections, oldest first; 0: none */
	uint32_t count;
};

/* Fields are private but for settings. */
struct sim_host {
	struct sim_host_settings settings;
	struct sim_connection *connection;
	uint32_t *slot; /* the index: connections by their tuple */
	struct sim_port *port;
	uint32_t capacity; /* of connection */
	uint32_t used;	   /* connections ever taken into use; 0 is none */
	uint32_t free;	   /* the first of those no longer used */
	uint32_t indexed;
	uint32_t mask; /* slots - 1 */
	struct sim_queue here, peer;
};

/* Makes an empty host. 0 or -ENOMEM. end frees what start and connect took, also after a failed start. */
int sim_host_start(struct sim_host *host, const struct sim_host_settings *settings);
void sim_host_end(struct sim_host *host);

/* What there is between (address, port) and destination. */
enum sim_state sim_host_state(const struct sim_host *host, unsigned address, unsigned port,
			      uint32_t destination);

static inline struct sim_port *sim_host_port(const struct sim_host *host, unsigned address, unsigned port)
{
	return &host->port[address * BERTH_PORTS + port];
}

/* Makes a connection where there is none. Its number, or 0 if there is no memory. */
uint32_t sim_host_connect(struct sim_host *host, unsigned address, unsigned port, uint32_t destination);

/* Ends the live connection of that number. */
void sim_host_close(struct sim_host *host, uint32_t number, enum sim_closer closer, uint64_t now_ns);

/* Lets those leave TIME_WAIT whose time is over, here and at the peers. */
void sim_host_expire(struct sim_host *host, uint64_t now_ns);

/* If more connections are in TIME_WAIT here than may be, the oldest leaves: true, and *ret_gone is it. */
bool sim_host_evict(struct sim_host *host, struct sim_connection *ret_gone);

#endif
