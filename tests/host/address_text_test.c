/* SPDX-License-Identifier: MIT
 *
 * Addresses as text and back: the forms people write, and what is none of them.
 */
#include "host/address_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void written(void **state)
{
	static const struct {
		const char *read, *address, *endpoint;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1:443" },
		{ "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:443" },
		{ "2001:DB8:0::1", "2001:db8::1", "[2001:db8::1]:443" },
		{ "::", "::", "[::]:443" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:443" },
	};
	struct berth_endpoint endpoint = { .port = 443 };
	char text[ENDPOINT_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(address_from_text(rows[i].read, &endpoint.address));
		assert_string_equal(address_text(&endpoint.address, text), rows[i].address);
		assert_string_equal(endpoint_text(&endpoint, text), rows[i].endpoint);
	}
}

static void refused(void **state)
{
	static const char *const texts[] = { "",      "192.0.2", "192.0.2.256", "192.0.2.1 ", "192.0.2.1:1",
					     "[::1]", "1:::2",	 "fe80::1%lo",	"localhost",  "0x7f.0.0.1" };
	struct berth_address address = { { [3] = 7 } }, before = address;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(address_from_text(texts[i], &address));
	assert_true(berth_address_equal(&address, &before));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(written), cmocka_unit_test(refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
