/* SPDX-License-Identifier: MIT */
#include "supervise/port_limits.h"

/* The kernel's reserved ports go to those withheld, not the other way round: they are fewer, as a rule. */
static int read_sysctls(const struct port_limits *limits, struct port_sysctls *ret_sysctls)
{
	struct berth_port_set reserved = limits->withheld;
	unsigned first, last;
	int error = port_sysctls_read(ret_sysctls);

	if (error || !limits->withholds)
		return error;
	for (unsigned port = 0; config_next_ports(&ret_sysctls->reserved, port, &first, &last);
	     port = last + 1)
		berth_port_set_add_range(&reserved, first, last);
	ret_sysctls->reserved = reserved;
	return 0;
}

int port_limits_open(struct port_limits *limits, const struct config *config)
{
	config_withheld_ports(config, &limits->withheld);
	limits->withholds = berth_port_set_count(&limits->withheld) > 0;
	return read_sysctls(limits, &limits->sysctls);
}

bool port_limits_refresh(struct port_limits *limits)
{
	struct port_sysctls read;

	if (read_sysctls(limits, &read) < 0 || port_sysctls_equal(&read, &limits->sysctls))
		return false;
	limits->sysctls = read;
	return true;
}

/* How many ports below port are not reserved. */
static unsigned usable_below(const struct port_sysctls *sysctls, unsigned port)
{
	return port - berth_port_set_rank(&sysctls->reserved, port);
}

unsigned port_limits_any(const struct port_limits *limits, struct berth_random *random)
{
	const struct port_sysctls *sysctls = &limits->sysctls;
	unsigned below = usable_below(sysctls, sysctls->first);
	unsigned usable = usable_below(sysctls, sysctls->last + 1) - below;

	if (usable == 0)
		return 0;
	return berth_port_set_select_absent(&sysctls->reserved, below + berth_random_below(random, usable));
}

bool port_limits_next(const struct port_limits *limits, unsigned from, unsigned *ret_first,
		      unsigned *ret_last)
{
	const struct port_sysctls *sysctls = &limits->sysctls;
	unsigned reserved;

	from = from > sysctls->first ? from : sysctls->first;
	if (from > sysctls->last || usable_below(sysctls, sysctls->last + 1) == usable_below(sysctls, from))
		return false;
	*ret_first = berth_port_set_select_absent(&sysctls->reserved, usable_below(sysctls, from));
	*ret_last = sysctls->last;
	if (berth_port_set_next(&sysctls->reserved, *ret_first, &reserved) && reserved <= sysctls->last)
		*ret_last = reserved - 1;
	return true;
}
