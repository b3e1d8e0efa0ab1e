/* SPDX-License-Identifier: MIT
 *
 * HAProxy, a server with "source ADDRESS:LOW-HIGH": a ring of ports, taken at its head and given back at its
 * tail when the connection is closed, TIME_WAIT or not.
 *
 * Source: include/haproxy/port_range.h, and the ten attempts to bind in src/proto_tcp.c,
 * tcp_connect_server(). One ring, as for one server line; each line has its own.
 */
#include "sim/policy.h"

#define ATTEMPTS 10u

struct ring {
	unsigned head, count, span;
	uint16_t port[];
};

static size_t size(const struct sim_scale *scale)
{
	return sizeof(struct ring) + (size_t)(scale->last - scale->first + 1) * sizeof(uint16_t);
}

static void put(struct ring *ring, unsigned port)
{
	ring->port[(ring->head + ring->count++) % ring->span] = (uint16_t)port;
}

static unsigned take(struct ring *ring)
{
	unsigned port = ring->port[ring->head];

	ring->head = (ring->head + 1) % ring->span;
	ring->count--;
	return port;
}

static void start(void *state, const struct sim_scale *scale, struct berth_random *random)
{
	struct ring *ring = state;

	(void)random;
	ring->span = scale->last - scale->first + 1;
	for (unsigned port = scale->first; port <= scale->last; port++)
		put(ring, port);
}

static unsigned pick(void *state, struct sim_ask *ask)
{
	struct ring *ring = state;

	for (unsigned i = 0; i < ATTEMPTS && ring->count != 0; i++) {
		unsigned port = take(ring);

		/* bind() with SO_REUSEADDR: only a listener is in the way. */
		if (sim_port_is_shareable(ask, port))
			return port;
		put(ring, port);
	}
	return 0;
}

static void told(void *state, enum sim_news news, const struct sim_ask *about, unsigned port)
{
	(void)about;
	if (news == SIM_REFUSED || news == SIM_CLOSED || news == SIM_RELEASED)
		put(state, port);
}

const struct sim_policy sim_policy_haproxy = {
	.name = "haproxy",
	.source = "HAProxy, port_range.h: a ring of ports for a server with a source range",
	.size = size,
	.start = start,
	.pick = pick,
	.told = told,
};
