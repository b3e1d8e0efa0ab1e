/* SPDX-License-Identifier: MIT */
#include "supervise/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The pid: this test may run twice at a time, and claims are of the whole network namespace. */
static uint32_t own;

static struct berth_endpoint remote(uint32_t more, uint16_t port)
{
	return (struct berth_endpoint){ .address = berth_address_v4(own * 2 + more), .port = port };
}

static void one_has_it_at_a_time(void **state)
{
	const struct berth_endpoint there = remote(0, 443);
	int claim = claim_take(40123, &there);

	(void)state;
	assert_true(claim >= 0);
	assert_int_equal(claim_take(40123, &there), -EADDRINUSE);
	close(claim);
	claim = claim_take(40123, &there);
	assert_true(claim >= 0);
	close(claim);
}

static void others_are_not_in_the_way(void **state)
{
	const struct berth_endpoint there[] = { remote(0, 443), remote(0, 444), remote(1, 443) };
	int claims[4];

	(void)state;
	for (int i = 0; i < 3; i++)
		claims[i] = claim_take(40123, &there[i]);
	claims[3] = claim_take(40124, &there[0]);
	for (int i = 0; i < 4; i++) {
		assert_true(claims[i] >= 0);
		close(claims[i]);
	}
}

/* The longest name there is. */
static void long_addresses_are_told_apart(void **state)
{
	struct berth_endpoint there = { .port = 65535 }, near;
	int claims[2];

	(void)state;
	memset(there.address.bytes, 0xff, sizeof(there.address.bytes));
	there.address.bytes[1] = (uint8_t)(own >> 15);
	there.address.bytes[2] = (uint8_t)(0x80 | own >> 8);
	there.address.bytes[3] = (uint8_t)own;
	near = there;
	near.port = 65534;
	claims[0] = claim_take(65535, &there);
	claims[1] = claim_take(65535, &near);
	assert_true(claims[0] >= 0 && claims[1] >= 0);
	assert_int_equal(claim_take(65535, &there), -EADDRINUSE);
	close(claims[0]);
	close(claims[1]);
}

/* As a supervisor that is killed in the middle of a call. */
static void it_ends_with_its_owner(void **state)
{
	const struct berth_endpoint there = remote(0, 443);
	int claim, ready[2];
	pid_t owner;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	owner = fork();
	if (owner == 0) {
		claim = claim_take(40123, &there);
		if (claim >= 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]); /* so that an owner without a claim is seen */
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(claim_take(40123, &there), -EADDRINUSE);
	close(ready[0]);
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	claim = claim_take(40123, &there);
	assert_true(claim >= 0);
	close(claim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_has_it_at_a_time),
		cmocka_unit_test(others_are_not_in_the_way),
		cmocka_unit_test(long_addresses_are_told_apart),
		cmocka_unit_test(it_ends_with_its_owner),
	};

	own = (uint32_t)getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
