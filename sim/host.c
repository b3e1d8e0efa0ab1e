/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 * Connections are numbers in one array that grows. An open-addressing hash table finds them by their tuple;
 * linear probing, at most half full, and whoever leaves pulls those behind him forward, so there are no
 * tombstones and a run of days costs the same at its end as at its start.
 *
 * TIME_WAIT has one length, so those in it leave in the order in which they entered: a queue for this host
 * and one for all peers.
 */
#include "sim/host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/hash.h"

#define FIRST_CAPACITY 1024u

static uint64_t tuple_hash(unsigned address, unsigned port, uint32_t destination)
{
	return sim_hash((uint64_t)destination << 32 | (uint64_t)address << 16 | port);
}

static uint32_t home_of(const struct sim_host *host, const struct sim_connection *c)
{
	return (uint32_t)tuple_hash(c->address, c->port, c->destination) & host->mask;
}

/* The slot of the tuple, or the free one where it would be. */
static uint32_t find_slot(const struct sim_host *host, unsigned address, unsigned port, uint32_t destination)
{
	uint32_t i = (uint32_t)tuple_hash(address, port, destination) & host->mask;

	for (; host->slot[i] != 0; i = (i + 1) & host->mask) {
		const struct sim_connection *c = &host->connection[host->slot[i]];

		if (c->port == port && c->destination == destination && c->address == address)
			break;
	}
	return i;
}

static void index_remove(struct sim_host *host, const struct sim_connection *gone)
{
	uint32_t hole = find_slot(host, gone->address, gone->port, gone->destination);

	for (uint32_t i = (hole + 1) & host->mask; host->slot[i] != 0; i = (i + 1) & host->mask) {
		uint32_t home = home_of(host, &host->connection[host->slot[i]]);

		/* It may move into the hole unless its home lies behind it. */
		if (((i - home) & host->mask) < ((i - hole) & host->mask))
			continue;
		host->slot[hole] = host->slot[i];
		hole = i;
	}
	host->slot[hole] = 0;
	host->indexed--;
}

static bool index_grow(struct sim_host *host)
{
	uint32_t *old = host->slot, slots = host->mask + 1;

	if (host->indexed < slots / 2)
		return true;
	host->slot = calloc((size_t)slots * 2, sizeof(*host->slot));
	if (host->slot == NULL) {
		host->slot = old;
		return false;
	}
	host->mask = slots * 2 - 1;
	for (uint32_t i = 0; i < slots; i++) {
		const struct sim_connection *c = &host->connection[old[i]];

		if (old[i] != 0)
			host->slot[find_slot(host, c->address, c->port, c->destination)] = old[i];
	}
	free(old);
	return true;
}

int sim_host_start(struct sim_host *host, const struct sim_host_settings *settings)
{
	assert(settings->addresses >= 1 && settings->addresses <= SIM_ADDRESSES_MAX);
	assert(settings->first >= 1 && settings->first <= settings->last && settings->last < BERTH_PORTS);
	*host = (struct sim_host){
		.settings = *settings, .capacity = FIRST_CAPACITY, .used = 1, .mask = FIRST_CAPACITY * 2 - 1
	};
	host->connection = malloc(FIRST_CAPACITY * sizeof(*host->connection));
	host->slot = calloc((size_t)FIRST_CAPACITY * 2, sizeof(*host->slot));
	host->port = calloc((size_t)settings->addresses * BERTH_PORTS, sizeof(*host->port));
	return host->connection != NULL && host->slot != NULL && host->port != NULL ? 0 : -ENOMEM;
}

void sim_host_end(struct sim_host *host)
{
	free(host->connection);
	free(host->slot);
	free(host->port);
	memset(host, 0, sizeof(*host));
}

enum sim_state sim_host_state(const struct sim_host *host, unsigned address, unsigned port,
			      uint32_t destination)
{
	uint32_t number = host->slot[find_slot(host, address, port, destination)];

	return number == 0 ? SIM_NO_CONNECTION : (enum sim_state)host->connection[number].state;
}

/* A number that is not in use, or 0. */
static uint32_t take_number(struct sim_host *host)
{
	struct sim_connection *more;
	uint32_t number = host->free;

	if (number != 0) {
		host->free = host->connection[number].next;
		return number;
	}
	if (host->used == host->capacity) {
		if (host->capacity > UINT32_MAX / 4)
			return 0;
		more = realloc(host->connection, (size_t)host->capacity * 2 * sizeof(*more));
		if (more == NULL)
			return 0;
		host->connection = more;
		host->capacity *= 2;
	}
	return host->used++;
}

uint32_t sim_host_connect(struct sim_host *host, unsigned address, unsigned port, uint32_t destination)
{
	uint32_t number = index_grow(host) ? take_number(host) : 0;

	if (number == 0)
		return 0;
	host->connection[number] = (struct sim_connection){ .destination = destination,
							    .port = (uint16_t)port,
							    .address = (uint16_t)address,
							    .state = SIM_LIVE };
	host->slot[find_slot(host, address, port, destination)] = number;
	host->indexed++;
	sim_host_port(host, address, port)->live++;
	return number;
}

static void forget(struct sim_host *host, uint32_t number)
{
	struct sim_connection *c = &host->connection[number];

	index_remove(host, c);
	c->state = SIM_NO_CONNECTION;
	c->next = host->free;
	host->free = number;
}

static void queue_append(struct sim_host *host, struct sim_queue *queue, uint32_t number)
{
	host->connection[number].next = 0;
	if (queue->count++ == 0)
		queue->head = number;
	else
		host->connection[queue->tail].next = number;
	queue->tail = number;
}

/* The oldest leaves TIME_WAIT. */
static void queue_take(struct sim_host *host, struct sim_queue *queue)
{
	uint32_t number = queue->head;
	const struct sim_connection *c = &host->connection[number];

	queue->head = c->next;
	queue->count--;
	if (c->state == SIM_TIME_WAIT)
		sim_host_port(host, c->address, c->port)->time_wait--;
	forget(host, number);
}

void sim_host_close(struct sim_host *host, uint32_t number, enum sim_closer closer, uint64_t now_ns)
{
	struct sim_connection *c = &host->connection[number];
	struct sim_port *port = sim_host_port(host, c->address, c->port);

	assert(c->state == SIM_LIVE);
	port->live--;
	c->since_ns = now_ns;
	switch (closer) {
	case SIM_CLOSED_HERE:
		c->state = SIM_TIME_WAIT;
		port->time_wait++;
		queue_append(host, &host->here, number);
		break;
	case SIM_CLOSED_BY_PEER:
		c->state = SIM_PEER_TIME_WAIT;
		queue_append(host, &host->peer, number);
		break;
	case SIM_RESET:
		forget(host, number);
		break;
	}
}

static void expire(struct sim_host *host, struct sim_queue *queue, uint64_t now_ns)
{
	while (queue->count != 0 &&
	       host->connection[queue->head].since_ns + host->settings.time_wait_ns <= now_ns)
		queue_take(host, queue);
}

void sim_host_expire(struct sim_host *host, uint64_t now_ns)
{
	expire(host, &host->here, now_ns);
	expire(host, &host->peer, now_ns);
}

bool sim_host_evict(struct sim_host *host, struct sim_connection *ret_gone)
{
	if (host->here.count <= host->settings.max_tcbs)
		return false;
	*ret_gone = host->connection[host->here.head];
	queue_take(host, &host->here);
	return true;
}
