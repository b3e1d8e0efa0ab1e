/* SPDX-License-Identifier: MIT
 *
 * berth detach: takes away what a daemon has attached.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "daemon/detach.h"
#include "daemon/pinned_json.h"
#include "daemon/pins.h"

static const char help[] =
	"Usage: berth detach [--pin=DIR] [--json]\n"
	"Removes what a berth daemon has attached and kept, at once and also under load. No daemon is needed; one\n"
	"that runs ends. Needs root.\n\n"
	"  --pin=DIR              where it is kept; the default is /sys/fs/bpf/berth\n"
	"  --json                 print one object: pin, cgroup (null: nothing was attached), hooks[], maps[], and\n"
	"                         ways (how often each program answered which way; null: another build's)\n"
	"  -h, --help             this text\n";

enum {
	OPTION_PIN = OPTION_OWN
};

static const struct option long_options[] = {
	{ "pin", required_argument, NULL, OPTION_PIN },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct request {
	const char *pin;
	bool json;
};

static int take_option(int option, void *context)
{
	struct request *request = context;

	if (option == OPTION_PIN)
		request->pin = optarg;
	else
		request->json = true;
	return -1;
}

static const struct command_options command_options = {
	"detach", help, ":h", long_options, "'berth detach --help' shows how", take_option
};

static void note(void *context, enum detached kind, const char *name)
{
	json_array_append_new(json_object_get(context, kind == DETACHED_HOOK ? "hooks" : "maps"),
			      json_string(name));
}

static void print_names(const json_t *report, const char *kind)
{
	const json_t *names = json_object_get(report, kind);
	const json_t *name;
	size_t i;

	printf("%zu %s (", json_array_size(names), kind);
	json_array_foreach(names, i, name) {
		printf("%s%s", i > 0 ? " " : "", json_string_value(name));
	}
	putchar(')');
}

static json_int_t sum_of_programs(json_t *ways, const char *way)
{
	const char *program;
	json_int_t sum = 0;
	json_t *counts;

	json_object_foreach(ways, program, counts) {
		sum += json_integer_value(json_object_get(counts, way));
	}
	return sum;
}

static void print_counts(json_t *ways)
{
	json_t *some = json_object_iter_value(json_object_iter(ways)), *count;
	const char *name;

	if (!json_is_object(ways))
		return;
	fputs("calls were answered:", stdout);
	json_object_foreach(some, name, count) {
		json_int_t sum = sum_of_programs(ways, name);

		if (sum > 0)
			printf(" %s %" JSON_INTEGER_FORMAT, name, sum);
	}
	putchar('\n');
}

static void print_text(const json_t *report, const char *pin)
{
	const json_t *cgroup = json_object_get(report, "cgroup");

	if (json_is_null(cgroup)) {
		printf("nothing is attached: no %s\n", pin);
		return;
	}
	printf("removed from %s: ", json_string_value(cgroup));
	print_names(report, "hooks");
	fputs(", ", stdout);
	print_names(report, "maps");
	printf(", and %s\n", pin);
	print_counts(json_object_get(report, "ways"));
}

static json_t *begin_report(const char *pin)
{
	struct pinned pinned;
	int error = pinned_read(pin, &pinned);

	return json_pack("{s:s, s:s?, s:[], s:[], s:o?}", "pin", pin, "cgroup",
			 *pinned.cgroup ? pinned.cgroup : NULL, "hooks", "maps", "ways",
			 error ? NULL : ways_json(&pinned)); /* which go with the maps */
}

int command_detach(int argc, char **argv)
{
	struct request request = { .pin = PINS_DEFAULT };
	struct trouble trouble = { "" };
	json_t *report;
	bool done;
	int status = read_options(&command_options, argc, argv, &request);

	if (status >= 0)
		return status;
	if (strlen(request.pin) > PINS_DIR_MAX)
		return usage_error("detach", "--pin: too long");
	report = begin_report(request.pin);
	done = detach(request.pin, note, report, &trouble);
	if (!done)
		failure("detach", "%s", trouble.text);
	else if (request.json)
		print_json(json_incref(report), JSON_INDENT(2));
	else
		print_text(report, request.pin);
	json_decref(report);
	return done ? EXIT_OK : EXIT_FAILED;
}
