/* SPDX-License-Identifier: MIT */
#include "cli/paragraph.h"

#include <stdarg.h>
#include <string.h>

/* The length of the line that text begins with: as many words as fit. */
static int line_of(const char *text, int room)
{
	int end = 0;

	for (int i = 0; i <= room || end == 0; i++) {
		if (text[i] == '\0')
			return i;
		if (text[i] == ' ')
			end = i;
	}
	return end;
}

void print_paragraph(FILE *out, int indent, const char *label, const char *format, ...)
{
	char text[1024];
	const char *rest = text;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	do {
		int length = line_of(rest, PARAGRAPH_WIDTH - indent);

		fprintf(out, "%-*s%.*s\n", indent, label, length, rest);
		label = "";
		rest += length;
		rest += strspn(rest, " ");
	} while (*rest);
}
