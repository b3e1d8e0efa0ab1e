/* SPDX-License-Identifier: MIT */
#include "cli/kernel_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/paragraph.h"
#include "daemon/event.h"
#include "daemon/hooks.h"
#include "daemon/pinned_json.h"
#include "daemon/pins.h"
#include "daemon/settings.h"
#include "host/address_text.h"
#include "host/clock.h"
#include "view/text.h"

/* The texts' column, and the events that are shown; --json has more. */
#define INDENT	     10
#define EVENTS_SHOWN 5u

static unsigned long long count_of(const struct pinned *pinned, enum wire_governed what)
{
	return pinned->governed[what];
}

static void print_event(const struct event *event)
{
	char to[ENDPOINT_TEXT], ago[VIEW_NUMBER_TEXT], calls[VIEW_NUMBER_TEXT];

	print_paragraph(stdout, INDENT, "", "%u %s: %s: %s %s, the last %s ago", event_number(event->kind),
			event_name(event->kind), event_remote_text(&event->to, to),
			view_number_text(event->count, calls), event->count == 1 ? "call" : "calls",
			view_duration_text((double)(clock_ns() - event->last_ns) / 1e9, ago));
}

static void print_events(const struct pinned_reader *reader)
{
	struct event latest[EVENTS_MAX];
	unsigned count = events_read(reader, latest);
	bool has_kind[EVENT_KINDS] = { false };

	puts(count ? "Events" : "Events    none");
	for (unsigned i = 0; i < count; i++) {
		has_kind[latest[i].kind] = true;
		if (i < EVENTS_SHOWN)
			print_event(&latest[i]);
	}
	if (count > EVENTS_SHOWN)
		printf("%*sand %u less recent\n", INDENT, "", count - EVENTS_SHOWN);
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		if (has_kind[kind])
			print_paragraph(stdout, INDENT, "", "%u: %s", event_number(kind), event_advice(kind));
}

json_t *kernel_report_json(void)
{
	struct pinned_reader reader;
	int error = pinned_open(PINS_DEFAULT, &reader);
	json_t *report;

	if (error && error != -ESTALE)
		return json_pack("{s:o}", "attached", error == -ENOENT ? json_false() : json_null());
	if (error)
		return pinned_json(&reader.pinned, NULL);
	report = pinned_json(&reader.pinned, &reader);
	pinned_close(&reader);
	return report;
}

/* What the settings hold TIME_WAIT to, and what came of it. */
static void print_governed(const struct pinned *pinned)
{
	const struct wire_settings *settings = &pinned->settings;
	char text[256] = "";
	int length = 0;

	if (pinned->has_daemon && settings->governed_cap)
		length += snprintf(text, sizeof(text), "MaxFreeTWTcbs %u, ", settings->governed_cap);
	if (pinned->has_daemon && settings->governed_delay_s)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "TcpTimedWaitDelay %u s, ",
				   settings->governed_delay_s);
	if (length == 0 && pinned->governed[WIRE_ENTERED] == 0 && pinned->governed[WIRE_KEPT] == 0)
		return;
	print_paragraph(
		stdout, INDENT, "",
		"TIME_WAIT: %s%llu ended early by MaxFreeTWTcbs, %llu by TcpTimedWaitDelay (%llu of them "
		"late), %llu spared, of %llu",
		length ? text : "not governed now, ", count_of(pinned, WIRE_ENDED_CAP),
		count_of(pinned, WIRE_ENDED_DELAY), count_of(pinned, WIRE_ENDED_LATE),
		count_of(pinned, WIRE_SPARED), count_of(pinned, WIRE_ENTERED));
}

static void print_ways(const struct pinned *pinned)
{
	char text[512] = "answered:";
	size_t length = strlen(text);

	for (int way = 0; way < WIRE_WAYS; way++) {
		uint64_t count = ways_sum(pinned->ways, (enum wire_way)way);

		if (count > 0)
			length += (size_t)snprintf(text + length, sizeof(text) - length, " %s %llu",
						   wire_way_name((enum wire_way)way),
						   (unsigned long long)count);
	}
	print_paragraph(stdout, INDENT, "", "%s",
			length > strlen("answered:") ? text : "answered: nothing yet");
}

static void print_in_force(const struct pinned_reader *reader)
{
	const struct pinned *pinned = &reader->pinned;

	printf("%*spolicy = %s, exhausted = %s, %u ports withheld by the settings%s\n", INDENT, "",
	       settings_policy_name(&pinned->settings), settings_exhausted_name(&pinned->settings),
	       settings_withheld(&pinned->settings), pinned->has_daemon ? "" : "; no daemon runs");
	if (pinned->settings.excluded_cgroups + pinned->settings.excluded_destinations > 0)
		printf("%*sexcluded: cgroups %u, destinations %u\n", INDENT, "",
		       pinned->settings.excluded_cgroups, pinned->settings.excluded_destinations);
	print_ways(pinned);
	print_governed(pinned);
	print_events(reader);
}

void kernel_report_print(void)
{
	struct pinned_reader reader;
	int error = pinned_open(PINS_DEFAULT, &reader);

	if (error == -ENOENT)
		puts("Mode      stock: berth daemon has attached nothing, and so notes no events");
	else if (error && error != -ESTALE)
		puts("Mode      unknown: only root can see what berth daemon has attached, counted and noted");
	else
		printf("Mode      kernel: berth daemon %s steers %s\n", reader.pinned.version,
		       reader.pinned.cgroup);
	if (error == 0) {
		print_in_force(&reader);
		pinned_close(&reader);
	} else if (error == -ESTALE) {
		puts("          another build of berth attached it, whose counters this one cannot read");
	}
}
