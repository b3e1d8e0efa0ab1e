/* SPDX-License-Identifier: MIT
 *
 * Connections in TIME_WAIT from dump to dump, by a kernel that keeps them for 60 seconds, with the time told.
 */
#include "supervise/time_waits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define NEVER  UINT64_MAX

static struct time_waits waits;

static void start(unsigned delay_s)
{
	waits = (struct time_waits){ 0 };
	assert_int_equal(time_waits_open(&waits, delay_s), 0);
}

static int end(void **state)
{
	(void)state;
	munmap(waits.seen.entry, TIME_WAITS_MAX * sizeof(struct seen_time_wait));
	munmap(waits.before.entry, TIME_WAITS_MAX * sizeof(struct seen_time_wait));
	return 0;
}

/* The connection of that number, on which alone the ends depend. */
static struct berth_endpoint end_of(unsigned number, unsigned port)
{
	return (struct berth_endpoint){ berth_address_v4(0x7f000001 + number), (uint16_t)(port + number) };
}

static void see(unsigned number, uint64_t entered_ns, uint64_t now_ns)
{
	struct berth_endpoint local = end_of(number, 40000), remote = end_of(number, 443);
	uint64_t age_ns = now_ns - entered_ns;

	time_waits_see(&waits, &local, &remote,
		       age_ns < TIME_WAIT_KERNEL_NS ? TIME_WAIT_KERNEL_NS - age_ns : 0, now_ns);
}

/* Ends the dump; what it came to is in list, oldest first. */
static unsigned take_all(uint64_t now_ns, struct seen_time_wait *list, unsigned most)
{
	const struct seen_time_wait *one;
	unsigned count = 0;

	while (!time_waits_inherit(&waits, 1, now_ns))
		;
	while ((one = time_waits_take(&waits)) != NULL) {
		assert_true(count < most);
		list[count++] = *one;
	}
	return count;
}

/* A dump at that time of a connection that enters and is ended then; 0: what it came to has none, otherwise when it
 * entered. */
static uint64_t dump_one(uint64_t entered_ns, uint64_t ended_ns, uint64_t now_ns)
{
	struct seen_time_wait list[2];

	time_waits_begin(&waits, now_ns);
	if (entered_ns <= now_ns && now_ns < ended_ns && now_ns - entered_ns < TIME_WAIT_KERNEL_NS)
		see(1, entered_ns, now_ns);
	return take_all(now_ns, list, 2) == 1 ? list[0].entered_ns : 0;
}

static void oldest_first(void **state)
{
	struct seen_time_wait list[4];

	(void)state;
	start(0);
	time_waits_begin(&waits, 100 * SECOND);
	see(3, 99 * SECOND, 100 * SECOND);
	see(1, 45 * SECOND, 100 * SECOND);
	see(4, 100 * SECOND, 100 * SECOND);
	see(2, 70 * SECOND, 100 * SECOND);
	assert_int_equal(take_all(100 * SECOND, list, 4), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(list[i].local.port, 40001 + i);
	assert_int_equal(list[0].entered_ns, 45 * SECOND);
	assert_int_equal(list[3].remote.port, 447);
}

/* For as long as the delay is, by when it entered, not by when it was seen; without one as long as the kernel has it. */
static void stays_for_the_delay(void **state)
{
	static const unsigned delays_s[] = { 0, 61, 90, 120, 300 };

	(void)state;
	for (unsigned i = 0; i < sizeof(delays_s) / sizeof(delays_s[0]); i++) {
		uint64_t entered_ns = 1000 * SECOND + 7;
		uint64_t delay_ns = delays_s[i] ? delays_s[i] * SECOND : TIME_WAIT_KERNEL_NS;

		start(delays_s[i]);
		for (uint64_t now_ns = entered_ns - SECOND; now_ns < entered_ns + 400 * SECOND;
		     now_ns += i % 2 ? TIME_WAITS_DUMP_NS : SECOND / 4) {
			bool there = now_ns >= entered_ns && now_ns < entered_ns + delay_ns;

			assert_int_equal(dump_one(entered_ns, NEVER, now_ns), there ? entered_ns : 0);
		}
		end(NULL);
	}
	start(0);
}

/* Whom somebody ends before the kernel does is not kept. */
static void ended_early_is_forgotten(void **state)
{
	(void)state;
	start(300);
	assert_int_equal(dump_one(100 * SECOND, NEVER, 120 * SECOND), 100 * SECOND);
	for (unsigned second = 159; second < 500; second += 20)
		assert_int_equal(dump_one(100 * SECOND, 159 * SECOND, second * SECOND), 0);
}

/* What the kernel told at 159.8 s is read 0.2 s later, and so looks younger; it has ended by the next dump. */
static void read_late(void **state)
{
	struct berth_endpoint local = end_of(1, 40000), remote = end_of(1, 443);
	const uint64_t tenth = SECOND / 10, seen_ns = 1600 * tenth;
	struct seen_time_wait list[2];

	(void)state;
	start(80);
	time_waits_begin(&waits, seen_ns - 2 * tenth);
	time_waits_see(&waits, &local, &remote, 2 * tenth, seen_ns);
	assert_int_equal(take_all(seen_ns, list, 2), 1);
	for (uint64_t now_ns = seen_ns + tenth / 2; now_ns < 185 * SECOND; now_ns += tenth / 2)
		assert_int_equal(dump_one(0, 0, now_ns),
				 now_ns < seen_ns + 202 * tenth ? seen_ns - 598 * tenth : 0);
}

/* Late segments have restarted it: it is there twice, the older one first. */
static void restarted(void **state)
{
	struct seen_time_wait list[2];

	(void)state;
	start(120);
	assert_int_equal(dump_one(100 * SECOND, NEVER, 140 * SECOND), 100 * SECOND);
	time_waits_begin(&waits, 165 * SECOND);
	see(1, 150 * SECOND, 165 * SECOND);
	assert_int_equal(take_all(165 * SECOND, list, 2), 2);
	assert_int_equal(list[0].entered_ns, 100 * SECOND);
	assert_int_equal(list[1].entered_ns, 150 * SECOND);
}

/* A dump that failed half-way loses nothing. */
static void failed_dump(void **state)
{
	struct seen_time_wait list[2];

	(void)state;
	start(120);
	assert_int_equal(dump_one(100 * SECOND, NEVER, 140 * SECOND), 100 * SECOND);
	for (unsigned second = 161; second < 200; second += 10) {
		time_waits_begin(&waits, second * SECOND);
		see(2, 160 * SECOND, second * SECOND);
	}
	time_waits_begin(&waits, 200 * SECOND);
	assert_int_equal(take_all(200 * SECOND, list, 2), 1);
	assert_int_equal(list[0].entered_ns, 100 * SECOND);
}

/* Who is still in TIME_WAIT goes before those that the kernel has let go. */
static void full(void **state)
{
	static struct seen_time_wait list[TIME_WAITS_MAX];

	(void)state;
	start(300);
	assert_int_equal(dump_one(100 * SECOND, NEVER, 140 * SECOND), 100 * SECOND);
	time_waits_begin(&waits, 201 * SECOND);
	for (unsigned i = 0; i < TIME_WAITS_MAX + 10; i++)
		see(2, 200 * SECOND, 201 * SECOND);
	assert_int_equal(take_all(201 * SECOND, list, TIME_WAITS_MAX), TIME_WAITS_MAX - 1);
	for (unsigned i = 0; i < TIME_WAITS_MAX - 1; i++)
		assert_int_equal(list[i].entered_ns, 200 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(oldest_first, end),
		cmocka_unit_test_teardown(stays_for_the_delay, end),
		cmocka_unit_test_teardown(ended_early_is_forgotten, end),
		cmocka_unit_test_teardown(read_late, end),
		cmocka_unit_test_teardown(restarted, end),
		cmocka_unit_test_teardown(failed_dump, end),
		cmocka_unit_test_teardown(full, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
