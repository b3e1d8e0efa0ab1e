/* SPDX-License-Identifier: MIT
 *
 * Sentences on a screen of 80 columns.
 */
#ifndef BERTH_CLI_PARAGRAPH_H
#define BERTH_CLI_PARAGRAPH_H

#include <stdio.h>

#define PARAGRAPH_WIDTH 79

/* Prints label (which may be "") in a column of so many characters and the text beside it, broken between
 * words. */
void print_paragraph(FILE *out, int indent, const char *label, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
