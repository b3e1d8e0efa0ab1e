/* SPDX-License-Identifier: MIT
 *
 * The ports that may be handed out: those of the kernel's range that neither the kernel nor the settings
 * reserve.
 */
#ifndef BERTH_SUPERVISE_PORT_LIMITS_H
#define BERTH_SUPERVISE_PORT_LIMITS_H

#include "config/config.h"
#include "core/random.h"
#include "host/sysctl.h"

struct port_limits {
	struct port_sysctls sysctls;	/* reserved is what is withheld, too */
	struct berth_port_set withheld; /* by the settings: config_withheld_ports() */
	bool withholds;			/* it is not empty */
};

/* 0 or negative errno. The config is not kept. */
int port_limits_open(struct port_limits *limits, const struct config *config);

/* Reads the sysctls anew. Whether there is something new. */
bool port_limits_refresh(struct port_limits *limits);

/* One of the ports, each with the same chance; 0 if there is none. */
unsigned port_limits_any(const struct port_limits *limits, struct berth_random *random);

/* The next of the ports that follow each other, of those that are at least from. False: there are none. */
bool port_limits_next(const struct port_limits *limits, unsigned from, unsigned *ret_first,
		      unsigned *ret_last);

#endif
