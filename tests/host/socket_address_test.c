/* SPDX-License-Identifier: MIT
 *
 * Addresses across the border: every family and length that a program can hand over.
 */
#include "host/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage in4(const char *text, unsigned port)
{
	struct sockaddr_storage address = { .ss_family = AF_INET };

	inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr);
	sockaddr_set_port(&address, port);
	return address;
}

static struct sockaddr_storage in6(const char *text, unsigned port)
{
	struct sockaddr_storage address = { .ss_family = AF_INET6 };

	inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr);
	sockaddr_set_port(&address, port);
	return address;
}

static struct berth_endpoint read_whole(struct sockaddr_storage address)
{
	struct berth_endpoint endpoint = { 0 };

	assert_true(endpoint_from_sockaddr(&address, sizeof(address), &endpoint));
	return endpoint;
}

static void mapped_is_the_same(void **state)
{
	struct berth_endpoint plain = read_whole(in4("192.0.2.1", 80)),
			      mapped = read_whole(in6("::ffff:192.0.2.1", 80));

	(void)state;
	assert_int_equal(plain.port, 80);
	assert_true(berth_endpoint_equal(&plain, &mapped));
	assert_true(berth_address_is_v4(&mapped.address));
	mapped = read_whole(in6("2001:db8::1", 80));
	assert_false(berth_address_is_v4(&mapped.address));
}

static void short_and_foreign_are_refused(void **state)
{
	struct sockaddr_storage v4 = in4("192.0.2.1", 80), v6 = in6("2001:db8::1", 80),
				other = { .ss_family = AF_UNIX };
	struct berth_endpoint endpoint = { .port = 7 };

	(void)state;
	assert_false(endpoint_from_sockaddr(&v4, sizeof(struct sockaddr_in) - 1, &endpoint));
	assert_false(endpoint_from_sockaddr(&v6, SHORTEST_SOCKADDR_IN6 - 1, &endpoint));
	assert_false(endpoint_from_sockaddr(&other, sizeof(other), &endpoint));
	assert_int_equal(endpoint.port, 7);
	assert_true(endpoint_from_sockaddr(&v6, SHORTEST_SOCKADDR_IN6, &endpoint));
}

static void any_in_every_spelling(void **state)
{
	struct berth_endpoint any[] = { read_whole(in4("0.0.0.0", 0)), read_whole(in6("::", 0)),
					read_whole(in6("::ffff:0.0.0.0", 0)) };
	struct berth_endpoint one = read_whole(in6("::1", 0));

	(void)state;
	for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++)
		assert_true(address_is_any(&any[i].address));
	assert_false(address_is_any(&one.address));
}

static void there_and_back(void **state)
{
	struct sockaddr_storage v4 = in4("192.0.2.1", 65535), v6 = in6("::ffff:192.0.2.1", 65535), made;
	struct berth_endpoint endpoint = read_whole(v4);

	(void)state;
	assert_int_equal(sockaddr_from_endpoint(&endpoint, AF_INET, &made), sizeof(struct sockaddr_in));
	assert_memory_equal(&made, &v4, sizeof(made));
	assert_int_equal(sockaddr_from_endpoint(&endpoint, AF_INET6, &made), sizeof(struct sockaddr_in6));
	assert_memory_equal(&made, &v6, sizeof(made));
}

static void route_to_loopback(void **state)
{
	struct sockaddr_storage destination = in4("127.0.0.1", 9);
	struct berth_address source;
	struct berth_endpoint loopback = read_whole(destination);

	(void)state;
	assert_int_equal(route_source(&destination, sizeof(struct sockaddr_in), &source), 0);
	assert_true(berth_address_equal(&source, &loopback.address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapped_is_the_same),	 cmocka_unit_test(short_and_foreign_are_refused),
		cmocka_unit_test(any_in_every_spelling), cmocka_unit_test(there_and_back),
		cmocka_unit_test(route_to_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
