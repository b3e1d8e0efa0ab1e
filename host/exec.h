/* SPDX-License-Identifier: MIT
 *
 * What it means that a program could not be executed, as a shell says it.
 */
#ifndef BERTH_HOST_EXEC_H
#define BERTH_HOST_EXEC_H

#include <stddef.h>

/* After execvp() has failed with an errno: writes one line about it, without a newline, and returns the exit
 * status: 127 if there is no such program, otherwise 126. */
int exec_failure(const char *program, int error, char *ret_text, size_t size);

#endif
