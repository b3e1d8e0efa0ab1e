/* SPDX-License-Identifier: MIT */
#include "config/values.h"

#include <stdarg.h>
#include <string.h>

#include "host/address_text.h"

const struct config_number config_numbers[CONFIG_NUMBERS] = {
	{ "TcpTimedWaitDelay", offsetof(struct config, timed_wait_delay), "the kernel's own 60" },
	{ "MaxFreeTWTcbs", offsetof(struct config, max_free_tw_tcbs), "no limit" },
	{ "MaxUserPort", offsetof(struct config, max_user_port), "the kernel's range" },
};

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool config_same_name(const char *left, const char *right)
{
	while (*left && lower(*left) == lower(*right)) {
		left++;
		right++;
	}
	return lower(*left) == lower(*right);
}

void config_printable(const char *text, char *ret_text, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && text[i]; i++)
		ret_text[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	ret_text[i] = '\0';
	if (text[i])
		memcpy(ret_text + size - 4, "...", 4);
}

bool config_refuse(struct config_fault *fault, unsigned line, const char *format, ...)
{
	char text[CONFIG_FAULT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fault->error = 0;
	fault->line = line;
	config_printable(text, fault->text, sizeof(fault->text));
	return false;
}

/* -1: no digit of that base. */
static int digit_of(char c, unsigned base)
{
	int digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (base == 16 && lower(c) >= 'a' && lower(c) <= 'f')
		digit = lower(c) - 'a' + 10;
	return digit;
}

bool config_parse_number(const char *text, uint32_t *ret_number)
{
	unsigned base = text[0] == '0' && lower(text[1]) == 'x' ? 16 : 10;
	uint64_t number = 0;

	text += base == 16 ? 2 : 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		int digit = digit_of(*text, base);

		if (digit < 0)
			return false;
		number = number * base + (unsigned)digit;
		if (number > UINT32_MAX)
			return false;
	}
	*ret_number = (uint32_t)number;
	return true;
}

/* The IPv4 or IPv6 address in length characters. How many bits such an address is written with; 0: none. */
static unsigned parse_address(const char *text, size_t length, struct berth_address *ret_address)
{
	char address[ENDPOINT_TEXT];

	if (length >= sizeof(address))
		return 0;
	memcpy(address, text, length);
	address[length] = '\0';
	if (!address_from_text(address, ret_address))
		return 0;
	return strchr(address, ':') ? 128 : 32;
}

/* An address, IPv6 in brackets wherever a port could be taken for its last part; what follows begins at
 * *ret_rest. Bits as above. */
static unsigned split_address(const char *text, struct berth_address *ret_address, const char **ret_rest)
{
	const char *colon = strchr(text, ':');
	size_t length = strcspn(text, "/");
	unsigned bits;

	if (*text == '[') {
		length = strcspn(text, "]");
		*ret_rest = text + length + 1;
		bits = text[length] ? parse_address(text + 1, length - 1, ret_address) : 0;
		return bits == 128 ? bits : 0;
	}
	if (colon && !strchr(colon + 1, ':')) /* only one: IPv4 and a port */
		length = strcspn(text, "/:");
	*ret_rest = text + length;
	return parse_address(text, length, ret_address);
}

/* ":443", and nothing behind it. */
static bool parse_port(const char *text, uint16_t *ret_port)
{
	uint32_t port;

	if (*text != ':' || !config_parse_number(text + 1, &port) || port == 0 || port >= BERTH_PORTS)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

bool config_parse_endpoint(const char *text, struct berth_endpoint *ret_endpoint)
{
	struct berth_endpoint endpoint;
	const char *rest;

	if (split_address(text, &endpoint.address, &rest) == 0 || !parse_port(rest, &endpoint.port))
		return false;
	*ret_endpoint = endpoint;
	return true;
}

/* Whether every bit behind the prefix is 0. */
static bool is_prefix(const struct config_destination *destination)
{
	for (unsigned bit = destination->prefix; bit < 128; bit++)
		if (destination->address.bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* "/24" of an address with so many bits. Moves *text behind it. */
static bool parse_prefix(const char **text, unsigned bits, uint8_t *ret_prefix)
{
	size_t length = strcspn(*text + 1, ":");
	char number[4];
	uint32_t prefix;

	if (length >= sizeof(number))
		return false;
	memcpy(number, *text + 1, length);
	number[length] = '\0';
	if (!config_parse_number(number, &prefix) || prefix > bits)
		return false;
	*ret_prefix = (uint8_t)(128 - bits + prefix);
	*text += 1 + length;
	return true;
}

bool config_parse_destination(const char *text, struct config_destination *ret_destination)
{
	struct config_destination destination = { .prefix = 128 };
	const char *rest;
	unsigned bits = split_address(text, &destination.address, &rest);

	if (bits == 0)
		return false;
	if (*rest == '/' && !parse_prefix(&rest, bits, &destination.prefix))
		return false;
	if (*rest && !parse_port(rest, &destination.port))
		return false;
	if (!is_prefix(&destination))
		return false;
	*ret_destination = destination;
	return true;
}

bool config_is_loopback(const struct berth_address *address)
{
	static const struct berth_address v6 = { { [15] = 1 } };

	return berth_address_is_v4(address) ? berth_address_to_v4(address) >> 24 == 127
					    : berth_address_equal(address, &v6);
}

const char *config_destination_text(const struct config_destination *destination,
				    char text[CONFIG_DESTINATION_TEXT])
{
	bool v4 = berth_address_is_v4(&destination->address);
	char address[ENDPOINT_TEXT], port[sizeof(":65535")] = "";

	address_text(&destination->address, address);
	if (destination->port != 0)
		snprintf(port, sizeof(port), ":%u", destination->port);
	snprintf(text, CONFIG_DESTINATION_TEXT, v4 ? "%.45s/%d%s" : "[%.45s]/%d%s", address,
		 destination->prefix - (v4 ? 96 : 0), port);
	return text;
}
