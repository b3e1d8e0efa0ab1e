/* SPDX-License-Identifier: MIT */
#include "daemon/api.h"

#include "daemon/pinned_json.h"
#include "host/address_text.h"
#include "host/clock.h"
#include "view/port_map.h"
#include "view/port_report.h"
#include "view/text.h"

static json_t *look_json(const struct recent_look *look)
{
	const struct view_snapshot *before = recent_look_before(look);

	return json_pack("{s:f, s:f, s:o?}", "age_s", (double)(clock_ns() - look->now.taken_ns) / 1e9,
			 "cpu_ms", (double)look->cost_ns / 1e6, "rates_over_s",
			 before ? json_real((double)(look->now.taken_ns - before->taken_ns) / 1e9) : NULL);
}

json_t *api_status(const struct recent_look *look, size_t most)
{
	struct port_report report;
	json_t *document;

	if (port_report_make(&report, &look->now, recent_look_before(look), most))
		return NULL;
	document = port_report_json(&report);
	port_report_free(&report);
	return document;
}

json_t *api_status_now(const struct recent_look *look, const struct pinned_reader *pinned)
{
	return json_pack("{s:o, s:o}", "kernel_mode", pinned_json(&pinned->pinned, pinned), "look",
			 look_json(look));
}

json_t *api_map_now(const struct recent_look *look)
{
	return json_pack("{s:o}", "look", look_json(look));
}

/* The letters of a map's uses, in their order: 'a' is VIEW_OUTSIDE. */
static char letter(unsigned use)
{
	return (char)('a' + use);
}

static json_t *uses_json(const struct view_port_map *map)
{
	uint32_t count[VIEW_PORT_USES];
	json_t *uses = json_array();

	view_port_map_count(map, count);
	for (unsigned use = 0; use < VIEW_PORT_USES; use++)
		json_array_append_new(uses, json_pack("{s:s#, s:s, s:I}", "letter", &(char){ letter(use) }, 1,
						      "use", view_port_use_name((enum view_port_use)use),
						      "ports", (json_int_t)count[use]));
	return uses;
}

json_t *api_map(const struct recent_look *look, const struct view_pair *pair)
{
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];
	static struct view_port_map map;
	static char ports[BERTH_PORTS];

	view_port_map(&look->now, pair, &map);
	for (unsigned port = 0; port < BERTH_PORTS; port++)
		ports[port] = letter(map.use[port]);
	return json_pack("{s:s?, s:s?, s:o, s:o, s:s#}", "remote",
			 pair ? endpoint_text(&pair->remote, remote) : NULL, "local",
			 pair ? address_text(&pair->local, local) : NULL, "range", range_json(&look->now),
			 "uses", uses_json(&map), "ports", ports, (int)BERTH_PORTS);
}
