/* SPDX-License-Identifier: MIT */
#include "daemon/pinned_json.h"

#include <arpa/inet.h>
#include <string.h>

#include "daemon/hooks.h"
#include "daemon/settings.h"
#include "host/address_text.h"
#include "host/clock.h"

json_t *ways_json(const struct pinned *pinned)
{
	json_t *ways = json_object();

	for (int way = 0; way < WIRE_WAYS; way++)
		json_object_set_new(ways, wire_way_name((enum wire_way)way),
				    json_integer((json_int_t)pinned->ways[way]));
	return ways;
}

static json_t *governed_json(const struct pinned *pinned)
{
	json_t *counts = json_object();

	for (int what = 0; what < WIRE_GOVERNED; what++)
		json_object_set_new(counts, wire_governed_name((enum wire_governed)what),
				    json_integer((json_int_t)pinned->governed[what]));
	return counts;
}

static json_t *in_force_json(const struct wire_settings *settings)
{
	return json_pack("{s:s, s:i}", "exhausted", settings_exhausted_name(settings), "withheld",
			 (int)settings_withheld(settings));
}

const char *pinned_remote_text(const struct pinned_exhaustion *exhaustion, char text[ENDPOINT_TEXT])
{
	struct berth_endpoint endpoint = { .port = ntohs((uint16_t)exhaustion->to.port_be) };

	memcpy(endpoint.address.bytes, exhaustion->to.address_be, sizeof(endpoint.address.bytes));
	return endpoint_text(&endpoint, text);
}

json_t *exhaustions_json(const struct pinned_reader *reader)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	unsigned count = pinned_exhaustions(reader, latest);
	json_t *all = json_array();
	uint64_t now = clock_ns();
	char text[ENDPOINT_TEXT];

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I, s:f}", "remote",
						     pinned_remote_text(&latest[i], text), "netns",
						     (json_int_t)latest[i].to.netns, "count",
						     (json_int_t)latest[i].noted.count, "collisions",
						     (json_int_t)latest[i].noted.collisions, "last_s",
						     (double)(now - latest[i].noted.last_ns) / 1e9));
	return all;
}

json_t *pinned_json(const struct pinned *pinned, const struct pinned_reader *reader)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:i, s:o?, s:o?, s:o?, s:o?}", "attached", 1, "version",
			 pinned->version, "build", pinned->build, "cgroup", pinned->cgroup, "hooks",
			 (int)pinned->hooks, "settings", reader ? in_force_json(&pinned->settings) : NULL,
			 "ways", reader ? ways_json(pinned) : NULL, "governor",
			 reader ? governed_json(pinned) : NULL, "ports_exhausted",
			 reader ? exhaustions_json(reader) : NULL);
}
