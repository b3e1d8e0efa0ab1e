/* SPDX-License-Identifier: MIT
 *
 * Any text as a berth.conf: refused with a reason, or good settings that can be written and read again.
 *
 *	build/tests/fuzz/berth_conf_fuzz -max_total_time=60
 */
#include "tests/fuzz/config_fuzz.h"

static const char *const words[] = {
	"[Parameters]\n",
	"[Berth]\n",
	"TcpTimedWaitDelay=",
	"MaxFreeTWTcbs=",
	"MaxUserPort=",
	"ReservedPorts=",
	"policy=",
	"exhausted=",
	"time-wait-timestamps-only=",
	"listen=",
	"token-file=",
	"cgroup=",
	"exclude-cgroup=",
	"exclude-destination=",
	"berth",
	"sp1",
	"legacy",
	"fail",
	"kernel",
	"take-over",
	"yes",
	"no",
	"127.0.0.1",
	"[::1]",
	"2001:db8::",
	"4000-4000",
	"5000",
	"0x",
	"\n\t",
	" ;",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_fault fault = { 0 };
	struct config config = { .max_user_port = 1 };
	size_t length;
	char *text = spell_out(data, size, words, sizeof(words) / sizeof(words[0]), &length);

	if (config_read(text, length, &config, &fault)) {
		char *file = written(&config);

		require_sound(&config, file);
		free(file);
	} else {
		require_fault(&fault);
		require(config.max_user_port == 1);
	}
	free(text);
	return 0;
}
