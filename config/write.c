/* SPDX-License-Identifier: MIT
 *
 * Settings as a berth.conf: each line short enough for libinih, each list over as many lines as it takes.
 */
#include <string.h>

#include "config/values.h"
#include "host/address_text.h"

#define RANGES_ON_A_LINE 8u

/* Writes "[Section]" before the first setting that a section has, and "Name = " before its value. */
struct writing {
	FILE *out;
	const char *section;
	const char *open; /* the section whose name was written last; NULL: none */
};

static void begin(struct writing *writing, const char *name)
{
	if (writing->open != writing->section)
		fprintf(writing->out, "%s[%s]\n", writing->open ? "\n" : "", writing->section);
	writing->open = writing->section;
	fprintf(writing->out, "%s = ", name);
}

static void put(struct writing *writing, const char *name, const char *value)
{
	begin(writing, name);
	fprintf(writing->out, "%s\n", value);
}

static void put_reserved_ports(struct writing *writing, const struct berth_port_set *ports)
{
	unsigned first, last, ranges = 0;

	for (unsigned port = 0; config_next_ports(ports, port, &first, &last); port = last + 1) {
		if (ranges % RANGES_ON_A_LINE == 0) {
			fputs(ranges ? "\n" : "", writing->out);
			begin(writing, "ReservedPorts");
		}
		fprintf(writing->out, "%s%u-%u", ranges % RANGES_ON_A_LINE ? ", " : "", first, last);
		ranges++;
	}
	fputs(ranges ? "\n" : "", writing->out);
}

static void put_parameters(struct writing *writing, const struct config *config)
{
	writing->section = "Parameters";
	for (unsigned i = 0; i < CONFIG_NUMBERS; i++) {
		uint32_t number = config_number_get(config, &config_numbers[i]);

		if (number != 0) {
			begin(writing, config_numbers[i].name);
			fprintf(writing->out, "%u\n", number);
		}
	}
	put_reserved_ports(writing, &config->reserved_ports);
}

static void put_berth(struct writing *writing, const struct config *config, const struct config *initial)
{
	char listen[ENDPOINT_TEXT], text[CONFIG_DESTINATION_TEXT];

	writing->section = "Berth";
	if (config->policy != initial->policy)
		put(writing, "policy", berth_policy_name(config->policy));
	if (config->exhausted != initial->exhausted)
		put(writing, "exhausted", config_exhausted_name(config->exhausted));
	if (config->time_wait_timestamps_only)
		put(writing, "time-wait-timestamps-only", "yes");
	if (!berth_endpoint_equal(&config->listen, &initial->listen))
		put(writing, "listen", endpoint_text(&config->listen, listen));
	if (*config->token_file)
		put(writing, "token-file", config->token_file);
	if (*config->cgroup)
		put(writing, "cgroup", config->cgroup);
	for (unsigned i = 0; i < config->exclude_cgroup_count; i++)
		put(writing, "exclude-cgroup", config->exclude_cgroup[i]);
	for (unsigned i = 0; i < config->exclude_destination_count; i++)
		put(writing, "exclude-destination",
		    config_destination_text(&config->exclude_destination[i], text));
}

bool config_write(const struct config *config, FILE *out)
{
	struct writing writing = { .out = out };
	struct config initial;

	config_set_defaults(&initial);
	put_parameters(&writing, config);
	put_berth(&writing, config, &initial);
	return writing.open != NULL;
}
