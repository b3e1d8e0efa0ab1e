/* SPDX-License-Identifier: MIT */
#include "core/settings.h"

#include <stddef.h>

static const struct berth_setting settings[] = {
	{ "TcpTimedWaitDelay", "seconds", BERTH_TIMED_WAIT_DELAY_MIN, BERTH_TIMED_WAIT_DELAY_MAX,
	  BERTH_TIMED_WAIT_DELAY },
	{ "MaxFreeTWTcbs", "connections", BERTH_MAX_FREE_TW_TCBS_MIN, BERTH_MAX_FREE_TW_TCBS_MAX,
	  BERTH_MAX_FREE_TW_TCBS },
	{ "MaxUserPort", "port", BERTH_MAX_USER_PORT_MIN, BERTH_MAX_USER_PORT_MAX, BERTH_MAX_USER_PORT },
};

static char lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c;
}

static bool same_name(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

const struct berth_setting *berth_setting_find(const char *name)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (same_name(settings[i].name, name))
			return &settings[i];
	return NULL;
}

bool berth_setting_allows(const struct berth_setting *setting, uint64_t value)
{
	return value >= setting->min && value <= setting->max;
}

/* Reads one to five digits and moves *text behind them. False if there are none, or more. */
static bool read_port(const char **text, unsigned *ret_port)
{
	unsigned port = 0, digits = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		if (++digits > 5)
			return false;
		port = port * 10 + (unsigned)(**text - '0');
	}
	*ret_port = port;
	return digits > 0;
}

static bool is_user_port(unsigned port)
{
	return port >= BERTH_FIRST_USER_PORT && port <= BERTH_MAX_USER_PORT_MAX;
}

enum berth_reserved_verdict berth_reserved_ports_read(const char *text, unsigned *ret_first,
						      unsigned *ret_last)
{
	unsigned first, last;

	if (!read_port(&text, &first) || *text++ != '-' || !read_port(&text, &last) || *text != '\0')
		return BERTH_RESERVED_MALFORMED;
	if (!is_user_port(first) || !is_user_port(last))
		return BERTH_RESERVED_OUT_OF_RANGE;
	if (first > last)
		return BERTH_RESERVED_REVERSED;
	*ret_first = first;
	*ret_last = last;
	return BERTH_RESERVED_OK;
}
