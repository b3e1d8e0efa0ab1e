/* SPDX-License-Identifier: MIT */
#include "daemon/event.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hooks.h"

static const struct {
	unsigned number;
	const char *name, *finding, *advice;
} kinds[EVENT_KINDS] = {
	[EVENT_PORTS_EXHAUSTED] = { 4231, "ports-exhausted", "found every port in use",
				    "keep connections open and use them again, widen "
				    "net.ipv4.ip_local_port_range, or add addresses" },
	[EVENT_TIME_WAIT_COLLISION] = { 4227, "time-wait-collision",
					"found no port, and connections in TIME_WAIT in their way",
					"keep connections open and use them again, or let the far end close "
					"first" },
};

unsigned event_number(enum event_kind kind)
{
	return kinds[kind].number;
}

const char *event_name(enum event_kind kind)
{
	return kinds[kind].name;
}

const char *event_finding(enum event_kind kind)
{
	return kinds[kind].finding;
}

const char *event_advice(enum event_kind kind)
{
	return kinds[kind].advice;
}

const char *event_remote_text(const struct wire_destination *to, char text[ENDPOINT_TEXT])
{
	struct berth_endpoint endpoint = { .port = ntohs((uint16_t)to->port_be) };

	memcpy(endpoint.address.bytes, to->address_be, sizeof(endpoint.address.bytes));
	return endpoint_text(&endpoint, text);
}

static int compare_latest(const void *left, const void *right)
{
	const struct event *a = left, *b = right;

	return (a->last_ns < b->last_ns) - (a->last_ns > b->last_ns);
}

unsigned events_read(const struct pinned_reader *reader, struct event ret_latest[EVENTS_MAX])
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	unsigned destinations = pinned_exhaustions(reader, latest), count = 0;

	for (unsigned i = 0; i < destinations; i++) {
		const struct wire_exhaustion *noted = &latest[i].noted;
		const uint64_t counts[EVENT_KINDS] = { noted->count - noted->collisions, noted->collisions };

		for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
			if (counts[kind] > 0)
				ret_latest[count++] =
					(struct event){ (enum event_kind)kind, latest[i].to, counts[kind],
							noted->last_of_kind_ns[kind] };
	}
	qsort(ret_latest, count, sizeof(*ret_latest), compare_latest);
	return count;
}

uint64_t event_total(const struct pinned *pinned, enum event_kind kind)
{
	uint64_t collisions = ways_sum(pinned->ways, WIRE_COLLISION);

	return kind == EVENT_TIME_WAIT_COLLISION ? collisions
						 : ways_sum(pinned->ways, WIRE_EXHAUSTED) - collisions;
}
