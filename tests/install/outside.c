/* SPDX-License-Identifier: MIT
 *
 * A program outside of the tree, C and C++ alike: all it knows is what 'make install' installed.
 *
 * A host with a single port, by the rule of Server 2003 SP1: the port is fresh, then in use, then in TIME_WAIT
 * and given out as the last resort, and the same destination is a collision. Exit 0 if all of it is so.
 */
#include <berth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "outside: not so: %s\n", what);
	failures++;
}

static void walk(struct berth_space *space)
{
	struct berth_endpoint server;
	unsigned port = 0;

	server.address = berth_address_v4(0x7f000001);
	server.port = 80;
	berth_space_set_range(space, 4000, 4000, NULL);
	berth_space_set_policy(space, BERTH_POLICY_SP1);

	expect(berth_space_pick(space, NULL, 1, &port) == BERTH_FRESH && port == 4000, "4000 is fresh");
	expect(berth_space_connect(space, port, &server, 1) == BERTH_CONNECTED, "it connects");
	expect(berth_space_pick(space, NULL, 2, &port) == BERTH_EXHAUSTED, "no other port is left");
	expect(berth_space_close(space, port, &server, 3), "it closes first");
	expect(berth_space_pick(space, NULL, 4, &port) == BERTH_WAITING,
	       "the port in TIME_WAIT is given out");
	expect(berth_space_connect(space, port, &server, 4) == BERTH_TIME_WAIT_COLLISION, "and collides");
	server.port = 81;
	expect(berth_space_connect(space, port, &server, 5) == BERTH_CONNECTED,
	       "but not with another destination");
}

int main(void)
{
	static const uint8_t key[BERTH_SEED_BYTES] = { 1 };
	struct berth_space_limits limits;
	struct berth_space *space;
	size_t size;
	void *memory;

	memset(&limits, 0, sizeof(limits));
	limits.destinations = 4;
	limits.bitmaps = 1;
	limits.time_wait = 4;
	size = (berth_space_size(&limits) + 63) / 64 * 64;
	memory = aligned_alloc(64, size);
	if (!memory)
		return 1;
	memset(memory, 0, size);
	space = berth_space_init(memory, size, &limits, key);
	expect(space != NULL, "the space can be made");
	if (space)
		walk(space);
	free(memory);
	return failures ? 1 : 0;
}
