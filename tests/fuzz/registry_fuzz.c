/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a .reg file: refused with a reason, or good settings; and what `berth config` prints of them,
 * comments and all, is a berth.conf that means the same. Every other length of input is made UTF-16.
 *
 *	build/tests/fuzz/registry_fuzz -max_total_time=60
 */
#include "config/registry.h"
#include "tests/fuzz/config_fuzz.h"

#define MOST_INPUT 48u

static const char *const words[] = {
	"Windows Registry Editor Version 5.00\n",
	"REGEDIT4\n",
	"[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters]\n",
	"[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\Tcpip\\Parameters]\n",
	"[-HKEY_LOCAL_MACHINE\\SYSTEM]\n",
	"\"TcpTimedWaitDelay\"=",
	"\"MaxFreeTWTcbs\"=",
	"\"MaxUserPort\"=",
	"\"ReservedPorts\"=",
	"\"SackOpts\"=",
	"dword:",
	"hex(7):",
	"hex(4):",
	",\\\n",
	"34,30,30,30,2d,34,30,30,30,00,00",
	"34,00,30,00,30,00,30,00,2d,00,34,00,30,00,30,00,30,00,00,00,00,00",
	"00000064\n",
	"00001388\n",
};

/* Makes UTF-16LE of it, as regedit writes it. */
static void widen(char **text, size_t *length)
{
	char *wide = malloc(2 * *length + 2);

	require(wide != NULL);
	wide[0] = '\xff';
	wide[1] = '\xfe';
	for (size_t i = 0; i < *length; i++) {
		wide[2 + 2 * i] = (*text)[i];
		wide[3 + 2 * i] = (char)((*text)[i] & 0x80);
	}
	free(*text);
	*text = wide;
	*length = 2 * *length + 2;
}

/* What berth config prints. To be freed. */
static char *printed(const struct registry_import *import)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	require(out != NULL);
	config_write(&import->config, out);
	for (unsigned i = 0; i < import->note_count; i++)
		fprintf(out, "# line %u: %s: %s\n", import->note[i].line, import->note[i].name,
			import->note[i].reason);
	fclose(out);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry_import import;
	struct config_fault fault = { 0 };
	size_t length;
	char *text;

	size = size < MOST_INPUT ? size : MOST_INPUT; /* words make much of it */
	text = spell_out(data, size, words, sizeof(words) / sizeof(words[0]), &length);
	if (size % 2 != 0)
		widen(&text, &length);
	if (registry_read(text, length, &import, &fault)) {
		char *file = printed(&import);

		require(import.note_count <= REGISTRY_NOTES);
		require_sound(&import.config, file);
		free(file);
	} else {
		require_fault(&fault);
	}
	free(text);
	return 0;
}
