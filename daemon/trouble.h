/* SPDX-License-Identifier: MIT
 *
 * Why something could not be done: one line for the user, without a newline, that says what, where, and what to do.
 */
#ifndef BERTH_DAEMON_TROUBLE_H
#define BERTH_DAEMON_TROUBLE_H

#include <stdbool.h>

struct trouble {
	char text[512];
};

/* Writes the line; what does not fit is cut off. Returns false, so that a caller can say `return trouble_say(...)`. */
bool trouble_say(struct trouble *trouble, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
