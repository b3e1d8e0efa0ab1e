/* SPDX-License-Identifier: MIT
 *
 * A stream of operations on a port space that is too small for what it is told: destinations, bitmaps and
 * TIME_WAIT overflow all the time. The caller knows its connections, as a kernel does; the space may forget
 * them, but the numbers must fit together, a pick must keep its promise, and what is released must be had.
 *
 *	build/tests/fuzz/port_space_fuzz -max_total_time=60
 */
#include "core/port_space.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define FIRST  500u
#define LAST   563u

static const struct berth_space_limits limits = {
	.destinations = 3, .bitmaps = 1, .time_wait = 40, .ipv6 = true
};
static _Alignas(64) uint8_t memory[1800 << 10];
static uint32_t holders[BERTH_PORTS]; /* that do not share */
static bool live[BERTH_PORTS][8];     /* the truth */
static uint32_t max_tcbs;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct berth_endpoint endpoint_of(uint8_t byte)
{
	struct berth_endpoint endpoint = { berth_address_v4(byte & 3u), (uint16_t)(byte >> 2 & 1) };

	if (byte & 1)
		endpoint.address.bytes[0] = 0xfe;
	return endpoint;
}

static void check_numbers(const struct berth_space *space)
{
	struct berth_space_counts counts;

	berth_space_count(space, &counts);
	require(counts.fresh + counts.shareable <= counts.ports);
	require(counts.waiting <= counts.shareable);
	require(counts.time_wait <= limits.time_wait);
	require(counts.waiting <= counts.time_wait);
	require(counts.destinations <= limits.destinations);
	require(counts.bitmaps <= limits.bitmaps);
}

static void check_pick(struct berth_space *space, const struct berth_endpoint *destination, uint64_t now_ns,
		       enum berth_policy policy)
{
	struct berth_space_counts before;
	enum berth_verdict verdict;
	unsigned port = 0;

	berth_space_expire(space, now_ns);
	berth_space_count(space, &before);
	verdict = berth_space_pick(space, destination, now_ns, &port);
	require((verdict == BERTH_ALL_RESERVED) == (before.ports == 0));
	if (!berth_verdict_has_port(verdict)) {
		require(port == 0 && before.fresh == 0);
		return;
	}
	require(port >= FIRST && port <= LAST && holders[port] == 0);
	require(verdict != BERTH_FRESH || before.fresh != 0);
	require(policy == BERTH_POLICY_LEGACY || (verdict == BERTH_FRESH) == (before.fresh != 0));
	if (destination == NULL || policy != BERTH_POLICY_BERTH)
		return;
	if (verdict == BERTH_WAITING)
		require(berth_space_state(space, port, destination) == BERTH_TIME_WAIT);
	if (verdict == BERTH_FRESH)
		for (unsigned i = 0; i < 8; i++)
			require(!live[port][i]);
	if (verdict == BERTH_SHARED)
		require(berth_space_state(space, port, destination) == BERTH_NO_CONNECTION);
}

static void set_range(struct berth_space *space, uint8_t a, uint8_t b)
{
	static struct berth_port_set reserved;
	unsigned first = FIRST + a % 64u, last = FIRST + b % 64u;

	memset(&reserved, 0, sizeof(reserved));
	for (unsigned port = FIRST; port <= LAST; port += 1 + a % 5u)
		berth_port_set_add(&reserved, port);
	berth_space_set_range(space, first < last ? first : last, first < last ? last : first,
			      b & 0x80 ? &reserved : NULL);
}

static void act(struct berth_space *space, uint8_t what, uint8_t a, uint8_t b, uint64_t now_ns)
{
	struct berth_endpoint endpoint = endpoint_of(a);
	/* Some outside the range. */
	unsigned port = FIRST - 4 + b % 80u;
	bool *is_live = &live[port][a & 7];

	switch (what) {
	case 0:
		if (*is_live || berth_space_connect(space, port, &endpoint, now_ns) != BERTH_CONNECTED)
			break;
		require(berth_space_state(space, port, &endpoint) == BERTH_LIVE);
		*is_live = true;
		break;
	case 1:
		if (*is_live)
			require(berth_space_release(space, port, &endpoint));
		*is_live = false;
		require(berth_space_state(space, port, &endpoint) != BERTH_LIVE);
		break;
	case 2:
		if (!*is_live)
			break;
		require(berth_space_close(space, port, &endpoint, now_ns));
		require(berth_space_state(space, port, &endpoint) ==
			(max_tcbs != 0 ? BERTH_TIME_WAIT : BERTH_NO_CONNECTION));
		*is_live = false;
		break;
	case 3:
		if (!*is_live)
			berth_space_observe_time_wait(space, port, &endpoint,
						      now_ns - (a & 0x80 ? SECOND : 0));
		break;
	case 4:
		berth_space_refuse(space, port, a & 0x80 ? NULL : &endpoint, now_ns);
		break;
	case 5:
		berth_space_leave_time_wait(space, port, &endpoint);
		break;
	case 6:
		holders[port] += !(a & 1);
		berth_space_hold(space, port, a & 1);
		break;
	case 7:
		if (berth_space_unhold(space, port, a & 1))
			holders[port] -= !(a & 1);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[BERTH_SEED_BYTES] = { 7 };
	enum berth_policy policy = BERTH_POLICY_BERTH;
	uint64_t now_ns = 1000 * SECOND;
	struct berth_space *space;

	memset(memory, 0, berth_space_size(&limits));
	memset(holders, 0, sizeof(holders));
	memset(live, 0, sizeof(live));
	space = berth_space_init(memory, sizeof(memory), &limits, key);
	require(space != NULL);
	berth_space_set_range(space, FIRST, LAST, NULL);
	berth_space_set_policy(space, policy);
	max_tcbs = limits.time_wait;
	berth_space_set_time_wait(space, 60 * SECOND, max_tcbs);
	for (; size >= 3; data += 3, size -= 3) {
		struct berth_endpoint endpoint = endpoint_of(data[1]);

		switch (data[0] & 15) {
		default:
			act(space, data[0] & 7, data[1], data[2], now_ns);
			break;
		case 11:
			if (data[1] != 7)
				break;
			berth_space_clear(space);
			memset(holders, 0, sizeof(holders));
			memset(live, 0, sizeof(live));
			break;
		case 12:
			now_ns += data[1] * (data[2] * SECOND / 64);
			break;
		case 13:
			if (data[0] & 16)
				set_range(space, data[1], data[2]);
			policy = (enum berth_policy)(data[0] >> 5 > 2 ? 0 : data[0] >> 5);
			berth_space_set_policy(space, policy);
			break;
		case 14:
			max_tcbs = data[2];
			berth_space_set_time_wait(space, data[1] * SECOND, max_tcbs);
			break;
		case 15:
			check_pick(space, data[1] & 0x80 ? NULL : &endpoint, now_ns, policy);
			break;
		}
		check_numbers(space);
	}
	return 0;
}
