/* SPDX-License-Identifier: MIT */
#include "daemon/port_events.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "core/address.h"
#include "daemon/hooks.h"
#include "daemon/pinned.h"
#include "daemon/say.h"
#include "host/address_text.h"
#include "host/clock.h"

#define SAY_EVERY_NS (60 * 1000000000ull)

void port_events_init(struct port_events *events, const char *dir, const void *variables)
{
	*events = (struct port_events){ .dir = dir, .variables = variables, .begun_ns = clock_ns() };
	events->exhausted = hooks_ways(variables)[WIRE_EXHAUSTED];
}

/* What is remembered of a destination; of a new one nothing, in the place of the one that was said longest ago. */
static struct port_events_said *said_of(struct port_events *events, const struct wire_destination *to)
{
	struct port_events_said *oldest = &events->said[0];

	for (unsigned i = 0; i < PORT_EVENTS_REMEMBERED; i++) {
		struct port_events_said *said = &events->said[i];

		if (said->said_ns != 0 && memcmp(&said->to, to, sizeof(*to)) == 0)
			return said;
		if (said->said_ns < oldest->said_ns)
			oldest = said;
	}
	*oldest = (struct port_events_said){ .to = *to };
	return oldest;
}

static void say_event(const struct wire_destination *to, uint64_t count, uint64_t collisions)
{
	struct berth_endpoint endpoint = { .port = ntohs((uint16_t)to->port_be) };
	char text[ENDPOINT_TEXT];

	memcpy(endpoint.address.bytes, to->address_be, sizeof(endpoint.address.bytes));
	endpoint_text(&endpoint, text);
	if (count > collisions)
		say("ports-exhausted (4231): %s: %llu calls of connect() found every port in use: keep connections open "
		    "and use them again, widen net.ipv4.ip_local_port_range, or add addresses; 'berth explain %s'",
		    text, (unsigned long long)(count - collisions), text);
	if (collisions > 0)
		say("time-wait-collision (4227): %s: %llu calls of connect() found no port, and connections in TIME_WAIT "
		    "in their way: keep connections open and use them again, or let the far end close first; 'berth explain %s'",
		    text, (unsigned long long)collisions, text);
}

static void see(struct port_events *events, const struct pinned_exhaustion *one, uint64_t now_ns)
{
	struct port_events_said *said;

	if (one->noted.last_ns < events->begun_ns)
		return;
	said = said_of(events, &one->to);
	if (said->said_ns != 0 && (now_ns - said->said_ns < SAY_EVERY_NS || one->noted.count <= said->count))
		return;
	say_event(&one->to, one->noted.count - said->count, one->noted.collisions - said->collisions);
	said->count = one->noted.count;
	said->collisions = one->noted.collisions;
	said->said_ns = now_ns;
}

void port_events_look(struct port_events *events)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	uint64_t now_ns = clock_ns(), exhausted = hooks_ways(events->variables)[WIRE_EXHAUSTED];
	struct pinned_reader reader;
	unsigned count;

	if (now_ns - events->looked_ns < PORT_EVENTS_EVERY_MS * 1000000ull)
		return;
	events->looked_ns = now_ns;
	/* What was put off for a minute is said when there is something new. */
	if (exhausted == events->exhausted || pinned_open(events->dir, &reader) < 0)
		return;
	events->exhausted = exhausted;
	count = pinned_exhaustions(&reader, latest);
	pinned_close(&reader);
	for (unsigned i = 0; i < count; i++)
		see(events, &latest[i], now_ns);
}
