/* SPDX-License-Identifier: MIT */
#include "cli/kernel_report.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/hooks.h"
#include "daemon/pins.h"
#include "daemon/settings.h"

json_t *ways_json(const struct pinned *pinned)
{
	json_t *ways = json_object();

	for (int way = 0; way < WIRE_WAYS; way++)
		json_object_set_new(ways, wire_way_name((enum wire_way)way),
				    json_integer((json_int_t)pinned->ways[way]));
	return ways;
}

static json_t *in_force_json(const struct wire_settings *settings)
{
	return json_pack("{s:s, s:i}", "exhausted", settings_exhausted_name(settings), "withheld",
			 (int)settings_withheld(settings));
}

json_t *kernel_report_json(void)
{
	struct pinned pinned;
	int error = pinned_read(PINS_DEFAULT, &pinned);

	if (error && error != -ESTALE)
		return json_pack("{s:o}", "attached", error == -ENOENT ? json_false() : json_null());
	return json_pack("{s:b, s:s, s:s, s:s, s:i, s:o?, s:o?}", "attached", 1, "version", pinned.version,
			 "build", pinned.build, "cgroup", pinned.cgroup, "hooks", (int)pinned.hooks,
			 "settings", error ? NULL : in_force_json(&pinned.settings), "ways",
			 error ? NULL : ways_json(&pinned));
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
