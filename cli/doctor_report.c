/* SPDX-License-Identifier: MIT */
#include "cli/doctor_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/command.h"

static const struct {
	const char *name, *title;
} groups[DOCTOR_GROUPS] = {
	[DOCTOR_SUPERVISE] = { "supervise", "supervise mode (berth run)" },
	[DOCTOR_KERNEL] = { "kernel", "kernel mode (berth daemon, berth run --mode=kernel)" },
	[DOCTOR_SETTINGS] = { "settings", "settings of this network namespace" },
};

static const char *const verdict_names[] = {
	[DOCTOR_YES] = "yes", [DOCTOR_LESS] = "less", [DOCTOR_NO] = "no",
	[DOCTOR_OK] = "ok",   [DOCTOR_TRAP] = "trap",
};

int doctor_report_begin(struct doctor_report *report)
{
	*report = (struct doctor_report){ .checks = json_array() };
	return report->checks ? 0 : -ENOMEM;
}

void doctor_report_end(struct doctor_report *report)
{
	json_decref(report->checks);
}

void doctor_add(struct doctor_report *report, enum doctor_group group, const char *name,
		enum doctor_verdict verdict, const char *format, ...)
{
	va_list arguments;
	char text[320];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_array_append_new(report->checks,
			      json_pack("{s:s, s:s, s:s, s:s}", "group", groups[group].name, "name", name,
					"verdict", verdict_names[verdict], "text", text));
	report->missing[group] |= verdict == DOCTOR_NO;
	report->traps += verdict == DOCTOR_TRAP;
}

void doctor_add_feature(struct doctor_report *report, enum doctor_group group, const char *name, bool there,
			enum doctor_verdict otherwise, const char *if_there, const char *if_not)
{
	doctor_add(report, group, name, there ? DOCTOR_YES : otherwise, "%s", there ? if_there : if_not);
}

static bool is_of(const json_t *check, enum doctor_group group)
{
	return strcmp(json_string_value(json_object_get(check, "group")), groups[group].name) == 0;
}

static json_t *report_json(const struct doctor_report *report, const bool looked_at[DOCTOR_GROUPS])
{
	struct utsname kernel = { 0 };
	json_t *modes = json_object();

	uname(&kernel);
	for (int group = 0; group < DOCTOR_SETTINGS; group++)
		if (looked_at[group])
			json_object_set_new(modes, groups[group].name, json_boolean(!report->missing[group]));
	return json_pack("{s:s, s:s, s:O, s:o, s:i}", "berth", BERTH_VERSION, "kernel", kernel.release,
			 "checks", report->checks, "modes", modes, "traps", (int)report->traps);
}

static void print_group(const struct doctor_report *report, enum doctor_group group)
{
	const json_t *check;
	size_t i;

	printf("%s\n", groups[group].title);
	json_array_foreach(report->checks, i, check) {
		if (is_of(check, group))
			printf("  %-4s  %-28s  %s\n", json_string_value(json_object_get(check, "verdict")),
			       json_string_value(json_object_get(check, "name")),
			       json_string_value(json_object_get(check, "text")));
	}
	putchar('\n');
}

static void print_text(const struct doctor_report *report, const bool looked_at[DOCTOR_GROUPS])
{
	for (int group = 0; group < DOCTOR_GROUPS; group++)
		if (looked_at[group])
			print_group(report, (enum doctor_group)group);
	for (int group = 0; group < DOCTOR_SETTINGS; group++)
		if (looked_at[group])
			printf("%s mode: %s. ", groups[group].name, report->missing[group] ? "no" : "yes");
	printf("traps: %u.\n", report->traps);
}

void doctor_print(const struct doctor_report *report, const bool looked_at[DOCTOR_GROUPS], bool as_json)
{
	if (as_json)
		print_json(report_json(report, looked_at), JSON_INDENT(2));
	else
		print_text(report, looked_at);
}
