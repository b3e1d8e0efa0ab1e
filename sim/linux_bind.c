/* SPDX-License-Identifier: MIT */
#include "sim/linux_bind.h"

unsigned sim_linux_bind_search(struct sim_ask *ask, unsigned low, unsigned high,
			       bool (*suits)(struct sim_ask *ask, unsigned port))
{
	unsigned remaining = high - low > 1 ? (high - low) & ~1u : 1;
	unsigned offset = berth_random_below(ask->random, remaining);

	/* Odd offsets, then even ones; a range of one port has only an even one. */
	for (unsigned parity = remaining > 1 ? 1 : 2; parity <= 2; parity++) {
		unsigned port = low + (parity == 1 ? offset | 1u : offset & ~1u);

		for (unsigned i = 0; i < remaining; i += 2, port += 2) {
			if (port >= high)
				port -= remaining;
			if (suits(ask, port))
				return port;
		}
	}
	return 0;
}
