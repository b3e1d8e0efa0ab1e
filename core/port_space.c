/* SPDX-License-Identifier: MIT
 *
 * Keeping a port space; core/space.h says how it works.
 */
#include "core/port_space.h"

#include <assert.h>
#include <string.h>

#include "core/settings.h"
#include "core/space.h"

#define SECOND_NS 1000000000ull

/* Whom a port is refused to when the destination is not known. */
static const struct berth_endpoint nobody = { .address = { { [10] = 0xff, [11] = 0xff } } };

static size_t round_up(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

size_t berth_space_size(const struct berth_space_limits *limits)
{
	size_t time_wait = berth_time_wait_size(limits->time_wait, limits->ipv6);
	size_t destinations = berth_destinations_size(limits->destinations, limits->bitmaps);

	if (time_wait == 0 || destinations == 0)
		return 0;
	return round_up(sizeof(struct berth_space)) + round_up(time_wait) + destinations;
}

/* Key for the tables, from the generator: one secret from the caller is enough. */
static void draw_key(struct berth_random *random, uint8_t key[16])
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t word = berth_random_next(random);

		memcpy(key + 4 * i, &word, sizeof(word));
	}
}

struct berth_space *berth_space_init(void *memory, size_t bytes, const struct berth_space_limits *limits,
				     const uint8_t key[BERTH_SEED_BYTES])
{
	struct berth_space *space = memory;
	char *at = memory;
	size_t size = berth_space_size(limits);
	uint8_t table_key[16];

	if (size == 0 || bytes < size)
		return NULL;
	berth_random_seed(&space->random, key);
	at += round_up(sizeof(*space));
	size = berth_time_wait_size(limits->time_wait, limits->ipv6);
	draw_key(&space->random, table_key);
	space->time_wait = berth_time_wait_init(at, size, limits->time_wait, limits->ipv6, table_key);
	at += round_up(size);
	size = berth_destinations_size(limits->destinations, limits->bitmaps);
	draw_key(&space->random, table_key);
	space->destinations =
		berth_destinations_init(at, size, limits->destinations, limits->bitmaps, table_key);
	berth_space_set_time_wait(space, BERTH_TIMED_WAIT_DELAY * SECOND_NS, limits->time_wait);
	return space;
}

static void set_member(struct berth_port_set *set, unsigned port, bool in)
{
	if (in)
		berth_port_set_add(set, port);
	else
		berth_port_set_remove(set, port);
}

static void queue_remove(struct berth_space *space, unsigned port)
{
	const struct port *p = &space->port[port];

	space->port[p->longer].shorter = p->shorter;
	space->port[p->shorter].longer = p->longer;
}

static void queue_append(struct berth_space *space, unsigned port)
{
	struct port *head = &space->port[0];

	space->port[port].shorter = 0;
	space->port[port].longer = head->longer;
	space->port[head->longer].shorter = (uint16_t)port;
	head->longer = (uint16_t)port;
}

/* A waiting port has been heard of: it starts to wait anew. */
static void queue_again(struct berth_space *space, unsigned port)
{
	if (!berth_port_set_contains(&space->waiting, port))
		return;
	queue_remove(space, port);
	queue_append(space, port);
}

/* Brings the sets in line with the numbers of port. */
static void settle_port(struct berth_space *space, unsigned port)
{
	const struct port *p = &space->port[port];
	bool usable = berth_port_set_contains(&space->usable, port);
	bool busy = p->live != 0 || p->time_wait != 0 || p->holders != 0 || p->sharers != 0;
	bool waiting = usable && p->time_wait != 0 && p->live == 0 && p->holders == 0 && p->sharers == 0;

	set_member(&space->busy, port, busy);
	if (usable && !busy)
		berth_port_list_add(&space->fresh, port);
	else
		berth_port_list_remove(&space->fresh, port);
	set_member(&space->unused, port, waiting || (usable && !busy));
	set_member(&space->shareable, port, usable && busy && p->holders == 0);
	if (waiting == berth_port_set_contains(&space->waiting, port))
		return;
	set_member(&space->waiting, port, waiting);
	if (waiting)
		queue_append(space, port);
	else
		queue_remove(space, port);
}

void berth_space_clear(struct berth_space *space)
{
	while (berth_time_wait_count(space->time_wait) != 0)
		berth_time_wait_leave(space->time_wait, berth_time_wait_oldest(space->time_wait));
	space->expiry_ns = UINT64_MAX;
	berth_destinations_clear(space->destinations);
	while (berth_port_set_count(&space->busy) != 0) {
		unsigned port = berth_port_set_select(&space->busy, 0);
		struct port *p = &space->port[port];

		p->live = p->time_wait = p->holders = p->sharers = 0;
		settle_port(space, port);
	}
}

void berth_space_set_range(struct berth_space *space, unsigned first, unsigned last,
			   const struct berth_port_set *reserved)
{
	unsigned from = first, to = last;

	assert(first >= 1 && first <= last && last < BERTH_PORTS);
	if (berth_port_set_count(&space->usable) != 0) {
		unsigned lowest = berth_port_set_select(&space->usable, 0);
		unsigned highest =
			berth_port_set_select(&space->usable, berth_port_set_count(&space->usable) - 1);

		from = lowest < from ? lowest : from;
		to = highest > to ? highest : to;
	}
	memset(&space->usable, 0, sizeof(space->usable));
	for (unsigned port = first; port <= last; port++)
		if (reserved == NULL || !berth_port_set_contains(reserved, port))
			berth_port_set_add(&space->usable, port);
	for (unsigned port = from; port <= to; port++)
		settle_port(space, port);
	space->cursor = first;
}

void berth_space_set_policy(struct berth_space *space, enum berth_policy policy)
{
	assert((unsigned)policy <= BERTH_POLICY_LEGACY);
	space->policy = policy;
}

static struct berth_tuple tuple_of(unsigned port, const struct berth_endpoint *destination)
{
	assert(port >= 1 && port < BERTH_PORTS);
	return (struct berth_tuple){ .remote = *destination, .local_port = (uint16_t)port };
}

/* A connection is no longer in the TIME_WAIT table. */
static void left_time_wait(struct berth_space *space, const struct berth_tuple *tuple)
{
	space->port[tuple->local_port].time_wait--;
	berth_destinations_put(space->destinations, &tuple->remote, tuple->local_port, BERTH_NO_CONNECTION);
	settle_port(space, tuple->local_port);
}

static void take_from_time_wait(struct berth_space *space, uint32_t slot)
{
	struct berth_tuple tuple;

	berth_time_wait_get(space->time_wait, slot, &tuple);
	berth_time_wait_leave(space->time_wait, slot);
	left_time_wait(space, &tuple);
}

static void evict_oldest(struct berth_space *space)
{
	take_from_time_wait(space, berth_time_wait_oldest(space->time_wait));
	space->evicted++;
}

void berth_space_set_time_wait(struct berth_space *space, uint64_t delay_ns, uint32_t max_tcbs)
{
	uint32_t capacity = berth_time_wait_capacity(space->time_wait);

	space->max_tcbs = max_tcbs < capacity ? max_tcbs : capacity;
	while (berth_time_wait_count(space->time_wait) > space->max_tcbs)
		evict_oldest(space);
	berth_time_wait_set_delay(space->time_wait, delay_ns);
	space->expiry_ns = berth_time_wait_next_expiry(space->time_wait);
}

void berth_space_expire(struct berth_space *space, uint64_t now_ns)
{
	struct berth_tuple gone[BERTH_EXPIRE_BATCH];
	unsigned count;

	if (now_ns > space->now_ns)
		space->now_ns = now_ns;
	if (space->now_ns < space->expiry_ns)
		return;
	do {
		count = berth_time_wait_expire(space->time_wait, space->now_ns, gone);
		for (unsigned i = 0; i < count; i++)
			left_time_wait(space, &gone[i]);
	} while (count == BERTH_EXPIRE_BATCH);
	space->expiry_ns = berth_time_wait_next_expiry(space->time_wait);
}

uint64_t berth_space_next_expiry(const struct berth_space *space)
{
	return berth_time_wait_next_expiry(space->time_wait);
}

/* A connection that has no live record and is not in TIME_WAIT enters it. */
static void enter_time_wait(struct berth_space *space, const struct berth_tuple *tuple, uint64_t now_ns)
{
	unsigned port = tuple->local_port;

	if (space->max_tcbs == 0) {
		settle_port(space, port);
		return;
	}
	while (berth_time_wait_count(space->time_wait) >= space->max_tcbs ||
	       berth_time_wait_enter(space->time_wait, tuple, now_ns) == 0)
		evict_oldest(space);
	if (space->expiry_ns == UINT64_MAX)
		space->expiry_ns = berth_time_wait_next_expiry(space->time_wait);
	space->port[port].time_wait++;
	berth_destinations_put(space->destinations, &tuple->remote, port, BERTH_TIME_WAIT);
	queue_again(space, port);
	settle_port(space, port);
}

void berth_space_hold(struct berth_space *space, unsigned port, bool sharing)
{
	assert(port >= 1 && port < BERTH_PORTS);
	if (sharing)
		space->port[port].sharers++;
	else
		space->port[port].holders++;
	settle_port(space, port);
}

bool berth_space_unhold(struct berth_space *space, unsigned port, bool sharing)
{
	uint32_t *count;

	assert(port >= 1 && port < BERTH_PORTS);
	count = sharing ? &space->port[port].sharers : &space->port[port].holders;
	if (*count == 0)
		return false;
	--*count;
	settle_port(space, port);
	return true;
}

enum berth_connect_verdict berth_space_connect(struct berth_space *space, unsigned port,
					       const struct berth_endpoint *destination, uint64_t now_ns)
{
	struct berth_tuple tuple = tuple_of(port, destination);

	berth_space_expire(space, now_ns);
	if (berth_time_wait_find(space->time_wait, &tuple) != 0) {
		space->collisions++;
		return BERTH_TIME_WAIT_COLLISION;
	}
	if (berth_destinations_state(space->destinations, destination, port) == BERTH_LIVE)
		return BERTH_IN_USE;
	space->port[port].live++;
	berth_destinations_put(space->destinations, destination, port, BERTH_LIVE);
	settle_port(space, port);
	return BERTH_CONNECTED;
}

/* Takes a live connection off its port's number. The caller settles the port. */
static bool take_live(struct berth_space *space, const struct berth_tuple *tuple)
{
	struct port *p = &space->port[tuple->local_port];

	if (berth_destinations_state(space->destinations, &tuple->remote, tuple->local_port) != BERTH_LIVE &&
	    (berth_destinations_forgotten(space->destinations) == 0 || p->live == 0))
		return false;
	p->live--;
	return true;
}

/* A live connection in TIME_WAIT: it was forgotten, its port was picked for the same destination, and
 * refused. 0 if it is not, as nearly always. */
static uint32_t find_mark(struct berth_space *space, const struct berth_tuple *tuple)
{
	if (berth_destinations_forgotten(space->destinations) == 0)
		return 0;
	return berth_time_wait_find(space->time_wait, tuple);
}

bool berth_space_release(struct berth_space *space, unsigned port, const struct berth_endpoint *destination)
{
	struct berth_tuple tuple = tuple_of(port, destination);
	uint32_t mark;

	if (!take_live(space, &tuple))
		return false;
	mark = find_mark(space, &tuple);
	if (mark != 0) {
		take_from_time_wait(space, mark);
		return true;
	}
	berth_destinations_put(space->destinations, destination, port, BERTH_NO_CONNECTION);
	settle_port(space, port);
	return true;
}

/* The connection in slot starts its TIME_WAIT anew. */
static void restart_time_wait(struct berth_space *space, uint32_t slot, const struct berth_tuple *tuple,
			      uint64_t now_ns)
{
	berth_time_wait_restart(space->time_wait, slot, now_ns);
	berth_destinations_put(space->destinations, &tuple->remote, tuple->local_port, BERTH_TIME_WAIT);
	queue_again(space, tuple->local_port);
	settle_port(space, tuple->local_port);
}

bool berth_space_close(struct berth_space *space, unsigned port, const struct berth_endpoint *destination,
		       uint64_t now_ns)
{
	struct berth_tuple tuple = tuple_of(port, destination);
	uint32_t mark;

	berth_space_expire(space, now_ns);
	if (!take_live(space, &tuple))
		return false;
	mark = find_mark(space, &tuple);
	if (mark != 0) {
		restart_time_wait(space, mark, &tuple, space->now_ns);
		return true;
	}
	berth_destinations_put(space->destinations, destination, port, BERTH_NO_CONNECTION);
	enter_time_wait(space, &tuple, space->now_ns);
	return true;
}

void berth_space_observe_time_wait(struct berth_space *space, unsigned port,
				   const struct berth_endpoint *destination, uint64_t entered_ns)
{
	struct berth_tuple tuple = tuple_of(port, destination);
	uint32_t slot;

	if (berth_destinations_state(space->destinations, destination, port) == BERTH_LIVE)
		return;
	slot = berth_time_wait_find(space->time_wait, &tuple);
	if (slot != 0)
		restart_time_wait(space, slot, &tuple, entered_ns);
	else
		enter_time_wait(space, &tuple, entered_ns);
}

void berth_space_refuse(struct berth_space *space, unsigned port, const struct berth_endpoint *destination,
			uint64_t now_ns)
{
	berth_space_expire(space, now_ns);
	berth_space_observe_time_wait(space, port, destination != NULL ? destination : &nobody,
				      space->now_ns);
}

bool berth_space_leave_time_wait(struct berth_space *space, unsigned port,
				 const struct berth_endpoint *destination)
{
	struct berth_tuple tuple = tuple_of(port, destination);
	uint32_t slot = berth_time_wait_find(space->time_wait, &tuple);

	if (slot == 0)
		return false;
	take_from_time_wait(space, slot);
	return true;
}

enum berth_connection_state berth_space_state(struct berth_space *space, unsigned port,
					      const struct berth_endpoint *destination)
{
	struct berth_tuple tuple = tuple_of(port, destination);

	if (berth_time_wait_find(space->time_wait, &tuple) != 0)
		return BERTH_TIME_WAIT;
	return berth_destinations_state(space->destinations, destination, port);
}

void berth_space_count(const struct berth_space *space, struct berth_space_counts *ret_counts)
{
	*ret_counts = (struct berth_space_counts){
		.ports = berth_port_set_count(&space->usable),
		.fresh = space->fresh.count,
		.waiting = berth_port_set_count(&space->waiting),
		.shareable = berth_port_set_count(&space->shareable),
		.time_wait = berth_time_wait_count(space->time_wait),
		.destinations = berth_destinations_count(space->destinations),
		.bitmaps = berth_destinations_bitmaps(space->destinations),
		.collisions = space->collisions,
		.evicted = space->evicted,
		.forgotten = berth_destinations_forgotten(space->destinations),
	};
	memcpy(ret_counts->verdicts, space->verdicts, sizeof(space->verdicts));
}

void berth_space_count_destination(struct berth_space *space, const struct berth_endpoint *destination,
				   struct berth_destination_counts *ret_counts)
{
	struct berth_destination_ports ports;

	berth_destinations_find(space->destinations, destination, &ports);
	ret_counts->live = ports.count - ports.time_wait;
	ret_counts->time_wait = ports.time_wait;
}
