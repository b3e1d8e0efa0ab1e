/* SPDX-License-Identifier: MIT */
#include "cli/kernel_report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/hooks.h"
#include "daemon/pins.h"
#include "daemon/settings.h"
#include "view/text.h"

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

/* ---- where ports ran out ---- */

static const char *destination_text(const struct wire_destination *to, char text[VIEW_ENDPOINT_TEXT])
{
	struct berth_endpoint endpoint = { .port = ntohs((uint16_t)to->port_be) };

	memcpy(endpoint.address.bytes, to->address_be, sizeof(endpoint.address.bytes));
	return view_endpoint_text(&endpoint, text);
}

static double seconds_since(uint64_t then_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)then_ns / 1e9;
}

static json_t *exhaustions_json(void)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	unsigned count = pinned_exhaustions(PINS_DEFAULT, latest);
	json_t *all = json_array();
	char text[VIEW_ENDPOINT_TEXT];

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I, s:f}", "remote",
						     destination_text(&latest[i].to, text), "netns",
						     (json_int_t)latest[i].to.netns, "count",
						     (json_int_t)latest[i].noted.count, "collisions",
						     (json_int_t)latest[i].noted.collisions, "last_s",
						     seconds_since(latest[i].noted.last_ns)));
	return all;
}

static void print_exhaustions(void)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	unsigned count = pinned_exhaustions(PINS_DEFAULT, latest);
	char to[VIEW_ENDPOINT_TEXT], ago[VIEW_NUMBER_TEXT];

	for (unsigned i = 0; i < count; i++)
		printf("          ports ran out for %s: %llu calls, the last %s ago\n",
		       destination_text(&latest[i].to, to), (unsigned long long)latest[i].noted.count,
		       view_duration_text(seconds_since(latest[i].noted.last_ns), ago));
}

json_t *kernel_report_json(void)
{
	struct pinned pinned;
	int error = pinned_read(PINS_DEFAULT, &pinned);

	if (error && error != -ESTALE)
		return json_pack("{s:o}", "attached", error == -ENOENT ? json_false() : json_null());
	return json_pack("{s:b, s:s, s:s, s:s, s:i, s:o?, s:o?, s:o?, s:o?}", "attached", 1, "version",
			 pinned.version, "build", pinned.build, "cgroup", pinned.cgroup, "hooks",
			 (int)pinned.hooks, "settings", error ? NULL : in_force_json(&pinned.settings),
			 "ways", error ? NULL : ways_json(&pinned), "governor",
			 error ? NULL : governed_json(&pinned), "ports_exhausted",
			 error ? NULL : exhaustions_json());
}

static void print_governed(const struct pinned *pinned)
{
	if (pinned->governed[WIRE_ENTERED] == 0)
		return;
	fputs("          TIME_WAIT:", stdout);
	for (int what = 0; what < WIRE_GOVERNED; what++)
		if (pinned->governed[what] > 0)
			printf(" %s %llu", wire_governed_name((enum wire_governed)what),
			       (unsigned long long)pinned->governed[what]);
	putchar('\n');
}

static void print_in_force(const struct pinned *pinned)
{
	printf("          exhausted = %s, %u ports withheld by the settings\n",
	       settings_exhausted_name(&pinned->settings), settings_withheld(&pinned->settings));
	fputs("          answered:", stdout);
	for (int way = 0; way < WIRE_WAYS; way++)
		if (pinned->ways[way] > 0)
			printf(" %s %llu", wire_way_name((enum wire_way)way),
			       (unsigned long long)pinned->ways[way]);
	putchar('\n');
	print_governed(pinned);
	print_exhaustions();
}

void kernel_report_print(void)
{
	struct pinned pinned;
	int error = pinned_read(PINS_DEFAULT, &pinned);

	if (error == -ENOENT)
		puts("Kernel    berth daemon has attached nothing");
	else if (error && error != -ESTALE)
		puts("Kernel    only root can see whether berth daemon has attached something");
	else
		printf("Kernel    berth daemon %s steers %s\n", pinned.version, pinned.cgroup);
	if (error == 0)
		print_in_force(&pinned);
	else if (error == -ESTALE)
		puts("          another build of berth attached it, whose counters this one cannot read");
}
