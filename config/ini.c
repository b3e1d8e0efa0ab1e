/* SPDX-License-Identifier: MIT
 *
 * Reads a berth.conf through libinih.
 *
 * Theory of operation
 *
 * libinih splits lines into section, name and value. It asks for one line at a time, so who hands them out
 * knows which one each value is from, and the line that is too long for it, which it would take for two, is
 * refused here. Each name has a function that takes its value; the first fault ends the file.
 *
 * A line that begins with a blank continues the value above it: libinih then reports the name once more. So
 * a list may go on in this way, or by its name again, while anything else may be set only once.
 */
#include <ini.h>
#include <string.h>

#include "config/values.h"

#define ITEM_SIZE (CONFIG_PATH_SIZE + 1)

struct reading {
	const char *next, *end; /* what is still to be read */
	unsigned line;		/* of the file, from 1: the one being read */
	bool failed;
	struct config_fault *fault;
	struct config config;
	unsigned *set_in_line; /* for each key; 0: not yet */
	unsigned listen_line;
};

struct key {
	const char *section, *name;
	bool is_list;
	bool (*take)(struct reading *reading, const struct key *key, const char *value);
};

/* -------------------------------------------------------------------------------------------------
 * Values
 */

static bool refuse(struct reading *reading, const struct key *key, const char *value, const char *allowed)
{
	return config_refuse(reading->fault, reading->line, "%s = %.*s: %s", key->name, 80, value, allowed);
}

static bool take_number(struct reading *reading, const struct key *key, const char *value)
{
	const struct berth_setting *setting = berth_setting_find(key->name);
	const struct config_number *number = config_numbers;
	uint32_t read;

	while (strcmp(number->name, key->name) != 0)
		number++;
	if (!config_parse_number(value, &read) || (read != 0 && !berth_setting_allows(setting, read)))
		return config_refuse(reading->fault, reading->line, "%s = %.80s: %s, %u to %u, or 0 for %s",
				     key->name, value, setting->unit, setting->min, setting->max,
				     number->allowed);
	config_number_set(&reading->config, number, read);
	return true;
}

/* The next item of a list, between commas and blanks; one too long for any value is cut, and stays too
 * long. False at the end of the list. */
static bool next_item(const char **list, char item[ITEM_SIZE])
{
	static const char between[] = ", \t";
	size_t length, kept;

	*list += strspn(*list, between);
	length = strcspn(*list, between);
	kept = length < ITEM_SIZE ? length : ITEM_SIZE - 1;
	memcpy(item, *list, kept);
	item[kept] = '\0';
	*list += length;
	return length > 0;
}

static bool take_reserved_ports(struct reading *reading, const struct key *key, const char *value)
{
	char item[ITEM_SIZE];
	unsigned first, last;

	while (next_item(&value, item)) {
		switch (berth_reserved_ports_read(item, &first, &last)) {
		case BERTH_RESERVED_OK:
			berth_port_set_add_range(&reading->config.reserved_ports, first, last);
			break;
		case BERTH_RESERVED_MALFORMED:
			return refuse(reading, key, item, "a list of 1433-1434; a single port is 4000-4000");
		case BERTH_RESERVED_REVERSED:
			return refuse(reading, key, item, "the first port is above the last");
		case BERTH_RESERVED_OUT_OF_RANGE:
			return refuse(reading, key, item, "ports are 1025 to 65534 here");
		}
	}
	return true;
}

static bool take_policy(struct reading *reading, const struct key *key, const char *value)
{
	return berth_policy_find(value, &reading->config.policy) ||
	       refuse(reading, key, value, "berth, sp1 or legacy");
}

static bool take_exhausted(struct reading *reading, const struct key *key, const char *value)
{
	enum config_exhausted *exhausted = &reading->config.exhausted;

	for (*exhausted = CONFIG_EXHAUSTED_FAIL; *exhausted <= CONFIG_EXHAUSTED_TAKE_OVER; ++*exhausted)
		if (strcmp(value, config_exhausted_name(*exhausted)) == 0)
			return true;
	return refuse(reading, key, value, "fail, kernel or take-over");
}

static bool take_timestamps_only(struct reading *reading, const struct key *key, const char *value)
{
	reading->config.time_wait_timestamps_only = strcmp(value, "yes") == 0;
	return reading->config.time_wait_timestamps_only || strcmp(value, "no") == 0 ||
	       refuse(reading, key, value, "yes or no");
}

static bool take_listen(struct reading *reading, const struct key *key, const char *value)
{
	reading->listen_line = reading->line;
	return config_parse_endpoint(value, &reading->config.listen) ||
	       refuse(reading, key, value, "an address and a port, 127.0.0.1:4227 or [::1]:4227");
}

static bool take_path(struct reading *reading, const struct key *key, const char *value,
		      char path[CONFIG_PATH_SIZE])
{
	if (value[0] != '/')
		return refuse(reading, key, value, "a path that begins with /");
	if (strlen(value) >= CONFIG_PATH_SIZE)
		return refuse(reading, key, value, "a path of at most 175 characters");
	config_printable(value, path, CONFIG_PATH_SIZE);
	return strcmp(value, path) == 0 || refuse(reading, key, value, "a path of ASCII characters");
}

static bool take_token_file(struct reading *reading, const struct key *key, const char *value)
{
	return take_path(reading, key, value, reading->config.token_file);
}

static bool take_cgroup(struct reading *reading, const struct key *key, const char *value)
{
	return take_path(reading, key, value, reading->config.cgroup);
}

static bool take_exclude_cgroup(struct reading *reading, const struct key *key, const char *value)
{
	struct config *config = &reading->config;
	char item[ITEM_SIZE];

	while (next_item(&value, item)) {
		if (config->exclude_cgroup_count == CONFIG_CGROUPS)
			return refuse(reading, key, item, "no more than 32 are possible");
		if (!take_path(reading, key, item, config->exclude_cgroup[config->exclude_cgroup_count]))
			return false;
		config->exclude_cgroup_count++;
	}
	return true;
}

static bool take_exclude_destination(struct reading *reading, const struct key *key, const char *value)
{
	struct config *config = &reading->config;
	char item[ITEM_SIZE];

	while (next_item(&value, item)) {
		unsigned *count = &config->exclude_destination_count;

		if (*count == CONFIG_DESTINATIONS)
			return refuse(reading, key, item, "no more than 256 are possible");
		if (!config_parse_destination(item, &config->exclude_destination[*count]))
			return refuse(reading, key, item,
				      "a list of address[/prefix][:port], with no bit set behind the prefix: "
				      "192.0.2.0/24, 192.0.2.7:443, 2001:db8::/32, [2001:db8::7]:443");
		++*count;
	}
	return true;
}

static const struct key keys[] = {
	{ "Parameters", "TcpTimedWaitDelay", false, take_number },
	{ "Parameters", "MaxFreeTWTcbs", false, take_number },
	{ "Parameters", "MaxUserPort", false, take_number },
	{ "Parameters", "ReservedPorts", true, take_reserved_ports },
	{ "Berth", "policy", false, take_policy },
	{ "Berth", "exhausted", false, take_exhausted },
	{ "Berth", "time-wait-timestamps-only", false, take_timestamps_only },
	{ "Berth", "listen", false, take_listen },
	{ "Berth", "token-file", false, take_token_file },
	{ "Berth", "cgroup", false, take_cgroup },
	{ "Berth", "exclude-cgroup", true, take_exclude_cgroup },
	{ "Berth", "exclude-destination", true, take_exclude_destination },
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* -------------------------------------------------------------------------------------------------
 * Lines
 */

static bool refuse_line(struct reading *reading, const char *why)
{
	reading->failed = true;
	return config_refuse(reading->fault, reading->line, "%s", why);
}

/* Whether the line is text that libinih takes as the one line it is. */
static bool is_fit(struct reading *reading, const char *line, size_t length, int size)
{
	if (length + 2 > (size_t)size) {
		reading->failed = true;
		return config_refuse(reading->fault, reading->line,
				     "is longer than %d characters; a list may go on in further lines",
				     size - 2);
	}
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\t' && line[i] != '\r')
			return refuse_line(reading, "is not text (the name of a registry file ends in .reg)");
	return true;
}

/* libinih's reader: like fgets(). */
static char *next_line(char *ret_line, int size, void *context)
{
	struct reading *reading = context;
	const char *line = reading->next, *newline;
	size_t length;

	if (reading->failed || line == reading->end)
		return NULL;
	reading->line++;
	newline = memchr(line, '\n', (size_t)(reading->end - line));
	length = (size_t)((newline ? newline : reading->end) - line);
	if (!is_fit(reading, line, length, size))
		return NULL;
	memcpy(ret_line, line, length);
	ret_line[length] = '\0';
	reading->next = line + length + (newline ? 1 : 0);
	return ret_line;
}

static bool refuse_name(struct reading *reading, const char *section, const char *name)
{
	char names[CONFIG_FAULT_SIZE];
	size_t length = 0;

	if (!*section)
		return config_refuse(reading->fault, reading->line,
				     "%s stands before the first section: [Parameters] or [Berth]", name);
	for (size_t i = 0; i < KEYS; i++)
		if (config_same_name(keys[i].section, section))
			length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
						   length > 0 ? ", " : "", keys[i].name);
	if (length == 0)
		return config_refuse(reading->fault, reading->line,
				     "[%s]: a section is [Parameters] or [Berth]", section);
	return config_refuse(reading->fault, reading->line, "%s is none of [%s]'s names: %s", name, section,
			     names);
}

static bool take(struct reading *reading, const char *section, const char *name, const char *value)
{
	const struct key *key = keys;
	unsigned *line;

	while (key < keys + KEYS &&
	       !(config_same_name(key->section, section) && config_same_name(key->name, name)))
		key++;
	if (key == keys + KEYS)
		return refuse_name(reading, section, name);
	line = &reading->set_in_line[key - keys];
	if (*line != 0 && !key->is_list)
		return config_refuse(
			reading->fault, reading->line,
			"%s was set in line %u (a line that begins with a blank continues the one above)",
			key->name, *line);
	*line = reading->line;
	return key->take(reading, key, value);
}

/* libinih's handler: not 0 where it may go on. */
static int take_value(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;

	reading->failed = reading->failed || !take(reading, section, name, value);
	return !reading->failed;
}

/* What no single line shows. */
static bool is_consistent(const struct reading *reading)
{
	const struct config *config = &reading->config;

	return config_is_loopback(&config->listen.address) || *config->token_file ||
	       config_refuse(
		       reading->fault, reading->listen_line,
		       "listen is no loopback address: whoever reaches it must know the token of a token-file");
}

bool config_read(const char *text, size_t size, struct config *ret_config, struct config_fault *ret_fault)
{
	unsigned set_in_line[KEYS] = { 0 };
	struct reading reading = {
		.next = text, .end = text + size, .fault = ret_fault, .set_in_line = set_in_line
	};
	int bad_line;

	config_set_defaults(&reading.config);
	bad_line = ini_parse_stream(next_line, &reading, take_value, &reading);
	if (bad_line < 0)
		return config_refuse(ret_fault, 0, "cannot be read: no memory");
	/* A line that is neither ends nothing, so a later one may have failed as well. */
	if (bad_line > 0 && (!reading.failed || (unsigned)bad_line < ret_fault->line))
		return config_refuse(ret_fault, (unsigned)bad_line,
				     "is neither a [section] nor NAME = VALUE; a comment begins with #");
	if (reading.failed || !is_consistent(&reading))
		return false;
	*ret_config = reading.config;
	return true;
}
