/* SPDX-License-Identifier: MIT
 *
 * berth.conf: what each line comes to, and what is said of a bad one.
 */
#include "tests/config/config_test.h"

static bool read_text(const char *text, struct config *ret_config, struct config_fault *ret_fault)
{
	char *copy = exact_copy(text, strlen(text));
	bool good = config_read(copy, strlen(text), ret_config, ret_fault);

	free(copy);
	return good;
}

/* What is read, and written again: the same settings in their one form. */
static void test_settings(void **state)
{
	static const struct {
		const char *text, *means;
	} rows[] = {
		{ "", "" },
		{ "# nothing\n; nothing\n\n[Berth]\n", "" },
		{ "\xef\xbb\xbf[Parameters]\nMaxUserPort=5000", "[Parameters]\nMaxUserPort = 5000\n" },
		{ "[PARAMETERS]\r\nmaxuserport = 0xFFFE\r\n", "[Parameters]\nMaxUserPort = 65534\n" },
		{ "[Parameters]\nTcpTimedWaitDelay = 0\nMaxFreeTWTcbs=0\nMaxUserPort: 0\n", "" },
		{ "[Parameters]\nTcpTimedWaitDelay = 030\nMaxFreeTWTcbs = 4294967295\n",
		  "[Parameters]\nTcpTimedWaitDelay = 30\nMaxFreeTWTcbs = 4294967295\n" },
		{ "[Parameters]\nTcpTimedWaitDelay = 300 ; five minutes\n",
		  "[Parameters]\nTcpTimedWaitDelay = 300\n" },
		{ "[Parameters]\nReservedPorts =\n", "" },
		{ "[Parameters]\nReservedPorts = 1433-1434,4000-4000\n  4001-4002\nReservedPorts=1025-1025\n",
		  "[Parameters]\nReservedPorts = 1025-1025, 1433-1434, 4000-4002\n" },
		{ "[Parameters]\nReservedPorts = 1025-1025 1027-1027 1029-1029 1031-1031 1033-1033 1035-1035 1037-1037 "
		  "1039-1039 65534-65534\n",
		  "[Parameters]\nReservedPorts = 1025-1025, 1027-1027, 1029-1029, 1031-1031, 1033-1033, 1035-1035, "
		  "1037-1037, 1039-1039\nReservedPorts = 65534-65534\n" },
		{ "[Berth]\npolicy=sp1\nexhausted=take-over\ntime-wait-timestamps-only=yes\nlisten=[::1]:80\n",
		  "[Berth]\npolicy = sp1\nexhausted = take-over\ntime-wait-timestamps-only = yes\nlisten = [::1]:80\n" },
		{ "[Berth]\npolicy=berth\nexhausted=fail\ntime-wait-timestamps-only=no\nlisten=127.0.0.1:4227\n",
		  "" },
		{ "[Berth]\nlisten=127.255.0.1:1\nexhausted=kernel\npolicy=legacy\n[Parameters]\nMaxFreeTWTcbs=1\n",
		  "[Parameters]\nMaxFreeTWTcbs = 1\n\n[Berth]\npolicy = legacy\nexhausted = kernel\nlisten = 127.255.0.1:1\n" },
		{ "[Berth]\nlisten=0.0.0.0:65535\ntoken-file=/a b\n",
		  "[Berth]\nlisten = 0.0.0.0:65535\ntoken-file = /a b\n" },
		{ "[Berth]\ncgroup=/sys/fs/cgroup/a\nexclude-cgroup=/b, /c\n\t/d\n",
		  "[Berth]\ncgroup = /sys/fs/cgroup/a\nexclude-cgroup = /b\nexclude-cgroup = /c\nexclude-cgroup = /d\n" },
		{ "[Berth]\nexclude-destination=192.0.2.7 192.0.2.7:443 192.0.2.0/24 192.0.2.0/24:80 0.0.0.0/0\n",
		  "[Berth]\nexclude-destination = 192.0.2.7/32\nexclude-destination = 192.0.2.7/32:443\n"
		  "exclude-destination = 192.0.2.0/24\nexclude-destination = 192.0.2.0/24:80\n"
		  "exclude-destination = 0.0.0.0/0\n" },
		{ "[Berth]\nexclude-destination=2001:db8::7 [2001:db8::7]:443 2001:db8::/32 [2001:db8::]/32:80 ::/0\n",
		  "[Berth]\nexclude-destination = [2001:db8::7]/128\nexclude-destination = [2001:db8::7]/128:443\n"
		  "exclude-destination = [2001:db8::]/32\nexclude-destination = [2001:db8::]/32:80\n"
		  "exclude-destination = [::]/0\n" },
		{ "[Berth]\nexclude-destination=::ffff:192.0.2.0/120\n",
		  "[Berth]\nexclude-destination = 192.0.2.0/24\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config, again;
		struct config_fault fault;

		if (!read_text(rows[i].text, &config, &fault))
			fail_msg("row %zu: line %u: %s", i, fault.line, fault.text);
		assert_written(&config, rows[i].means);
		assert_true(read_text(rows[i].means, &again, &fault));
		assert_written(&again, rows[i].means);
	}
}

#define PARAMETERS "[Parameters]\n"
#define BERTH	   "[Berth]\n"

/* Each ends the file, in this line, with these words in what is said. */
static void test_faults(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} rows[] = {
		{ "MaxUserPort=5000\n", 1, "before the first section" },
		{ "\n[Tcpip]\nMaxUserPort=5000\n", 3, "[Tcpip]: a section is [Parameters] or [Berth]" },
		{ PARAMETERS "policy=sp1\n", 2,
		  "is none of [Parameters]'s names: TcpTimedWaitDelay, MaxFreeTWTcbs, " },
		{ BERTH "MaxUserPort=5000\n", 2, "exclude-destination" },
		{ PARAMETERS "MaxUserPort\n", 2, "neither a [section] nor NAME = VALUE" },
		{ "[Parameters\n", 1, "neither" },
		{ PARAMETERS "nonsense\nMaxUserPort=1\n", 2, "neither" },
		{ PARAMETERS "MaxUserPort=1\nnonsense\n", 2,
		  "MaxUserPort = 1: port, 5000 to 65534, or 0 for" },
		{ PARAMETERS "MaxUserPort=5000\n\n[parameters]\nMAXUSERPORT=5000\n", 5, "was set in line 2" },
		{ PARAMETERS "MaxUserPort=5000\n MaxFreeTWTcbs=7\n", 3, "begins with a blank continues" },
		{ PARAMETERS "MaxUserPort=4999\n", 2, "5000" },
		{ PARAMETERS "MaxUserPort=65535\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=4294972296\n", 2, "65534" }, /* 5000 with 32 bits */
		{ PARAMETERS "MaxUserPort=99999999999999999999999\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=-5000\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=+5000\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=5000 ports\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=0x\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=0x138g\n", 2, "65534" },
		{ PARAMETERS "MaxUserPort=13a8\n", 2, "65534" },
		{ PARAMETERS "TcpTimedWaitDelay=29\n", 2,
		  "seconds, 30 to 300, or 0 for the kernel's own 60" },
		{ PARAMETERS "TcpTimedWaitDelay=301\n", 2, "300" },
		{ PARAMETERS "MaxFreeTWTcbs=4294967296\n", 2,
		  "connections, 1 to 4294967295, or 0 for no limit" },
		{ PARAMETERS "ReservedPorts=4000\n", 2, "a single port is 4000-4000" },
		{ PARAMETERS "ReservedPorts=4000-4001\n 4003-4002\n", 3, "above" },
		{ PARAMETERS "ReservedPorts=80-90\n", 2, "1025 to 65534" },
		{ BERTH "policy=SP1\n", 2, "policy = SP1: berth, sp1 or legacy" },
		{ BERTH "exhausted=give-up\n", 2, "fail, kernel or take-over" },
		{ BERTH "time-wait-timestamps-only=1\n", 2, "yes or no" },
		{ BERTH "listen=80\n", 2, "127.0.0.1:4227" },
		{ BERTH "listen=localhost:80\n", 2, "127.0.0.1:4227" },
		{ BERTH "listen=127.0.0.1\n", 2, "127.0.0.1:4227" },
		{ BERTH "listen=127.0.0.1:0\n", 2, "127.0.0.1:4227" },
		{ BERTH "listen=127.0.0.1:65536\n", 2, "127.0.0.1:4227" },
		{ BERTH "listen=::1:80\n", 2, "[::1]:4227" },
		{ BERTH "listen=[::1]80\n", 2, "[::1]:4227" },
		{ BERTH "listen=[::1\n", 2, "[::1]:4227" },
		{ BERTH "listen=[127.0.0.1]:80\n", 2, "[::1]:4227" },
		{ BERTH "\nlisten=0.0.0.0:80\n\n", 3, "token-file" },
		{ BERTH "listen=[::]:80\n", 2, "token-file" },
		{ BERTH "token-file=token\n", 2, "begins with /" },
		{ BERTH "cgroup=\n", 2, "begins with /" },
		{ BERTH "cgroup=/\xc3\xa4\n", 2, "ASCII" },
		{ BERTH "exclude-cgroup=/a b\n", 2, "exclude-cgroup = b: a path" },
		{ BERTH "exclude-destination=example.org\n", 2, "address[/prefix][:port]" },
		{ BERTH "exclude-destination=192.0.2.0/33\n", 2, "address[/prefix][:port]" },
		{ BERTH "exclude-destination=192.0.2.1/24\n", 2, "no bit set behind the prefix" },
		{ BERTH "exclude-destination=192.0.2.0/\n", 2, "prefix" },
		{ BERTH "exclude-destination=192.0.2.0/24:0\n", 2, "prefix" },
		{ BERTH "exclude-destination=192.0.2.0/24x\n", 2, "prefix" },
		{ BERTH "exclude-destination=192.0.2.0:\n", 2, "prefix" },
		{ BERTH "exclude-destination=2001:db8::/129\n", 2, "prefix" },
		{ BERTH "exclude-destination=::ffff:0:0/95\n", 2, "prefix" },
		{ BERTH "exclude-destination=[::1]x\n", 2, "prefix" },
		{ "[Parameters]\nMaxUserPort=\x1b[31m5000\n", 2, "is not text" },
		{ "\xff\xfe[\n", 1, "neither" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config = { .listen.port = 7 };
		struct config_fault fault = { .line = 77 };

		if (read_text(rows[i].text, &config, &fault))
			fail_msg("row %zu was taken: %s", i, rows[i].text);
		if (fault.line != rows[i].line || !strstr(fault.text, rows[i].words))
			fail_msg("row %zu: line %u: %s", i, fault.line, fault.text);
		assert_int_equal(fault.error, 0);
		assert_int_equal(config.listen.port, 7); /* untouched */
		for (const char *c = fault.text; *c; c++)
			assert_in_range(*c, ' ', '~');
	}
}

static void test_nul(void **state)
{
	static const char text[] = "[Parameters]\nMaxUserPort=5000\0\n";
	struct config config;
	struct config_fault fault;

	(void)state;
	assert_false(config_read(text, sizeof(text) - 1, &config, &fault));
	assert_int_equal(fault.line, 2);
	assert_non_null(strstr(fault.text, ".reg"));
	assert_true(config_read("", 0, &config, &fault));
}

/* A path as long as it may be fits into its line, and is whole; a longer one is not cut. */
static void test_long_lines(void **state)
{
	char path[400], text[500];
	struct config config;
	struct config_fault fault;

	(void)state;
	for (size_t length = 170; length < 300; length++) {
		memset(path, 'a', length);
		path[0] = '/';
		path[length] = '\0';
		snprintf(text, sizeof(text), "[Berth]\nexclude-cgroup = %s\n", path);
		if (length < CONFIG_PATH_SIZE) {
			assert_true(read_text(text, &config, &fault));
			assert_string_equal(config.exclude_cgroup[0], path);
			assert_written(&config, text);
		} else {
			assert_false(read_text(text, &config, &fault));
			assert_int_equal(fault.line, 2);
		}
	}
	snprintf(text, sizeof(text), "[Parameters]\n#%0300d\n", 0);
	assert_false(read_text(text, &config, &fault));
	assert_int_equal(fault.line, 2);
	assert_non_null(strstr(fault.text, "is longer than"));
}

/* Lists have an end. */
static void test_bounds(void **state)
{
	static const struct {
		const char *name, *item;
		unsigned most;
	} rows[] = {
		{ "exclude-cgroup", "/a", CONFIG_CGROUPS },
		{ "exclude-destination", "192.0.2.1", CONFIG_DESTINATIONS },
	};
	static char text[65536];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config;
		struct config_fault fault;
		size_t length = (size_t)sprintf(text, "[Berth]\n");

		for (unsigned n = 0; n < rows[i].most; n++)
			length += (size_t)sprintf(text + length, "%s = %s\n", rows[i].name, rows[i].item);
		assert_true(read_text(text, &config, &fault));
		sprintf(text + length, " %s\n", rows[i].item);
		assert_false(read_text(text, &config, &fault));
		assert_int_equal(fault.line, rows[i].most + 2);
		assert_non_null(strstr(fault.text, "no more than"));
	}
}

static void test_withheld_ports(void **state)
{
	struct config config;
	struct config_fault fault;
	struct berth_port_set withheld;

	(void)state;
	config_set_defaults(&config);
	config_withheld_ports(&config, &withheld);
	assert_int_equal(berth_port_set_count(&withheld), 0);
	assert_true(read_text("[Parameters]\nMaxUserPort=65534\n", &config, &fault));
	config_withheld_ports(&config, &withheld);
	assert_int_equal(berth_port_set_count(&withheld), 1);
	assert_true(berth_port_set_contains(&withheld, 65535));
	assert_true(read_text("[Parameters]\nMaxUserPort=5000\nReservedPorts=4000-5001\n", &config, &fault));
	config_withheld_ports(&config, &withheld);
	assert_int_equal(berth_port_set_count(&withheld), 65535 - 5000 + 1001);
	assert_false(berth_port_set_contains(&withheld, 3999));
	assert_true(berth_port_set_contains(&withheld, 4000));
}

static struct berth_endpoint endpoint_v6(uint8_t first, uint8_t last, uint16_t port)
{
	return (struct berth_endpoint){ { { [0] = first, [15] = last } }, port };
}

static void test_excluded_destinations(void **state)
{
	static const struct {
		const char *list;
		uint32_t v4;
		uint16_t port;
		bool excluded;
	} rows[] = {
		{ "192.0.2.0/24", 0xc0000200, 80, true },
		{ "192.0.2.0/24", 0xc00002ff, 80, true },
		{ "192.0.2.0/24", 0xc0000300, 80, false },
		{ "192.0.2.0/24:80", 0xc0000207, 80, true },
		{ "192.0.2.0/24:80", 0xc0000207, 81, false },
		{ "192.0.2.128/25", 0xc000027f, 80, false },
		{ "192.0.2.128/25", 0xc0000280, 80, true },
		{ "192.0.2.7", 0xc0000207, 80, true },
		{ "192.0.2.7", 0xc0000206, 80, false },
		{ "0.0.0.0/0", 0xffffffff, 80, true },
		{ "::/0", 0x7f000001, 80, false },
		{ "::1 192.0.2.7:1 192.0.2.7:2", 0xc0000207, 2, true },
		{ "192.0.2.128/25", 0xc00002c0, 80, true },
		{ "", 0x7f000001, 80, false },
	};
	struct berth_endpoint v6 = endpoint_v6(0x20, 1, 80), other = endpoint_v6(0x30, 1, 80);
	struct config config;
	struct config_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct berth_endpoint destination = { berth_address_v4(rows[i].v4), rows[i].port };
		char text[100];

		snprintf(text, sizeof(text), "[Berth]\nexclude-destination=%s\n", rows[i].list);
		assert_true(read_text(text, &config, &fault));
		if (config_excludes(&config, &destination) != rows[i].excluded)
			fail_msg("row %zu", i);
	}
	assert_true(read_text("[Berth]\nexclude-destination=2000::/4 0.0.0.0/0\n", &config, &fault));
	assert_true(config_excludes(&config, &v6));
	assert_false(config_excludes(&config, &other));
	assert_true(read_text("[Berth]\nexclude-destination=::/0\n", &config, &fault));
	assert_true(config_excludes(&config, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_withheld_ports),
		cmocka_unit_test(test_excluded_destinations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
