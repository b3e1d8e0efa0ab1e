/* SPDX-License-Identifier: MIT */
#include "view/snapshot.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/port_word.h"
#include "host/clock.h"
#include "host/socket_table.h"

#define FIRST_ROWS 1024u

/* A look under way. */
struct look {
	struct view_snapshot *to;
	uint32_t room; /* rows allocated */
	int error;
	struct berth_port_set unsure;	     /* what the iterators said nothing of */
	const struct berth_port_set *wanted; /* of a dump; NULL: all */
};

static int make_room(struct look *look)
{
	struct view_row *row;
	uint32_t room = look->room ? look->room * 2 : FIRST_ROWS;

	if (look->to->rows < look->room)
		return 0;
	row = realloc(look->to->row, room * sizeof(*row));
	if (!row)
		return -ENOMEM;
	look->to->row = row;
	look->room = room;
	return 0;
}

static void see_connection(struct look *look, const struct socket_entry *entry)
{
	struct view_snapshot *to = look->to;
	uint32_t number = view_pair_index_add(&to->destinations, &entry->local.address, &entry->remote);

	if (number == VIEW_NO_PAIR || make_room(look)) {
		look->error = -ENOMEM;
		return;
	}
	to->row[to->rows++] = (struct view_row){
		.destination = number,
		.inode = entry->inode,
		.uid = entry->uid,
		.remaining_ms = entry->remaining_ms,
		.port = entry->local.port,
		.state = entry->tcp_state,
	};
}

static bool is_in_range(const struct view_snapshot *to, unsigned port)
{
	return port >= to->ports.first && port <= to->ports.last;
}

static void see(void *context, const struct socket_entry *entry)
{
	struct look *look = context;
	struct view_snapshot *to = look->to;

	if (look->error || (look->wanted && !berth_port_set_contains(look->wanted, entry->local.port)))
		return;
	if (entry->state == SOCKET_HELD) {
		berth_port_set_add(&to->held, entry->local.port);
		if (entry->tcp_state == TCP_LISTEN)
			berth_port_set_add(&to->listening, entry->local.port);
	} else if (berth_port_set_contains(&to->listening, entry->local.port)) {
		to->inbound += is_in_range(to, entry->local.port);
	} else {
		see_connection(look, entry);
	}
}

static void see_listener(void *context, unsigned port, uint32_t connections)
{
	struct look *look = context;

	berth_port_set_add(&look->to->held, port);
	berth_port_set_add(&look->to->listening, port);
	if (is_in_range(look->to, port))
		look->to->inbound += connections;
}

static void see_unsure(void *context, unsigned port)
{
	berth_port_set_add(&((struct look *)context)->unsure, port);
}

typedef int ask_sock_diag(struct socket_table *table, unsigned first, unsigned last);

static int ask_for_all(struct socket_table *table, unsigned first, unsigned last)
{
	return bound_sockets_are_possible() ? socket_table_dump(table, AF_UNSPEC, first, last)
					    : socket_table_dump_used(table, first, last);
}

static int dump(struct look *look, ask_sock_diag *ask, unsigned first, unsigned last)
{
	char piece[SOCKET_TABLE_LARGEST_PIECE] __attribute__((aligned(8)));
	struct socket_table table = { 0 };
	int status = socket_table_open(&table);

	if (!status)
		status = ask(&table, first, last);
	if (!status)
		status = 1;
	while (status > 0) {
		int size = socket_table_receive(&table, piece, sizeof(piece));

		status = size < 0 ? size : socket_table_read(piece, (size_t)size, see, look);
	}
	socket_table_close(&table);
	return status ? status : look->error;
}

static int dump_unsure(struct look *look, ask_sock_diag *ask)
{
	unsigned count = berth_port_set_count(&look->unsure);

	if (count == 0)
		return 0;
	look->wanted = &look->unsure;
	return dump(look, ask, berth_port_set_select(&look->unsure, 0),
		    berth_port_set_select(&look->unsure, count - 1));
}

/* Asks sock_diag for what the iterators said nothing of. What is on a listener's port outside of the range is nobody's
 * business. */
static int settle_unsure(struct look *look)
{
	int error = dump_unsure(look, socket_table_dump_listeners);

	for (unsigned port = 0; !error && port < BERTH_PORTS; port++)
		if (berth_port_set_contains(&look->unsure, port) &&
		    berth_port_set_contains(&look->to->listening, port) && !is_in_range(look->to, port))
			berth_port_set_remove(&look->unsure, port);
	return error ? error : dump_unsure(look, ask_for_all);
}

/* Reads the iterators. */
static int read_owners(struct look *look, bool all, const struct port_owners *owners)
{
	const struct port_owners_reader reader = { look, see, see_listener, see_unsure };
	int error = port_owners_read(owners, all, &reader);

	if (!error)
		error = settle_unsure(look);
	look->to->source = VIEW_BIND_TABLE;
	return error ? error : look->error;
}

static void find_usable(struct view_snapshot *to)
{
	berth_port_set_add_range(&to->usable, to->ports.first, to->ports.last);
	for (unsigned port = to->ports.first; port <= to->ports.last; port++)
		if (berth_port_set_contains(&to->ports.reserved, port) ||
		    berth_port_set_contains(&to->held, port))
			berth_port_set_remove(&to->usable, port);
}

static int count_rows(struct view_snapshot *to)
{
	to->count = calloc(to->destinations.count ? to->destinations.count : 1, sizeof(*to->count));
	if (!to->count)
		return -ENOMEM;
	for (uint32_t i = 0; i < to->rows; i++) {
		struct view_count *count = &to->count[to->row[i].destination];

		if (!is_in_range(to, to->row[i].port))
			continue;
		to->begun++;
		to->reached += count->begun++ == 0;
		if (!berth_port_set_contains(&to->usable, to->row[i].port))
			continue;
		if (to->row[i].state == TCP_TIME_WAIT)
			count->waiting++;
		else
			count->used++;
	}
	return 0;
}

static int look(struct view_snapshot *to, enum view_scope scope, const struct port_owners *owners)
{
	struct look look = { .to = to };
	int error = port_sysctls_read(&to->ports);

	if (!error)
		error = reuse_sysctls_read(&to->reuse);
	if (!error)
		error = socket_totals_read(&to->totals);
	if (!error)
		error = view_pair_index_init(&to->destinations);
	if (error)
		return error;
	to->taken_ns = clock_ns();
	if (owners)
		error = read_owners(&look, scope == VIEW_ALL, owners);
	else if (scope == VIEW_ALL)
		error = dump(&look, ask_for_all, 0, BERTH_PORTS - 1);
	else
		error = dump(&look, ask_for_all, to->ports.first, to->ports.last);
	if (error)
		return error;
	find_usable(to);
	return count_rows(to);
}

int view_look(struct view_snapshot *ret_snapshot, enum view_scope scope, const struct port_owners *owners)
{
	struct view_snapshot *seen = calloc(1, sizeof(*seen)); /* large for a stack */
	bool through_owners = port_owners_are_there(owners, scope == VIEW_ALL);
	int error = seen ? look(seen, scope, through_owners ? owners : NULL) : -ENOMEM;

	if (error && seen && through_owners) { /* sock_diag can what they cannot */
		view_free(seen);
		error = look(seen, scope, NULL);
	}
	if (error)
		view_free(seen);
	else
		*ret_snapshot = *seen;
	free(seen);
	return error;
}

const char *view_source_name(enum view_source source)
{
	return source == VIEW_BIND_TABLE ? "bind-table" : "sock-diag";
}

void view_free(struct view_snapshot *snapshot)
{
	if (!snapshot)
		return;
	view_pair_index_free(&snapshot->destinations);
	free(snapshot->count);
	free(snapshot->row);
	*snapshot = (struct view_snapshot){ 0 };
}

uint32_t view_free_ports(const struct view_snapshot *snapshot, const struct view_count *count)
{
	uint32_t on_ports = count->used + count->waiting;
	uint32_t usable = berth_port_set_count(&snapshot->usable);

	return on_ports < usable ? usable - on_ports : 0; /* a socket can be dumped twice */
}

static uint32_t taken(const struct view_snapshot *snapshot, uint32_t number)
{
	return snapshot->count[number].used + snapshot->count[number].waiting;
}

static bool is_fuller(const struct view_snapshot *snapshot, uint32_t a, uint32_t b)
{
	if (taken(snapshot, a) != taken(snapshot, b))
		return taken(snapshot, a) > taken(snapshot, b);
	return memcmp(&snapshot->destinations.pair[a], &snapshot->destinations.pair[b],
		      sizeof(struct view_pair)) < 0;
}

size_t view_fullest(const struct view_snapshot *snapshot, size_t most, uint32_t *ret_number)
{
	size_t found = 0;

	for (uint32_t number = 0; number < snapshot->destinations.count; number++) {
		size_t place = found;

		if (snapshot->count[number].begun == 0)
			continue;
		while (place > 0 && is_fuller(snapshot, number, ret_number[place - 1]))
			place--;
		if (place == most)
			continue;
		if (found < most)
			found++;
		memmove(ret_number + place + 1, ret_number + place,
			(found - place - 1) * sizeof(*ret_number));
		ret_number[place] = number;
	}
	return found;
}

/* Counts connections by local address into *ret_rows, which has room for as many as there are destinations. */
static int count_by_address(const struct view_snapshot *snapshot, struct view_pair_index *index,
			    uint32_t *ret_rows)
{
	static const struct berth_endpoint nobody;

	for (uint32_t i = 0; i < snapshot->destinations.count; i++) {
		uint32_t number = view_pair_index_add(index, &snapshot->destinations.pair[i].local, &nobody);

		if (number == VIEW_NO_PAIR)
			return -ENOMEM;
		ret_rows[number] += snapshot->count[i].begun;
	}
	return 0;
}

int view_busiest_addresses(const struct view_snapshot *snapshot, size_t most,
			   struct berth_address *ret_address)
{
	struct view_pair_index index = { 0 };
	uint32_t *rows = calloc(snapshot->destinations.count + 1, sizeof(*rows));
	int error = rows ? view_pair_index_init(&index) : -ENOMEM;
	size_t found = 0;

	if (!error)
		error = count_by_address(snapshot, &index, rows);
	for (; !error && found < most; found++) {
		uint32_t busiest = 0;

		for (uint32_t number = 1; number < index.count; number++)
			if (rows[number] > rows[busiest])
				busiest = number;
		if (index.count == 0 || rows[busiest] == 0)
			break;
		ret_address[found] = index.pair[busiest].local;
		rows[busiest] = 0;
	}
	view_pair_index_free(&index);
	free(rows);
	return error ? error : (int)found;
}

uint32_t view_fresh_ports(const struct view_snapshot *snapshot, const struct berth_address *local,
			  struct berth_port_set *ret_ports)
{
	uint64_t taken[BERTH_PORTS / 64] = { 0 };
	uint32_t fresh = 0;

	for (uint32_t i = 0; i < snapshot->rows; i++) {
		const struct view_row *row = &snapshot->row[i];

		if (berth_address_equal(&snapshot->destinations.pair[row->destination].local, local))
			taken[row->port / 64] |= 1ull << row->port % 64;
	}
	for (unsigned word = 0; word < BERTH_PORTS / 64; word++)
		fresh += berth_word_count(snapshot->usable.word[word] & ~taken[word]);
	if (!ret_ports)
		return fresh;
	*ret_ports = snapshot->usable;
	for (unsigned port = 0; port < BERTH_PORTS; port++)
		if (taken[port / 64] >> port % 64 & 1)
			berth_port_set_remove(ret_ports, port);
	return fresh;
}
