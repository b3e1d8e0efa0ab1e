/* SPDX-License-Identifier: MIT
 *
 * The settings of Server 2003: bounds as published, and everything outside them refused.
 */
#include "core/settings.h"
#include "tests/core/test.h"

static void test_bounds(void **state)
{
	static const struct {
		const char *name;
		uint32_t min, max, initial;
	} rows[] = {
		{ "TcpTimedWaitDelay", 30, 300, 120 }, { "MaxFreeTWTcbs", 1, 0xffffffff, 1000 },
		{ "MaxUserPort", 5000, 65534, 5000 },  { "tcptimedwaitdelay", 30, 300, 120 },
		{ "MAXUSERPORT", 5000, 65534, 5000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct berth_setting *setting = berth_setting_find(rows[i].name);

		assert_non_null(setting);
		assert_int_equal(setting->min, rows[i].min);
		assert_int_equal(setting->max, rows[i].max);
		assert_int_equal(setting->initial, rows[i].initial);
		assert_true(berth_setting_allows(setting, setting->initial));
		assert_true(berth_setting_allows(setting, rows[i].min));
		assert_true(berth_setting_allows(setting, rows[i].max));
		assert_false(berth_setting_allows(setting, rows[i].min - 1ull));
		assert_false(berth_setting_allows(setting, rows[i].max + 1ull));
		assert_false(berth_setting_allows(setting, UINT64_MAX));
	}
	/* The default range: 3,976 ports. */
	assert_int_equal(BERTH_MAX_USER_PORT - BERTH_FIRST_USER_PORT + 1, 3976);
}

static void test_unknown(void **state)
{
	static const char *const names[] = { "", "TcpTimedWaitDelay ", "TcpTimedWait", "MaxFreeTcbs",
					     "ReservedPorts" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_null(berth_setting_find(names[i]));
}

static void test_reserved_ports(void **state)
{
	static const struct {
		const char *text;
		enum berth_reserved_verdict verdict;
		unsigned first, last;
	} rows[] = {
		{ "1433-1434", BERTH_RESERVED_OK, 1433, 1434 },
		{ "4000-4000", BERTH_RESERVED_OK, 4000, 4000 },
		{ "1025-65534", BERTH_RESERVED_OK, 1025, 65534 },
		{ "01433-01434", BERTH_RESERVED_OK, 1433, 1434 },
		{ "4000", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "-", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "4000-", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "-4000", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ " 4000-4001", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "4000-4001 ", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "4000 - 4001", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "+4000-4001", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "0x1000-0x1001", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "4294968729-4294968730", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "4000-4001,4005-4006", BERTH_RESERVED_MALFORMED, 7, 7 },
		{ "4001-4000", BERTH_RESERVED_REVERSED, 7, 7 },
		{ "1024-2000", BERTH_RESERVED_OUT_OF_RANGE, 7, 7 },
		{ "2000-65535", BERTH_RESERVED_OUT_OF_RANGE, 7, 7 },
		{ "2000-99999", BERTH_RESERVED_OUT_OF_RANGE, 7, 7 },
		{ "0-0", BERTH_RESERVED_OUT_OF_RANGE, 7, 7 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned first = 7, last = 7;

		if (berth_reserved_ports_read(rows[i].text, &first, &last) != rows[i].verdict)
			fail_msg("\"%s\": wrong verdict", rows[i].text);
		assert_int_equal(first, rows[i].first);
		assert_int_equal(last, rows[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_reserved_ports),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
