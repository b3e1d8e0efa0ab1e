/* SPDX-License-Identifier: MIT
 *
 * Sentences on a screen of 80 columns.
 */
#ifndef BERTH_CLI_PARAGRAPH_H
#define BERTH_CLI_PARAGRAPH_H

#define PARAGRAPH_WIDTH 79

/* Prints label (which may be "") in a column of so many characters and the text beside it, broken between
 * words. */
void print_paragraph(int indent, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
