/* SPDX-License-Identifier: MIT */
#include "cli/record_looks.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "host/clock.h"
#include "host/socket_table.h"
#include "view/snapshot.h"

/* What a look shows has happened. It is told in the order of time, which is not that of the dump. */
enum happened {
	HAS_BOUND,
	HAS_CONNECTED,
	HAS_CLOSED, /* and is in TIME_WAIT; that it had connected may not have been seen */
	HAS_GONE,
};

struct looks_item {
	uint64_t at_ns, cookie;
	struct view_pair pair;
	uint16_t port; /* bound to */
	uint8_t what;  /* enum happened */
	uint8_t state; /* TCP_ESTABLISHED ... */
};

static void add_item(struct record_looks *looks, const struct looks_item *item)
{
	if (looks->items == looks->room) {
		size_t room = looks->room ? looks->room * 2 : 1024;
		struct looks_item *more = realloc(looks->item, room * sizeof(*more));

		if (!more) {
			looks->error = -ENOMEM;
			return;
		}
		looks->item = more;
		looks->room = room;
	}
	looks->item[looks->items++] = *item;
}

/* The look has seen the socket. False if it was not known. */
static bool note(struct record_sockets *sockets, const struct record_looks *looks, uint64_t cookie,
		 uint8_t state)
{
	uint32_t number = record_sockets_find(sockets, cookie);

	if (number == RECORD_NO_SOCKET)
		return false;
	sockets->socket[number].seen = looks->look;
	sockets->socket[number].state = state;
	return true;
}

static bool is_connected(const struct record_sockets *sockets, uint64_t cookie)
{
	uint32_t number = record_sockets_find(sockets, cookie);

	return number != RECORD_NO_SOCKET && sockets->socket[number].what == RECORD_CONNECTED;
}

static void see_waiting(struct record_looks *looks, struct looks_item *item, uint32_t remaining_ms)
{
	uint64_t age_ms = remaining_ms < VIEW_TIME_WAIT_MS ? VIEW_TIME_WAIT_MS - remaining_ms : 0;

	if (note(&looks->waiting, looks, item->cookie, item->state))
		return;
	item->what = HAS_CLOSED;
	item->at_ns -= age_ms * 1000000;
	if (record_sockets_add(&looks->waiting, item->cookie, RECORD_BOUND) == RECORD_NO_SOCKET)
		looks->tape->sums.left_out++;
	note(&looks->waiting, looks, item->cookie, item->state);
	add_item(looks, item);
}

static void see(void *context, const struct socket_entry *entry)
{
	struct record_looks *looks = context;
	struct record_sockets *sockets = &looks->tape->sockets;
	struct looks_item item = { .at_ns = looks->now_ns,
				   .cookie = entry->cookie,
				   .pair = { entry->local.address, entry->remote },
				   .port = entry->local.port,
				   .what = entry->state == SOCKET_HELD ? HAS_BOUND : HAS_CONNECTED,
				   .state = entry->tcp_state };

	if (entry->tcp_state == TCP_LISTEN)
		berth_port_set_add(&looks->listening, entry->local.port);
	/* What the peer began takes no port from anybody (view/snapshot.h). */
	if (looks->error || entry->local.port == 0 || entry->tcp_state == TCP_STATE_NEW_SYN_RECV ||
	    (item.what != HAS_BOUND && berth_port_set_contains(&looks->listening, entry->local.port)))
		return;
	if (entry->state == SOCKET_TIME_WAIT)
		see_waiting(looks, &item, entry->remaining_ms);
	else if (!note(sockets, looks, entry->cookie, entry->tcp_state) ||
		 (item.what == HAS_CONNECTED && !is_connected(sockets, entry->cookie)))
		add_item(looks, &item);
}

static int dump(struct record_looks *looks)
{
	char piece[SOCKET_TABLE_LARGEST_PIECE] __attribute__((aligned(8)));
	struct socket_table table = { 0 };
	int status = socket_table_open(&table);

	if (!status)
		status = socket_table_dump(&table, AF_UNSPEC, 0, BERTH_PORTS - 1);
	if (!status)
		status = 1;
	while (status > 0) {
		int size = socket_table_receive(&table, piece, sizeof(piece));

		status = size < 0 ? size : socket_table_read(piece, (size_t)size, see, looks);
	}
	socket_table_close(&table);
	return status ? status : looks->error;
}

/* What this look has not seen. Reserved ports are no sockets, and seen by none. */
static void see_gone(struct record_looks *looks)
{
	const struct record_sockets *sockets = &looks->tape->sockets;

	for (uint32_t number = 0; number < sockets->numbers; number++) {
		const struct record_socket *socket = &sockets->socket[number];

		if (socket->what != RECORD_NOTHING && socket->seen != 0 && socket->seen != looks->look)
			add_item(looks, &(struct looks_item){ .at_ns = looks->now_ns,
							      .cookie = socket->cookie,
							      .what = HAS_GONE,
							      .state = socket->state });
	}
	for (uint32_t number = 0; number < looks->waiting.numbers; number++) {
		const struct record_socket *socket = &looks->waiting.socket[number];

		if (socket->what != RECORD_NOTHING && socket->seen != looks->look)
			record_sockets_remove(&looks->waiting, number);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct looks_item *one = a, *other = b;

	if (one->at_ns != other->at_ns)
		return one->at_ns < other->at_ns ? -1 : 1;
	return one->what - other->what;
}

/* Of what left no TIME_WAIT, the peer is taken to have closed first. */
static enum sim_closer closer_of(const struct looks_item *item)
{
	return item->state == TCP_SYN_SENT ? SIM_RESET : SIM_CLOSED_BY_PEER;
}

static void tell(struct record_looks *looks, const struct looks_item *item)
{
	struct tape *tape = looks->tape;

	/* A dump may show one that is about to close twice. */
	if (item->what == HAS_CONNECTED &&
	    record_sockets_find(&looks->waiting, item->cookie) != RECORD_NO_SOCKET)
		return;
	if (item->what == HAS_BOUND)
		tape_bind(tape, item->at_ns, item->cookie, item->port);
	else if (item->what != HAS_GONE)
		tape_connect(tape, item->at_ns, item->cookie, &item->pair);
	if (item->what == HAS_CLOSED)
		tape_end(tape, item->at_ns, item->cookie, SIM_CLOSED_HERE);
	else if (item->what == HAS_GONE)
		tape_end(tape, item->at_ns, item->cookie, closer_of(item));
	else
		note(&tape->sockets, looks, item->cookie, item->state);
}

int record_looks_take(struct record_looks *looks)
{
	int error;

	looks->items = 0;
	looks->look++;
	looks->now_ns = clock_ns();
	error = dump(looks);
	if (error)
		return error;
	see_gone(looks);
	if (looks->error)
		return looks->error;
	if (looks->items > 0)
		qsort(looks->item, looks->items, sizeof(*looks->item), by_time);
	for (size_t i = 0; i < looks->items; i++)
		tell(looks, &looks->item[i]);
	return 0;
}

void record_looks_free(struct record_looks *looks)
{
	record_sockets_free(&looks->waiting);
	free(looks->item);
	looks->item = NULL;
}
