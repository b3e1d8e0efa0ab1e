/* SPDX-License-Identifier: MIT
 *
 * What is exported from the registry of Windows, and what people write who have never seen an export.
 */
#include "config/registry.h"
#include "tests/config/config_test.h"

#define V5	   "Windows Registry Editor Version 5.00\r\n\r\n"
#define V4	   "REGEDIT4\n\n"
#define TCPIP	   "\\Services\\Tcpip\\Parameters"
#define KEY	   "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" TCPIP "]\r\n"
#define KEY1	   "[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001" TCPIP "]\r\n"
#define OTHER	   "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Example]\r\n"
#define PARAMETERS "[Parameters]\n"
#define PORT_5000  PARAMETERS "MaxUserPort = 5000\n"
#define ELSEWHERE  "is in another key than CurrentControlSet" TCPIP "\n"

static struct registry_import import;

static bool read_bytes(const char *bytes, size_t size, struct config_fault *ret_fault)
{
	char *copy = exact_copy(bytes, size);
	bool good = registry_read(copy, size, &import, ret_fault);

	free(copy);
	return good;
}

/* ASCII as regedit writes it: UTF-16LE with its mark. To be freed. */
static char *utf16(const char *text, size_t *ret_size)
{
	size_t length = strlen(text);
	char *wide = calloc(length + 1, 2);

	assert_non_null(wide);
	wide[0] = '\xff';
	wide[1] = '\xfe';
	for (size_t i = 0; i < length; i++)
		wide[2 + 2 * i] = text[i];
	*ret_size = 2 + 2 * length;
	return wide;
}

/* The notes as "LINE NAME REASON\n" each. To be freed. */
static char *notes(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (unsigned i = 0; i < import.note_count; i++)
		fprintf(out, "%u %s %s\n", import.note[i].line, import.note[i].name, import.note[i].reason);
	fclose(out);
	return text;
}

static void check_import(const char *text, const char *means, const char *noted)
{
	char *settings = written(&import.config), *said = notes();

	if (strcmp(settings, means) != 0 || strcmp(said, noted) != 0)
		fail_msg("\n%s\ncame to\n%swith\n%s", text, settings, said);
	free(settings);
	free(said);
}

static void check_bytes(const char *bytes, size_t size, const char *means, const char *noted)
{
	struct config_fault fault;

	if (!read_bytes(bytes, size, &fault))
		fail_msg("\n%.*s\nline %u: %s", (int)size, bytes, fault.line, fault.text);
	check_import(bytes, means, noted);
}

struct row {
	const char *text; /* behind the header, which has lines 1 and 2 */
	const char *means;
	const char *noted;
};

/* Each in UTF-16, and in the 8 bits in which it occurs as well. */
static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		static char text[100000];
		size_t size;
		char *wide;

		snprintf(text, sizeof(text), V5 "%s", rows[i].text);
		check_bytes(text, strlen(text), rows[i].means, rows[i].noted);
		wide = utf16(text, &size);
		check_bytes(wide, size, rows[i].means, rows[i].noted);
		free(wide);
	}
}

static void test_values(void **state)
{
	static const struct row rows[] = {
		{ "", "", "" },
		{ KEY, "", "" },
		/* Hexadecimal: 30 is 48. */
		{ KEY "\"TcpTimedWaitDelay\"=dword:30\r\n", PARAMETERS "TcpTimedWaitDelay = 48\n", "" },
		{ KEY "\"TcpTimedWaitDelay\"=dword:0000001E", PARAMETERS "TcpTimedWaitDelay = 30\n", "" },
		{ KEY "\"MaxFreeTWTcbs\"=dword:ffffffff\n", PARAMETERS "MaxFreeTWTcbs = 4294967295\n", "" },
		{ KEY "\"MaxUserPort\" = dword: 1388 ; the default\n", PORT_5000, "" },
		{ KEY "\"mAXuSERpORT\"=hex(4):88,13,00,00\n", PORT_5000, "" },
		{ "[hkey_local_machine\\system\\currentcontrolset\\services\\TCPIP\\parameters]\n"
		  "\"MAXUSERPORT\"=dword:1388\n",
		  PORT_5000, "" },
		{ KEY1 "\"MaxUserPort\"=dword:1388\n", PORT_5000, "" },
		{ "; \"MaxUserPort\"=dword:1389\n" KEY ";[x]\n\"MaxUserPort\"=dword:1388\n", PORT_5000, "" },
		{ "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" TCPIP
		  "] ; [x\n\"MaxUserPort\"=dword:1388\n",
		  PORT_5000, "" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* A value is what it is, or it is not taken. */
static void test_numbers_not_taken(void **state)
{
	static const struct row rows[] = {
		{ KEY "\"MaxUserPort\"=\"65534\"\n", "",
		  "4 MaxUserPort is a string (REG_SZ), where Windows wants a dword\n" },
		{ KEY "\"MaxUserPort\"=hex:88,13,00,00\n", "",
		  "4 MaxUserPort is data of another type, where Windows wants a dword\n" },
		{ KEY "\"MaxUserPort\"=hex(5):00,00,13,88\n", "",
		  "4 MaxUserPort is data of another type, where Windows wants a dword\n" },
		{ KEY "\"MaxUserPort\"=hex(b):88,13,00,00,00,00,00,00\n", "",
		  "4 MaxUserPort is data of another type, where Windows wants a dword\n" },
		{ KEY "\"MaxUserPort\"=hex(4):88,13\n", "",
		  "4 MaxUserPort is of the wrong size, where Windows wants a dword\n" },
		{ KEY "\"MaxUserPort\"=dword:000001388\n", "",
		  "4 MaxUserPort a dword is one to eight hexadecimal digits\n" },
		{ KEY "\"MaxUserPort\"=dword:-1388\n", "",
		  "4 MaxUserPort a dword is one to eight hexadecimal digits\n" },
		{ KEY "\"MaxUserPort\"=dword:0x1388\n", "",
		  "4 MaxUserPort a dword is one to eight hexadecimal digits\n" },
		{ KEY "\"MaxUserPort\"=dword:\n", "",
		  "4 MaxUserPort a dword is one to eight hexadecimal digits\n" },
		{ KEY "\"MaxUserPort\"=DWORD:1388\n", "", "4 MaxUserPort is of no known form\n" },
		{ KEY "\"MaxUserPort\"=5000\n", "", "4 MaxUserPort is of no known form\n" },
		{ KEY "\"MaxUserPort\"=hex(:88\n", "", "4 MaxUserPort has no type that can be read\n" },
		{ KEY "\"MaxUserPort\"=hexagon\n", "", "4 MaxUserPort is of no known form\n" },
		/* As they stand in scripts that are passed around. */
		{ KEY "\"TcpTimedWaitDelay\"=dword:00000000\n", "",
		  "4 TcpTimedWaitDelay is 0, outside of what Windows takes: seconds, 30 to 300\n" },
		{ KEY "\"TcpTimedWaitDelay\"=dword:0000012d\n", "",
		  "4 TcpTimedWaitDelay is 301, outside of what Windows takes: seconds, 30 to 300\n" },
		{ KEY "\"MaxFreeTWTcbs\"=dword:00000000\n", "",
		  "4 MaxFreeTWTcbs is 0, outside of what Windows takes: connections, 1 to 4294967295\n" },
		{ KEY "\"MaxFreeTWTcbs\"=dword:00010000\n", PARAMETERS "MaxFreeTWTcbs = 65536\n", "" },
		{ KEY "\"MaxUserPort\"=dword:0000ffff\n", "",
		  "4 MaxUserPort is 65535, outside of what Windows takes: port, 5000 to 65534\n" },
		{ KEY "\"StrictTimeWaitSeqCheck\"=dword:00000004\n", "",
		  "4 StrictTimeWaitSeqCheck is what Linux always does\n" },
		{ KEY "\"tcpnumconnections\"=dword:167762f4\n", "",
		  "4 tcpnumconnections has no counterpart: Linux has no such limit\n" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* The last one holds; who deletes forgets what came before. */
static void test_repeated_and_deleted(void **state)
{
	static const struct row rows[] = {
		{ KEY "\"MaxUserPort\"=dword:1389\n\"maxuserport\"=dword:1388\n", PORT_5000,
		  "4 MaxUserPort is set again in line 5\n" },
		{ KEY "\"MaxUserPort\"=dword:1389\n" KEY1 "\"MaxUserPort\"=dword:1388\n", PORT_5000,
		  "4 MaxUserPort is set again in line 6\n" },
		{ KEY1 "\"MaxUserPort\"=dword:1389\n" KEY "\"MaxUserPort\"=dword:1388\n", PORT_5000,
		  "4 MaxUserPort is set again in line 6\n" },
		{ KEY "\"MaxUserPort\"=dword:1388\n\"MaxUserPort\"=dword:1\n", "",
		  "4 MaxUserPort is set again in line 5\n"
		  "5 MaxUserPort is 1, outside of what Windows takes: port, 5000 to 65534\n" },
		{ KEY "\"MaxUserPort\"=dword:1388\n\"MaxUserPort\"=dword:xyz\n", PORT_5000,
		  "5 MaxUserPort a dword is one to eight hexadecimal digits\n" },
		{ KEY "\"MaxUserPort\"=dword:1388\n\"MaxUserPort\"=-\n", "",
		  "4 MaxUserPort is deleted in line 5\n" },
		{ KEY "\"MaxUserPort\"=-\n\"MaxUserPort\"=dword:1388\n\"Unknown\"=-\n", PORT_5000, "" },
		{ KEY "\"MaxUserPort\"=dword:1388\n[-HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" TCPIP
		      "]\n",
		  "", "4 MaxUserPort is deleted in line 5\n" },
		{ KEY
		  "\"MaxUserPort\"=dword:1388\n[-hkey_local_machine\\SYSTEM\\CurrentControlSet\\Services]\n",
		  "", "4 MaxUserPort is deleted in line 5\n" },
		{ KEY "\"MaxUserPort\"=dword:1388\n[-HKEY_LOCAL_MACHINE\\SYS]\n" OTHER "\"A\"=-\n", PORT_5000,
		  "" },
		{ KEY "\"MaxUserPort\"=dword:1388\n[-HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" TCPIP
		      "\\Winsock]\n",
		  PORT_5000, "" },
		/* Nothing is in a key that is deleted. */
		{ "[-HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" TCPIP "]\n\"MaxUserPort\"=dword:1388\n",
		  "", "4 MaxUserPort is in no key\n" },
		{ KEY "\"ReservedPorts\"=hex(7):\n\"MaxUserPort\"=- ; and no more\n", "", "" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_other_keys_and_lines(void **state)
{
	static const struct row rows[] = {
		{ "\"MaxUserPort\"=dword:1388\n", "", "3 MaxUserPort is in no key\n" },
		{ OTHER "\"MaxUserPort\"=dword:1388\n", "", "4 MaxUserPort " ELSEWHERE },
		{ "[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet002" TCPIP "]\n\"MaxUserPort\"=dword:1388\n", "",
		  "4 MaxUserPort " ELSEWHERE },
		{ "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet" TCPIP "\\Interfaces]\n@=\"x\"\n", "",
		  "4 @ " ELSEWHERE },
		{ "[HKLM\\SYSTEM\\CurrentControlSet" TCPIP "]\n\"MaxUserPort\"=dword:1388\n", "",
		  "4 MaxUserPort " ELSEWHERE },
		{ KEY "@=\"x\"\n\"\"=dword:1\n", "",
		  "4 @ is nothing that Berth has\n5  is nothing that Berth has\n" },
		{ KEY "\"a\\\"b\\\\c\"=dword:1\n", "", "4 a\"b\\c is nothing that Berth has\n" },
		{ KEY "\"\\MaxUserPort\"=dword:1388\n", PORT_5000, "" },
		{ KEY "nonsense\n\"MaxUserPort\"=dword:1388\n", PORT_5000,
		  "4 nonsense is neither a key nor a value\n" },
		{ KEY "\"MaxUserPort=dword:1388\n", "",
		  "4 \"MaxUserPort=dword:1388 is neither a key nor a value\n" },
		{ KEY "\"MaxUserPort\"dword:1388\n", "",
		  "4 \"MaxUserPort\"dword:1388 is neither a key nor a value\n" },
		/* A key that cannot be read is some other key. */
		{ KEY "[HKEY_LOCAL_MACHINE\\SOFTWARE\n\"MaxUserPort\"=dword:1388\n", "",
		  "4 [HKEY_LOCAL_MACHINE\\SOFTWARE is neither a key nor a value\n5 MaxUserPort is in no key\n" },
		/* A list that breaks off does not swallow the key that follows. */
		{ KEY "\"A\"=hex:00,\\\n" OTHER "\"MaxUserPort\"=dword:1388\n", "",
		  "4 A is nothing that Berth has\n6 MaxUserPort " ELSEWHERE },
		/* Long names are shortened, and no other name for that. */
		{ KEY
		  "\"MaxUserPort0123456789012345678901234567890123456789012345678901234567890123456789\"=dword:1\n",
		  "",
		  "4 MaxUserPort0123456789012345678901234567890123456789012345678... is nothing that Berth has\n" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* "1433-1434" and "4000-4000", byte for byte as exported. */
#define TWO_RANGES                                                     \
	"31,00,34,00,33,00,33,00,2d,00,31,00,34,00,33,00,34,00,\\\r\n" \
	"  00,00,34,00,30,00,30,00,30,00,2d,00,34,00,30,00,30,00,30,00,00,00,00,00\r\n"
#define RANGE_4000 "34,00,30,00,30,00,30,00,2d,00,34,00,30,00,30,00,30,00"

static void test_reserved_ports(void **state)
{
	static const struct row rows[] = {
		{ KEY "\"ReservedPorts\"=hex(7):" TWO_RANGES,
		  PARAMETERS "ReservedPorts = 1433-1434, 4000-4000\n", "" },
		{ KEY "\"reservedports\"=hex(7):" RANGE_4000 ", 00 ,00 , 00,0 ; end\n",
		  PARAMETERS "ReservedPorts = 4000-4000\n", "" },
		{ KEY "\"ReservedPorts\"=hex(7):00,00\n", "", "" },
		{ KEY "\"ReservedPorts\"=hex(7):" TWO_RANGES "\"ReservedPorts\"=hex(7):" RANGE_4000
		      ",00,00,00,00\n",
		  PARAMETERS "ReservedPorts = 4000-4000\n", "4 ReservedPorts is set again in line 6\n" },
		/* No closing empty string; no NUL at all; something behind it; half a character. */
		{ KEY "\"ReservedPorts\"=hex(7):" RANGE_4000 ",00,00\n", "",
		  "4 ReservedPorts has no empty string to end it\n" },
		{ KEY "\"ReservedPorts\"=hex(7):" RANGE_4000 "\n", "",
		  "4 ReservedPorts has no empty string to end it\n" },
		{ KEY "\"ReservedPorts\"=hex(7):" RANGE_4000 ",00,00,00,00," RANGE_4000 ",00,00,00,00\n", "",
		  "4 ReservedPorts goes on behind the empty string that ends it\n" },
		{ KEY "\"ReservedPorts\"=hex(7):" RANGE_4000 ",00,00,00\n", "",
		  "4 ReservedPorts has half a UTF-16 character\n" },
		/* Not ASCII: a surrogate pair, half of one, a digit of another script. */
		{ KEY "\"ReservedPorts\"=hex(7):3d,d8,00,de,00,00,00,00\n", "",
		  "4 ReservedPorts \"??\" is not of the form 1433-1434\n" },
		{ KEY "\"ReservedPorts\"=hex(7):" RANGE_4000 ",3d,d8,00,00,00,00\n", "",
		  "4 ReservedPorts \"4000-4000?\" is not of the form 1433-1434\n" },
		{ KEY "\"ReservedPorts\"=hex(7):34,06,00,00,00,00\n", "",
		  "4 ReservedPorts \"?\" is not of the form 1433-1434\n" },
		/* What is right in it is taken. "80-90", "4000-4000", "9000-8000": */
		{ KEY "\"ReservedPorts\"=hex(7):38,00,30,00,2d,00,39,00,30,00,00,00," RANGE_4000
		      ",00,00,39,00,30,00,30,00,30,00,2d,00,38,00,30,00,30,00,30,00,00,00,00,00\n",
		  PARAMETERS "ReservedPorts = 4000-4000\n",
		  "4 ReservedPorts \"80-90\" is outside of 1025 to 65534\n"
		  "4 ReservedPorts \"9000-8000\" has the first port above the last\n" },
		{ KEY "\"ReservedPorts\"=\"4000-4000\"\n", "",
		  "4 ReservedPorts is a string (REG_SZ), where Windows wants strings: hex(7)\n" },
		{ KEY "\"ReservedPorts\"=dword:00000fa0\n", "",
		  "4 ReservedPorts is a dword, where Windows wants strings: hex(7)\n" },
		{ KEY "\"ReservedPorts\"=hex(2):" RANGE_4000 ",00,00\n", "",
		  "4 ReservedPorts is data of another type, where Windows wants strings: hex(7)\n" },
		/* Lists that are none. */
		{ KEY "\"ReservedPorts\"=hex(7):34,\n", "",
		  "4 ReservedPorts is no list of bytes, or breaks off\n" },
		{ KEY "\"ReservedPorts\"=hex(7):34,\\", "",
		  "4 ReservedPorts is no list of bytes, or breaks off\n" },
		{ KEY "\"ReservedPorts\"=hex(7):34,\\\n\n00\n", "",
		  "4 ReservedPorts is no list of bytes, or breaks off\n6 00 is neither a key nor a value\n" },
		{ KEY "\"ReservedPorts\"=hex(7):34 00\n", "",
		  "4 ReservedPorts is no list of bytes, or breaks off\n" },
		{ KEY "\"ReservedPorts\"=hex(7):340\n", "",
		  "4 ReservedPorts is no list of bytes, or breaks off\n" },
		{ KEY "\"ReservedPorts\"=hex(7):3g\n", "",
		  "4 ReservedPorts is no list of bytes, or breaks off\n" },
		{ KEY "\"ReservedPorts\"=hex(7)\n", "", "4 ReservedPorts is of no known form\n" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* There each byte is a character. */
static void test_regedit4(void **state)
{
	static const char text[] = V4 KEY "\"MaxUserPort\"=dword:00001388\n"
					  "\"ReservedPorts\"=hex(7):31,34,33,33,2d,31,34,33,34,00,\\\n"
					  "  34,30,30,30,2d,34,30,30,30,00,00\n";
	static const char odd[] = V4 KEY "\"ReservedPorts\"=hex(7):34,30,30,30,2d,34,30,30,30,00\n"
					 "\"ReservedPorts\"=hex(7):b2,00,00\n";
	struct config_fault fault;
	size_t size;
	char *wide = utf16(text, &size);

	(void)state;
	check_bytes(text, sizeof(text) - 1, PORT_5000 "ReservedPorts = 1433-1434, 4000-4000\n", "");
	check_bytes(odd, sizeof(odd) - 1, "",
		    "4 ReservedPorts has no empty string to end it\n"
		    "5 ReservedPorts \"?\" is not of the form 1433-1434\n");
	assert_false(read_bytes(wide, size, &fault));
	assert_int_equal(fault.line, 1);
	free(wide);
}

static void test_encodings(void **state)
{
	static const char utf8[] = "\xef\xbb\xbf" V5 KEY "\"\xc3\xa4\"=dword:1\n\"MaxUserPort\"=dword:1388";
	/* A whole surrogate pair, and half of one, in a name. */
	static const char surrogates[] = "\"\0=\xd8\0\xde=\xd8\"\0=\0-\0\n\0\"\0\0\xdc\"\0=\0\"\0\"\0";
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = { { "", 0 },		 { "\xff", 1 },	       { "\xff\xfe", 2 },
		    { "\xff\xfe\r", 3 }, { "\xfe\xff\0W", 4 }, { "W\0i\0n\0d\0", 8 } };
	struct config_fault fault;
	size_t size;
	char *wide = utf16(V5 KEY, &size), *longer = malloc(size + sizeof(surrogates));

	(void)state;
	check_bytes(utf8, sizeof(utf8) - 1, PORT_5000, "4 ?? is nothing that Berth has\n");
	assert_non_null(longer);
	memcpy(longer, wide, size);
	memcpy(longer + size, surrogates, sizeof(surrogates) - 1);
	check_bytes(longer, size + sizeof(surrogates) - 1, "", "5 ? is nothing that Berth has\n");
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(read_bytes(bad[i].bytes, bad[i].size, &fault));
	/* One byte short. */
	assert_false(read_bytes(wide, size - 1, &fault));
	assert_non_null(strstr(fault.text, "middle"));
	/* Both kinds of zero. */
	wide[size - 2] = '\0';
	assert_false(read_bytes(wide, size, &fault));
	assert_int_equal(fault.line, 3);
	assert_non_null(strstr(fault.text, "NUL"));
	assert_false(read_bytes(V5 KEY "\"\0\"=dword:1", sizeof(V5 KEY "\"\0\"=dword:1"), &fault));
	assert_int_equal(fault.line, 4);
	free(wide);
	free(longer);
}

static void test_header(void **state)
{
	static const char *const good[] = { "REGEDIT4", "REGEDIT4\r\n",
					    "Windows Registry Editor Version 5.00",
					    "Windows Registry Editor Version 5.00 \n" KEY };
	static const char *const bad[] = { "",
					   ("\n" V5),
					   "regedit4",
					   "REGEDIT",
					   "REGEDIT45",
					   "REGEDIT5",
					   "[KEY]",
					   "Windows Registry Editor Version 5.0",
					   "Windows Registry Editor",
					   "Windows Registry Editor Version 5.001" };
	struct config_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(read_bytes(good[i], strlen(good[i]), &fault));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(read_bytes(bad[i], strlen(bad[i]), &fault));
		assert_int_equal(fault.line, 1);
		assert_int_equal(fault.error, 0);
	}
}

/* As many bytes as there may be, one more; as many values as there may be, one more. */
static void test_bounds(void **state)
{
	static char text[4 * 33000];
	struct config_fault fault;
	size_t length;

	(void)state;
	for (unsigned bytes = 32768; bytes <= 32769; bytes++) {
		length = (size_t)sprintf(text, V5 KEY "\"ReservedPorts\"=hex(7):");
		for (unsigned n = 0; n < bytes; n++)
			length += (size_t)sprintf(text + length, "00%s", n + 1 < bytes ? "," : "\n");
		check_bytes(text, length, "",
			    bytes == 32768 ? "4 ReservedPorts goes on behind the empty string that ends it\n"
					   : "4 ReservedPorts has more than 32768 bytes\n");
	}
	length = (size_t)sprintf(text, V5 KEY);
	for (unsigned n = 0; n < REGISTRY_NOTES; n++)
		length += (size_t)sprintf(text + length, "\"%u\"=dword:1\n", n);
	assert_true(read_bytes(text, length, &fault));
	assert_int_equal(import.note_count, REGISTRY_NOTES);
	length += (size_t)sprintf(text + length, "\"x\"=dword:1\n");
	assert_false(read_bytes(text, length, &fault));
	assert_non_null(strstr(fault.text, "more than 1000 values"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_numbers_not_taken),
		cmocka_unit_test(test_repeated_and_deleted),
		cmocka_unit_test(test_other_keys_and_lines),
		cmocka_unit_test(test_reserved_ports),
		cmocka_unit_test(test_regedit4),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
