/* SPDX-License-Identifier: MIT */
#include "daemon/pinned_json.h"

#include "daemon/event.h"
#include "daemon/hooks.h"
#include "daemon/settings.h"
#include "host/address_text.h"
#include "host/clock.h"
#include "view/text.h"

json_t *ways_json(const struct pinned *pinned)
{
	json_t *ways = json_object();

	for (int hook = 0; hook < WIRE_HOOKS; hook++) {
		json_t *of_hook = json_object();

		for (int way = 0; way < WIRE_WAYS; way++)
			json_object_set_new(of_hook, wire_way_name((enum wire_way)way),
					    json_integer((json_int_t)pinned->ways[hook][way]));
		json_object_set_new(ways, wire_hook_name((enum wire_hook)hook), of_hook);
	}
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
	return json_pack("{s:s, s:s, s:i, s:i, s:i}", "policy", settings_policy_name(settings), "exhausted",
			 settings_exhausted_name(settings), "withheld", (int)settings_withheld(settings),
			 "excluded_cgroups", (int)settings->excluded_cgroups, "excluded_destinations",
			 (int)settings->excluded_destinations);
}

static json_t *number_or_null(uint32_t number)
{
	return number ? json_integer(number) : json_null();
}

/* What the governor holds TIME_WAIT to, if a daemon lives. */
static json_t *time_wait_json(const struct pinned *pinned)
{
	struct wire_settings nobody = { 0 };
	const struct wire_settings *settings = pinned->has_daemon ? &pinned->settings : &nobody;

	return json_pack("{s:o, s:o, s:b}", "max_free_tw_tcbs", number_or_null(settings->governed_cap),
			 "timed_wait_delay_s", number_or_null(settings->governed_delay_s), "timestamps_only",
			 (int)settings->governed_timestamps_only);
}

static json_t *events_json(const struct pinned_reader *reader)
{
	struct event latest[EVENTS_MAX];
	unsigned count = events_read(reader, latest);
	json_t *all = json_array();
	uint64_t now = clock_ns();
	char text[ENDPOINT_TEXT];

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(all, json_pack("{s:s, s:i, s:s, s:I, s:I, s:f, s:s}", "event",
						     event_name(latest[i].kind), "number",
						     (int)event_number(latest[i].kind), "remote",
						     event_remote_text(&latest[i].to, text), "netns",
						     (json_int_t)latest[i].to.netns, "count",
						     (json_int_t)latest[i].count, "last_s",
						     (double)(now - latest[i].last_ns) / 1e9, "advice",
						     event_advice(latest[i].kind)));
	return all;
}

static json_t *exhaustions_json(const struct pinned_reader *reader)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	unsigned count = pinned_exhaustions(reader, latest);
	json_t *all = json_array();
	uint64_t now = clock_ns();
	char text[ENDPOINT_TEXT];

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I, s:f}", "remote",
						     event_remote_text(&latest[i].to, text), "netns",
						     (json_int_t)latest[i].to.netns, "count",
						     (json_int_t)latest[i].noted.count, "collisions",
						     (json_int_t)latest[i].noted.collisions, "last_s",
						     (double)(now - latest[i].noted.last_ns) / 1e9));
	return all;
}

json_t *pinned_json(const struct pinned *pinned, const struct pinned_reader *reader)
{
	json_t *document = json_pack("{s:b, s:b, s:s, s:s, s:s, s:i}", "attached", 1, "daemon",
				     (int)pinned->has_daemon, "version", pinned->version, "build",
				     pinned->build, "cgroup", pinned->cgroup, "hooks", (int)pinned->hooks);
	const struct {
		const char *name;
		json_t *value;
	} counted[] = {
		{ "settings", reader ? in_force_json(&pinned->settings) : NULL },
		{ "ways", reader ? ways_json(pinned) : NULL },
		{ "time_wait", reader ? time_wait_json(pinned) : NULL },
		{ "governor", reader ? governed_json(pinned) : NULL },
		{ "events", reader ? events_json(reader) : NULL },
		{ "ports_exhausted", reader ? exhaustions_json(reader) : NULL },
	};

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		json_object_set_new(document, counted[i].name,
				    counted[i].value ? counted[i].value : json_null());
	return document;
}
