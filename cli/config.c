/* SPDX-License-Identifier: MIT
 *
 * berth config: checks a berth.conf, or makes one of what was exported from the registry of Windows.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/command.h"
#include "config/registry.h"
#include "host/address_text.h"

static const char help[] =
	"Usage: berth config [--json] FILE\n"
	"Checks FILE and prints, in the same form, what it sets other than by default. A FILE whose name ends\n"
	"in .reg is what was exported from the registry of Windows: prints the berth.conf that means the same,\n"
	"and a comment for each value that was not taken over.\n"
	"Exit status: 0 the file is good, 1 it is not, 2 usage. \"man berth.conf\" has the settings.\n"
	"\n"
	"--json prints one object:\n"
	"  Parameters        TcpTimedWaitDelay, MaxFreeTWTcbs, MaxUserPort (0: not set), and\n"
	"                    ReservedPorts[], each {first, last}\n"
	"  Berth             policy, exhausted, time-wait-timestamps-only, listen, token-file and cgroup\n"
	"                    (null: not set), exclude-cgroup[], exclude-destination[]\n"
	"  not_taken_over[]  of a .reg file: line, name, reason\n";

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* -------------------------------------------------------------------------------------------------
 * As JSON
 */

static json_t *ranges_to_json(const struct berth_port_set *ports)
{
	json_t *ranges = json_array();
	unsigned first, last;

	for (unsigned port = 0; config_next_ports(ports, port, &first, &last); port = last + 1)
		json_array_append_new(ranges, json_pack("{si si}", "first", first, "last", last));
	return ranges;
}

static json_t *path_to_json(const char *path)
{
	return *path ? json_string(path) : json_null();
}

static json_t *parameters_to_json(const struct config *config)
{
	return json_pack("{sI sI sI so}", "TcpTimedWaitDelay", (json_int_t)config->timed_wait_delay,
			 "MaxFreeTWTcbs", (json_int_t)config->max_free_tw_tcbs, "MaxUserPort",
			 (json_int_t)config->max_user_port, "ReservedPorts",
			 ranges_to_json(&config->reserved_ports));
}

static json_t *berth_to_json(const struct config *config)
{
	char listen[ENDPOINT_TEXT], text[CONFIG_DESTINATION_TEXT];
	json_t *cgroups = json_array(), *destinations = json_array();

	for (unsigned i = 0; i < config->exclude_cgroup_count; i++)
		json_array_append_new(cgroups, json_string(config->exclude_cgroup[i]));
	for (unsigned i = 0; i < config->exclude_destination_count; i++)
		json_array_append_new(destinations, json_string(config_destination_text(
							    &config->exclude_destination[i], text)));
	return json_pack("{ss ss sb ss so so so so}", "policy", berth_policy_name(config->policy),
			 "exhausted", config_exhausted_name(config->exhausted), "time-wait-timestamps-only",
			 config->time_wait_timestamps_only, "listen", endpoint_text(&config->listen, listen),
			 "token-file", path_to_json(config->token_file), "cgroup",
			 path_to_json(config->cgroup), "exclude-cgroup", cgroups, "exclude-destination",
			 destinations);
}

/* import is NULL for a berth.conf. */
static json_t *settings_to_json(const struct config *config, const struct registry_import *import)
{
	json_t *object = json_pack("{so so}", "Parameters", parameters_to_json(config), "Berth",
				   berth_to_json(config));
	json_t *notes = json_array();

	for (unsigned i = 0; import && i < import->note_count; i++)
		json_array_append_new(notes,
				      json_pack("{si ss ss}", "line", import->note[i].line, "name",
						import->note[i].name, "reason", import->note[i].reason));
	if (import)
		json_object_set(object, "not_taken_over", notes);
	json_decref(notes);
	return object;
}

/* -------------------------------------------------------------------------------------------------
 * As text
 */

static void print_settings(const struct config *config)
{
	if (!config_write(config, stdout))
		puts("# Every setting has its default.");
}

static void print_import(const struct registry_import *import)
{
	print_settings(&import->config);
	if (import->note_count > 0)
		puts("\n# Not taken over:");
	for (unsigned i = 0; i < import->note_count; i++)
		printf("# line %u: %s: %s\n", import->note[i].line, import->note[i].name,
		       import->note[i].reason);
}

static bool ends_in_reg(const char *path)
{
	size_t length = strlen(path);

	return length >= 4 && strcasecmp(path + length - 4, ".reg") == 0;
}

static int show(const char *path, bool json)
{
	static struct registry_import import;
	char line[CONFIG_LINE_SIZE];
	struct config_fault fault;
	bool registry = ends_in_reg(path), good;
	size_t size;
	char *text = config_load(path, &size, &fault);

	good = text && (registry ? registry_read(text, size, &import, &fault)
				 : config_read(text, size, &import.config, &fault));
	free(text);
	if (!good) {
		config_fault_line(path, &fault, line);
		return failure("config", "%s", line);
	}
	if (json)
		print_json(settings_to_json(&import.config, registry ? &import : NULL), JSON_INDENT(2));
	else if (registry)
		print_import(&import);
	else
		print_settings(&import.config);
	return EXIT_OK;
}

static int take_option(int option, void *json)
{
	*(bool *)json = option == OPTION_JSON;
	return -1;
}

static const struct command_options command_options = {
	"config", help, ":h", long_options, NULL, take_option
};

int command_config(int argc, char **argv)
{
	bool json = false;
	int status = read_options(&command_options, argc, argv, &json);

	if (status >= 0)
		return status;
	if (optind + 1 != argc)
		return usage_error("config", "one FILE is needed; 'berth config --help' shows how");
	return show(argv[optind], json);
}
