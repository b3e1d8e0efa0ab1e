/* SPDX-License-Identifier: MIT */
#include "host/exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	CANNOT_EXECUTE = 126,
	NOT_FOUND = 127
};

int exec_failure(const char *program, int error, char *ret_text, size_t size)
{
	if (error == ENOENT || error == ENOTDIR) {
		snprintf(ret_text, size, "%s: no such program", program);
		return NOT_FOUND;
	}
	snprintf(ret_text, size, "%s: cannot be executed: %s", program, strerror(error));
	return CANNOT_EXECUTE;
}
