/* SPDX-License-Identifier: MIT
 *
 * The thread that reads dumps of the kernel's socket table, so that nobody else waits for the
 * kernel to walk it. It shares nothing with the supervisor: a socket pair lies between them, with
 * orders one way and pieces as they came from the kernel the other. When the pair is full, it waits,
 * and the kernel with it.
 */
#ifndef BERTH_SUPERVISE_DUMP_READER_H
#define BERTH_SUPERVISE_DUMP_READER_H

#include <stdbool.h>

#include "host/socket_table.h"

struct dump_reader {
	int fd;	      /* readable when a piece, or the end of the dump, is there */
	bool reading; /* a dump was ordered, and its end has not come */
};

/* Starts the thread, which ends with the process. 0 or negative errno. */
int dump_reader_start(struct dump_reader *reader);

/* Orders a dump of all sockets with a local port in [first, last]. Not while one is being read. */
void dump_reader_order(struct dump_reader *reader, unsigned first, unsigned last);

/* Takes the next piece, waiting no longer than wait_ms for it, and calls back for each socket in it.
 * 1: the dump goes on; 0: it is complete; negative errno: it failed. */
int dump_reader_take(struct dump_reader *reader, int wait_ms,
		     void (*see)(void *context, const struct socket_entry *entry), void *context);

#endif
