/* SPDX-License-Identifier: MIT
 *
 * One reading of what the kernel has in TIME_WAIT and FIN_WAIT_2, for the governor (governor.h), in the order of age.
 *
 * A reading of many takes its time, in which connections go on closing. What is reported of them meanwhile is added to the list,
 * for the order to be right; who is seen both ways is there twice.
 */
#ifndef BERTH_DAEMON_GOVERNOR_READING_H
#define BERTH_DAEMON_GOVERNOR_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/waiting.h"
#include "host/left_over.h"

struct reading_one {
	struct left_over who;
	uint64_t since_ns; /* in TIME_WAIT, as far as it can be told */
	bool time_wait;
};

struct reading {
	const struct waiting *known; /* what was seen to enter: since_ns is exact */
	uint64_t filled_ns;	     /* when the kernel wrote what is read now */
	struct reading_one *list;
	size_t count, room;
	bool failed; /* no memory */
};

/* Adds one. */
void reading_add(struct reading *reading, const struct left_over *who, uint64_t since_ns, bool time_wait);

/* Reads, and calls back now and then. The reading has `known` only; afterwards it is to be freed. 0 or negative errno. */
int reading_make(struct reading *reading, void (*meanwhile)(void *context), void *context);
void reading_free(struct reading *reading);

#endif
