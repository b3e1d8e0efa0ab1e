/* SPDX-License-Identifier: MIT */
#include "daemon/say.h"

#include <stdarg.h>
#include <stdio.h>

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("berth daemon: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}
