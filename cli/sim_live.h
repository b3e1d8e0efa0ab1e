/* SPDX-License-Identifier: MIT
 *
 * What this host does now, for berth sim --plan: its ports, and how often it connects where.
 */
#ifndef BERTH_CLI_SIM_LIVE_H
#define BERTH_CLI_SIM_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"

/* Linux keeps TIME_WAIT for so long (TCP_TIMEWAIT_LEN). */
#define SIM_LIVE_TIME_WAIT_S 60.0

struct sim_live {
	unsigned first, last, ports; /* ports: those in the range that are not reserved */
	unsigned addresses;	     /* local ones with a connection in TIME_WAIT */
	size_t time_wait;	     /* connections in it, from a port in the range */
	double *rate;		     /* closes a second to each destination, largest first */
	size_t destinations;
	struct berth_endpoint busiest; /* if there is any */
};

/* Reads the settings and, if asked, the kernel's connections in TIME_WAIT. 0 or negative errno. end frees. */
int sim_live_read(struct sim_live *ret_live, bool connections);
void sim_live_end(struct sim_live *live);

#endif
