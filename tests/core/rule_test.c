/* SPDX-License-Identifier: MIT
 *
 * The rule of a port space as tables of acts: what is done, and what must come of it.
 */
#include "tests/core/test_space.h"

#define SECOND 1000000000ull

enum act {
	END,
	AT,	/* port: seconds */
	POLICY, /* wanted: policy */
	HOLD,
	UNHOLD,
	SHARE, /* hold, sharing */
	UNSHARE,
	CONNECT, /* wanted: connect verdict */
	RELEASE,
	CLOSE,
	OBSERVE,
	REFUSE,
	LEAVE,
	PICK, /* wanted: verdict; port: the only right answer, or 0 */
};

struct row {
	enum act act;
	unsigned port;
	char destination; /* 0: not known; 'a' and 'A' are the same, once as IPv4 and once v4-mapped */
	int wanted;
};

struct table {
	const char *name;
	unsigned first, last;
	unsigned reserved; /* one port, or 0 */
	struct row rows[24];
};

static const struct table tables[] = {
	{ "nothing but fresh ports",
	  1,
	  1,
	  0,
	  { { PICK, 1, 'a', BERTH_FRESH }, { PICK, 1, 0, BERTH_FRESH }, { PICK, 1, 'b', BERTH_FRESH } } },
	{ "a listener's port is never given",
	  1,
	  2,
	  0,
	  { { HOLD, 1, 0, 0 },
	    { PICK, 2, 'a', BERTH_FRESH },
	    { HOLD, 2, 0, 0 },
	    { PICK, 0, 'a', BERTH_EXHAUSTED },
	    { PICK, 0, 0, BERTH_EXHAUSTED },
	    { UNHOLD, 1, 0, true },
	    { UNHOLD, 1, 0, false },
	    { PICK, 1, 0, BERTH_FRESH } } },
	{ "fresh before shared before waiting, destination known",
	  1,
	  3,
	  0,
	  { { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CONNECT, 2, 'a', BERTH_CONNECTED },
	    { PICK, 3, 'a', BERTH_FRESH },
	    { CONNECT, 3, 'b', BERTH_CONNECTED },
	    { PICK, 3, 'a', BERTH_SHARED },
	    { CONNECT, 3, 'a', BERTH_CONNECTED },
	    { PICK, 0, 'a', BERTH_EXHAUSTED },
	    { PICK, 0, 'A', BERTH_EXHAUSTED },
	    { CLOSE, 2, 'a', true },
	    { PICK, 2, 'a', BERTH_WAITING },
	    { CLOSE, 1, 'a', true },
	    { PICK, 2, 'a', BERTH_WAITING },
	    { PICK, 0, 'c', BERTH_SHARED } } },
	{ "a port in TIME_WAIT with one destination is shared towards another",
	  1,
	  1,
	  0,
	  { { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CLOSE, 1, 'a', true },
	    { PICK, 1, 'b', BERTH_SHARED },
	    { CONNECT, 1, 'b', BERTH_CONNECTED },
	    { CONNECT, 1, 'A', BERTH_TIME_WAIT_COLLISION },
	    { CONNECT, 1, 'b', BERTH_IN_USE },
	    { PICK, 1, 'a', BERTH_WAITING },
	    { AT, 121, 0, 0 },
	    { PICK, 1, 'a', BERTH_SHARED } } },
	{ "destination not known: fresh, waiting longest first, shared",
	  1,
	  3,
	  0,
	  { { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CONNECT, 2, 'a', BERTH_CONNECTED },
	    { PICK, 3, 0, BERTH_FRESH },
	    { SHARE, 3, 0, 0 },
	    { CLOSE, 2, 'a', true },
	    { CLOSE, 1, 'a', true },
	    { PICK, 2, 0, BERTH_WAITING },
	    { REFUSE, 2, 0, 0 },
	    { PICK, 1, 0, BERTH_WAITING },
	    { REFUSE, 1, 0, 0 },
	    { PICK, 2, 0, BERTH_WAITING },
	    { HOLD, 2, 0, 0 },
	    { PICK, 1, 0, BERTH_WAITING },
	    { HOLD, 1, 0, 0 },
	    { PICK, 3, 0, BERTH_SHARED },
	    { UNSHARE, 3, 0, true },
	    { PICK, 3, 0, BERTH_FRESH } } },
	{ "a holder that shares lets others connect, one that does not forbids",
	  1,
	  1,
	  0,
	  { { SHARE, 1, 0, 0 },
	    { PICK, 1, 'a', BERTH_SHARED },
	    { HOLD, 1, 0, 0 },
	    { PICK, 0, 'a', BERTH_EXHAUSTED },
	    { UNHOLD, 1, 0, true },
	    { PICK, 1, 'a', BERTH_SHARED },
	    { UNSHARE, 1, 0, true },
	    { UNSHARE, 1, 0, false },
	    { PICK, 1, 'a', BERTH_FRESH } } },
	{ "a listener on a port in TIME_WAIT forbids it too",
	  1,
	  1,
	  0,
	  { { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CLOSE, 1, 'a', true },
	    { HOLD, 1, 0, 0 },
	    { PICK, 0, 'a', BERTH_EXHAUSTED },
	    { PICK, 0, 'b', BERTH_EXHAUSTED },
	    { PICK, 0, 0, BERTH_EXHAUSTED },
	    { UNHOLD, 1, 0, true },
	    { PICK, 1, 'a', BERTH_WAITING },
	    { PICK, 1, 'b', BERTH_SHARED },
	    { PICK, 1, 0, BERTH_WAITING } } },
	{ "reserved ports: explicit use is counted, a pick never gives them",
	  1,
	  2,
	  1,
	  { { PICK, 2, 'a', BERTH_FRESH },
	    { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CONNECT, 1, 'a', BERTH_IN_USE },
	    { CONNECT, 2, 'a', BERTH_CONNECTED },
	    { PICK, 0, 'a', BERTH_EXHAUSTED },
	    { PICK, 2, 'b', BERTH_SHARED },
	    { CLOSE, 1, 'a', true },
	    { CLOSE, 2, 'a', true },
	    { PICK, 2, 0, BERTH_WAITING } } },
	{ "all reserved is not the same as exhausted",
	  1,
	  1,
	  1,
	  { { PICK, 0, 'a', BERTH_ALL_RESERVED },
	    { PICK, 0, 0, BERTH_ALL_RESERVED },
	    { POLICY, 0, 0, BERTH_POLICY_SP1 },
	    { PICK, 0, 0, BERTH_ALL_RESERVED },
	    { POLICY, 0, 0, BERTH_POLICY_LEGACY },
	    { PICK, 0, 0, BERTH_ALL_RESERVED } } },
	{ "release leaves no trace, and is believed once",
	  1,
	  1,
	  0,
	  { { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { RELEASE, 1, 'b', false },
	    { RELEASE, 1, 'a', true },
	    { RELEASE, 1, 'a', false },
	    { CLOSE, 1, 'a', false },
	    { PICK, 1, 'a', BERTH_FRESH },
	    { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CLOSE, 1, 'a', true },
	    { RELEASE, 1, 'a', false },
	    { PICK, 1, 'a', BERTH_WAITING } } },
	{ "TIME_WAIT seen from outside, and taken back",
	  1,
	  1,
	  0,
	  { { OBSERVE, 1, 'a', 0 },
	    { CONNECT, 1, 'a', BERTH_TIME_WAIT_COLLISION },
	    { LEAVE, 1, 'b', false },
	    { LEAVE, 1, 'a', true },
	    { LEAVE, 1, 'a', false },
	    { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { OBSERVE, 1, 'a', 0 },
	    { CONNECT, 1, 'a', BERTH_IN_USE },
	    { RELEASE, 1, 'a', true },
	    { PICK, 1, 'a', BERTH_FRESH } } },
	{ "a refused port is not given again while there is another",
	  1,
	  2,
	  0,
	  { { HOLD, 2, 0, 0 },
	    { PICK, 1, 'a', BERTH_FRESH },
	    { REFUSE, 1, 'a', 0 },
	    { UNHOLD, 2, 0, true },
	    { PICK, 2, 'a', BERTH_FRESH },
	    { REFUSE, 2, 'a', 0 },
	    { PICK, 1, 'a', BERTH_WAITING },
	    { REFUSE, 1, 'a', 0 },
	    { PICK, 2, 'a', BERTH_WAITING },
	    { AT, 119, 0, 0 },
	    { PICK, 2, 'a', BERTH_WAITING },
	    { AT, 121, 0, 0 },
	    { HOLD, 2, 0, 0 },
	    { PICK, 1, 'a', BERTH_FRESH } } },
	{ "sp1: two passes, whatever the destination",
	  1,
	  2,
	  0,
	  { { POLICY, 0, 0, BERTH_POLICY_SP1 },
	    { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CLOSE, 1, 'a', true },
	    { PICK, 2, 'a', BERTH_FRESH },
	    { CONNECT, 2, 'a', BERTH_CONNECTED },
	    { PICK, 1, 'b', BERTH_WAITING },
	    { PICK, 1, 'a', BERTH_WAITING },
	    { PICK, 1, 0, BERTH_WAITING },
	    { SHARE, 1, 0, 0 },
	    { PICK, 0, 'b', BERTH_EXHAUSTED } } },
	{ "legacy: the next one up and around, in TIME_WAIT or not",
	  1,
	  3,
	  0,
	  { { POLICY, 0, 0, BERTH_POLICY_LEGACY },
	    { PICK, 1, 'a', BERTH_FRESH },
	    { CONNECT, 1, 'a', BERTH_CONNECTED },
	    { CLOSE, 1, 'a', true },
	    { HOLD, 2, 0, 0 },
	    { PICK, 3, 'a', BERTH_FRESH },
	    { PICK, 1, 'a', BERTH_WAITING },
	    { PICK, 3, 'a', BERTH_FRESH },
	    { UNHOLD, 2, 0, true },
	    { PICK, 1, 'a', BERTH_WAITING },
	    { PICK, 2, 'a', BERTH_FRESH } } },
};

static void play(const struct table *table, unsigned line, const struct row *row, uint64_t *now_ns)
{
	struct berth_endpoint endpoint = endpoint_of(row->destination);
	unsigned port = BASE + row->port, picked = 0;
	int got = row->wanted;

	switch (row->act) {
	case END:
		break;
	case AT:
		*now_ns = row->port * SECOND;
		break;
	case POLICY:
		berth_space_set_policy(space, (enum berth_policy)row->wanted);
		break;
	case HOLD:
	case SHARE:
		berth_space_hold(space, port, row->act == SHARE);
		break;
	case UNHOLD:
	case UNSHARE:
		got = berth_space_unhold(space, port, row->act == UNSHARE);
		break;
	case CONNECT:
		got = (int)berth_space_connect(space, port, &endpoint, *now_ns);
		break;
	case RELEASE:
		got = berth_space_release(space, port, &endpoint);
		break;
	case CLOSE:
		got = berth_space_close(space, port, &endpoint, *now_ns);
		break;
	case OBSERVE:
		berth_space_observe_time_wait(space, port, &endpoint, *now_ns);
		break;
	case REFUSE:
		berth_space_refuse(space, port, row->destination ? &endpoint : NULL, *now_ns);
		break;
	case LEAVE:
		got = berth_space_leave_time_wait(space, port, &endpoint);
		break;
	case PICK:
		got = (int)berth_space_pick(space, row->destination ? &endpoint : NULL, *now_ns, &picked);
		if (got == row->wanted && row->port != 0 && picked != port)
			fail_msg("%s, row %u: port %u, not %u", table->name, line, picked - BASE, row->port);
		if (!berth_verdict_has_port((enum berth_verdict)got))
			assert_int_equal(picked, 0);
		break;
	}
	if (got != row->wanted)
		fail_msg("%s, row %u: %d, not %d", table->name, line, got, row->wanted);
}

static void test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(tables); i++) {
		static struct berth_port_set reserved;
		const struct table *table = &tables[i];
		uint64_t now_ns = 0;

		space = make_space(&some);
		memset(&reserved, 0, sizeof(reserved));
		if (table->reserved != 0)
			berth_port_set_add(&reserved, BASE + table->reserved);
		berth_space_set_range(space, BASE + table->first, BASE + table->last, &reserved);
		for (unsigned line = 0; line < COUNT(table->rows); line++)
			play(table, line + 1, &table->rows[line], &now_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name("rule", tests, NULL, release_memory);
}
