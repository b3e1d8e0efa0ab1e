/* SPDX-License-Identifier: MIT */
#include "cli/kernel_report.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/hooks.h"
#include "daemon/pinned_json.h"
#include "daemon/pins.h"
#include "daemon/settings.h"
#include "host/address_text.h"
#include "host/clock.h"
#include "view/text.h"

static void print_exhaustions(const struct pinned_reader *reader)
{
	struct pinned_exhaustion latest[PINNED_EXHAUSTIONS];
	unsigned count = pinned_exhaustions(reader, latest);
	char to[ENDPOINT_TEXT], ago[VIEW_NUMBER_TEXT];

	for (unsigned i = 0; i < count; i++)
		printf("          ports ran out for %s: %llu calls, the last %s ago\n",
		       pinned_remote_text(&latest[i], to), (unsigned long long)latest[i].noted.count,
		       view_duration_text((double)(clock_ns() - latest[i].noted.last_ns) / 1e9, ago));
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

static void print_in_force(const struct pinned_reader *reader)
{
	const struct pinned *pinned = &reader->pinned;

	printf("          exhausted = %s, %u ports withheld by the settings\n",
	       settings_exhausted_name(&pinned->settings), settings_withheld(&pinned->settings));
	fputs("          answered:", stdout);
	for (int way = 0; way < WIRE_WAYS; way++)
		if (pinned->ways[way] > 0)
			printf(" %s %llu", wire_way_name((enum wire_way)way),
			       (unsigned long long)pinned->ways[way]);
	putchar('\n');
	print_governed(pinned);
	print_exhaustions(reader);
}

void kernel_report_print(void)
{
	struct pinned_reader reader;
	int error = pinned_open(PINS_DEFAULT, &reader);

	if (error == -ENOENT)
		puts("Kernel    berth daemon has attached nothing");
	else if (error && error != -ESTALE)
		puts("Kernel    only root can see whether berth daemon has attached something");
	else
		printf("Kernel    berth daemon %s steers %s\n", reader.pinned.version, reader.pinned.cgroup);
	if (error == 0) {
		print_in_force(&reader);
		pinned_close(&reader);
	} else if (error == -ESTALE) {
		puts("          another build of berth attached it, whose counters this one cannot read");
	}
}
