/* SPDX-License-Identifier: MIT
 *
 * A stream of operations on a port set, each compared with a plain array.
 *
 *	build/tests/fuzz/port_set_fuzz -max_total_time=60
 */
#include "core/port_set.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct berth_port_set set;
static bool in[BERTH_PORTS];

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Everything that can be asked, for one port in 13, a different one each time. */
static void check(size_t salt)
{
	uint32_t rank = 0;

	for (unsigned port = 0; port < BERTH_PORTS; rank += in[port++]) {
		unsigned next = BERTH_PORTS;

		if (port % 13 != salt % 13)
			continue;
		require(berth_port_set_contains(&set, port) == in[port]);
		require(berth_port_set_rank(&set, port) == rank);
		if (in[port]) {
			require(berth_port_set_select(&set, rank) == port);
			require(berth_port_set_next(&set, port, &next) && next == port);
		} else {
			require(berth_port_set_select_absent(&set, port - rank) == port);
		}
	}
	require(berth_port_set_count(&set) == rank);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t salt = size / 4 + (size > 0 ? data[0] : 0);

	memset(&set, 0, sizeof(set));
	memset(in, 0, sizeof(in));
	for (; size >= 4; data += 4, size -= 4) {
		unsigned port = data[0] | (unsigned)data[1] << 8, more = data[2], last = port + more * 16;

		if (last >= BERTH_PORTS)
			last = BERTH_PORTS - 1;
		switch (data[3] % 3) {
		case 0:
			require(berth_port_set_add(&set, port) == !in[port]);
			in[port] = true;
			break;
		case 1:
			require(berth_port_set_remove(&set, port) == in[port]);
			in[port] = false;
			break;
		case 2:
			berth_port_set_add_range(&set, port, last);
			memset(&in[port], true, last - port + 1);
			break;
		}
	}
	check(salt);
	return 0;
}
