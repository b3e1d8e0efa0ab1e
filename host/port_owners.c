/* SPDX-License-Identifier: MIT */
#include "host/port_owners.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/port_owner.h"

/* The records of one port, until it is known that they stand. */
struct port {
	const struct port_owners_reader *reader;
	const struct wire_port_owner *first;
	unsigned count;
	uint64_t tick_ns; /* a jiffy */
};

static enum socket_state state_of(const struct wire_port_owner *record)
{
	if (record->state == WIRE_OWNER_BOUND)
		return SOCKET_HELD;
	return record->state == TCP_TIME_WAIT ? SOCKET_TIME_WAIT : SOCKET_CONNECTED;
}

/* As jiffies_delta_to_msecs(); negative: it is over. */
static uint32_t milliseconds(uint32_t jiffies, uint64_t tick_ns)
{
	return (int32_t)jiffies > 0 ? (uint32_t)(jiffies * tick_ns / 1000000u) : 0;
}

static void see_owners(const struct port *port)
{
	for (unsigned i = 0; i < port->count; i++) {
		const struct wire_port_owner *record = &port->first[i];
		struct socket_entry entry = {
			.state = state_of(record),
			.tcp_state = record->state,
			.local.port = record->local_port,
			.remote.port = record->remote_port,
			.remaining_ms = milliseconds(record->number, port->tick_ns),
		};

		memcpy(entry.local.address.bytes, record->local_be, sizeof(record->local_be));
		memcpy(entry.remote.address.bytes, record->remote_be, sizeof(record->remote_be));
		port->reader->see(port->reader->context, &entry);
	}
}

static void finish_port(struct port *port, const struct wire_port_owner *closing)
{
	const struct port_owners_reader *reader = port->reader;

	if (!closing)
		see_owners(port);
	else if (closing->state == WIRE_OWNER_LISTENERS)
		reader->see_listener(reader->context, closing->local_port, closing->number);
	else
		reader->see_unsure(reader->context, closing->local_port);
	port->count = 0;
}

/* A piece has whole stretches. */
static void read_piece(struct port *port, const struct wire_port_owner *record, size_t count)
{
	port->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (port->count > 0 && record[i].local_port != port->first->local_port)
			finish_port(port, NULL);
		if (record[i].state >= WIRE_OWNER_LISTENERS) {
			finish_port(port, &record[i]);
		} else {
			if (port->count == 0)
				port->first = &record[i];
			port->count++;
		}
	}
	finish_port(port, NULL);
}

int port_owners_read(const struct port_owners *owners, bool all, const struct port_owners_reader *reader)
{
	_Alignas(8) char piece[WIRE_STRETCH_BYTES];
	int iterator = bpf_iter_create(all ? owners->all_link : owners->range_link);
	struct port port = { .reader = reader };
	struct timespec tick;
	ssize_t size;

	if (iterator < 0)
		return -errno;
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick); /* which goes by jiffies */
	port.tick_ns = (uint64_t)tick.tv_nsec;
	while ((size = read(iterator, piece, sizeof(piece))) > 0)
		read_piece(&port, (const void *)piece, (size_t)size / sizeof(struct wire_port_owner));
	if (size < 0)
		size = -errno;
	close(iterator);
	return (int)size;
}

void port_owners_close(struct port_owners *owners)
{
	if (owners->range_link > 0)
		close(owners->range_link);
	if (owners->all_link > 0)
		close(owners->all_link);
	*owners = (struct port_owners){ 0 };
}
