/* SPDX-License-Identifier: MIT */
#include "daemon/port_events.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/event.h"
#include "daemon/hooks.h"
#include "daemon/say.h"
#include "host/address_text.h"
#include "host/clock.h"

#define SAY_EVERY_NS (60 * 1000000000ull)

void port_events_init(struct port_events *events, const char *dir, const void *variables)
{
	*events = (struct port_events){ .dir = dir, .variables = variables, .begun_ns = clock_ns() };
	events->exhausted = ways_sum(hooks_ways(variables), WIRE_EXHAUSTED);
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

static void say_event(const struct wire_destination *to, enum event_kind kind, uint64_t count)
{
	char text[ENDPOINT_TEXT];

	if (count == 0)
		return;
	event_remote_text(to, text);
	say("%s (%u): %s: %llu calls of connect() %s: %s; 'berth explain %s'", event_name(kind),
	    event_number(kind), text, (unsigned long long)count, event_finding(kind), event_advice(kind),
	    text);
}

static void see(struct port_events *events, const struct pinned_exhaustion *one, uint64_t now_ns)
{
	struct port_events_said *said;
	uint64_t collisions;

	if (one->noted.last_ns < events->begun_ns)
		return;
	said = said_of(events, &one->to);
	if (said->said_ns != 0 && (now_ns - said->said_ns < SAY_EVERY_NS || one->noted.count <= said->count))
		return;
	collisions = one->noted.collisions - said->collisions;
	say_event(&one->to, EVENT_PORTS_EXHAUSTED, one->noted.count - said->count - collisions);
	say_event(&one->to, EVENT_TIME_WAIT_COLLISION, collisions);
	said->count = one->noted.count;
	said->collisions = one->noted.collisions;
	said->said_ns = now_ns;
}

void port_events_look(struct port_events *events)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	uint64_t now_ns = clock_ns(), exhausted = ways_sum(hooks_ways(events->variables), WIRE_EXHAUSTED);
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
