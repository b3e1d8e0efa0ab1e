/* SPDX-License-Identifier: MIT
 *
 * The settings as such: what they are without a file, and what they say.
 */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number of the event in which Windows tells of a time-wait-collision. */
#define LISTEN_PORT 4227

#define KERNEL_DELAY_S 60u /* TCP_TIMEWAIT_LEN (include/net/tcp.h): compiled in */

static const char *const exhausted_names[] = {
	[CONFIG_EXHAUSTED_FAIL] = "fail",
	[CONFIG_EXHAUSTED_KERNEL] = "kernel",
	[CONFIG_EXHAUSTED_TAKE_OVER] = "take-over",
};

const char *config_exhausted_name(enum config_exhausted exhausted)
{
	assert((unsigned)exhausted < sizeof(exhausted_names) / sizeof(exhausted_names[0]));
	return exhausted_names[exhausted];
}

void config_set_defaults(struct config *ret_config)
{
	memset(ret_config, 0, sizeof(*ret_config));
	ret_config->policy = BERTH_POLICY_BERTH;
	ret_config->exhausted = CONFIG_EXHAUSTED_FAIL;
	ret_config->listen = (struct berth_endpoint){ berth_address_v4(0x7f000001), LISTEN_PORT };
}

void config_fault_line(const char *path, const struct config_fault *fault, char ret_line[CONFIG_LINE_SIZE])
{
	int length = snprintf(ret_line, CONFIG_LINE_SIZE, "%.300s:", path);

	if (fault->line != 0)
		length += snprintf(ret_line + length, CONFIG_LINE_SIZE - (size_t)length, "%u:", fault->line);
	snprintf(ret_line + length, CONFIG_LINE_SIZE - (size_t)length, " %s", fault->text);
}

bool config_read_settings(const char *path, struct config *ret_config, char ret_line[CONFIG_LINE_SIZE])
{
	const char *file = path ? path : CONFIG_DEFAULT_PATH;
	struct config_fault fault;
	size_t size;
	char *text = config_load(file, &size, &fault);
	bool good = text && config_read(text, size, ret_config, &fault);

	free(text);
	if (good)
		return true;
	if (!path && fault.error == ENOENT) {
		config_set_defaults(ret_config);
		return true;
	}
	config_fault_line(file, &fault, ret_line);
	return false;
}

bool config_next_ports(const struct berth_port_set *ports, unsigned from, unsigned *ret_first,
		       unsigned *ret_last)
{
	if (from >= BERTH_PORTS || !berth_port_set_next(ports, from, ret_first))
		return false;
	*ret_last = *ret_first;
	while (*ret_last + 1 < BERTH_PORTS && berth_port_set_contains(ports, *ret_last + 1))
		++*ret_last;
	return true;
}

void config_withheld_ports(const struct config *config, struct berth_port_set *ret_withheld)
{
	*ret_withheld = config->reserved_ports;
	if (config->max_user_port != 0)
		berth_port_set_add_range(ret_withheld, config->max_user_port + 1, BERTH_PORTS - 1);
}

uint32_t config_kept_away_s(const struct config *config)
{
	return config->timed_wait_delay > KERNEL_DELAY_S ? config->timed_wait_delay : 0;
}

const char *config_kept_away_price(const struct config *config, char *text)
{
	snprintf(
		text, CONFIG_PRICE_SIZE,
		"TcpTimedWaitDelay = %u: a port stays away from the destination of a connection closed here for %u "
		"seconds, even where timestamps would allow it sooner: no more than one connection a port and "
		"destination in that time; the kernel's own 60 usually are enough",
		config_kept_away_s(config), config_kept_away_s(config));
	return text;
}

/* The ::/0 of IPv6 is not meant for IPv4, which it holds in its v4-mapped form. */
static bool matches(const struct config_destination *excluded, const struct berth_endpoint *destination)
{
	const uint8_t *left = excluded->address.bytes, *right = destination->address.bytes;
	unsigned whole = excluded->prefix / 8, bits = excluded->prefix % 8;

	if (berth_address_is_v4(&excluded->address) != berth_address_is_v4(&destination->address))
		return false;
	if (excluded->port != 0 && excluded->port != destination->port)
		return false;
	return memcmp(left, right, whole) == 0 &&
	       (bits == 0 || (left[whole] ^ right[whole]) >> (8 - bits) == 0);
}

bool config_excludes(const struct config *config, const struct berth_endpoint *destination)
{
	for (unsigned i = 0; i < config->exclude_destination_count; i++)
		if (matches(&config->exclude_destination[i], destination))
			return true;
	return false;
}
