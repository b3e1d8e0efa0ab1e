/* SPDX-License-Identifier: MIT */
#include "daemon/governor_reading.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "host/clock.h"
#include "host/socket_table.h"

#define FIRST_ROOM 4096u
#define KERNEL_MS  60000u

void reading_add(struct reading *reading, const struct left_over *who, uint64_t since_ns, bool time_wait)
{
	size_t room = reading->room ? reading->room * 2 : FIRST_ROOM;
	struct reading_one *list = reading->list;

	if (reading->count == reading->room) {
		list = reallocarray(list, room, sizeof(*list));
		if (!list) {
			reading->failed = true;
			return;
		}
		reading->list = list;
		reading->room = room;
	}
	list[reading->count++] = (struct reading_one){ *who, since_ns, time_wait };
}

static void see(void *context, const struct socket_entry *entry)
{
	struct reading *reading = context;
	struct left_over who = { entry->local, entry->remote, entry->cookie, entry->interface, false };
	uint32_t age_ms = entry->remaining_ms < KERNEL_MS ? KERNEL_MS - entry->remaining_ms : 0;
	uint64_t since_ns;

	if (entry->remaining_ms == 0)
		return; /* a full socket, or one that is about to go */
	since_ns = waiting_entered(reading->known, entry->cookie);
	if (since_ns == 0)
		since_ns = reading->filled_ns - age_ms * 1000000ull;
	reading_add(reading, &who, since_ns, entry->tcp_state == TCP_TIME_WAIT);
}

static int compare(const void *a, const void *b)
{
	const struct reading_one *one = a, *other = b;

	return (one->since_ns > other->since_ns) - (one->since_ns < other->since_ns);
}

int reading_make(struct reading *reading, void (*meanwhile)(void *context), void *context)
{
	_Alignas(8) char piece[SOCKET_TABLE_LARGEST_PIECE];
	struct socket_table table = { 0 };
	int status = socket_table_open(&table);
	uint64_t next_filled_ns;

	if (status == 0)
		status = socket_table_dump_left(&table);
	if (status == 0)
		status = 1;
	next_filled_ns = clock_ns();
	while (status > 0) {
		/* The kernel wrote this piece when it was asked, or at the end of the last receive (netlink_recvmsg()). */
		reading->filled_ns = next_filled_ns;
		status = socket_table_receive(&table, piece, sizeof(piece));
		next_filled_ns = clock_ns();
		if (status >= 0)
			status = socket_table_read(piece, (size_t)status, see, reading);
		meanwhile(context);
	}
	socket_table_close(&table);
	if (status == 0 && reading->failed)
		status = -ENOMEM;
	if (status == 0 && reading->count > 0)
		qsort(reading->list, reading->count, sizeof(reading->list[0]), compare);
	return status;
}

void reading_free(struct reading *reading)
{
	free(reading->list);
	*reading = (struct reading){ 0 };
}
