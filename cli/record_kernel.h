/* SPDX-License-Identifier: MIT
 *
 * Recording from what the kernel reports (daemon/trace.h): each call, as it happens.
 */
#ifndef BERTH_CLI_RECORD_KERNEL_H
#define BERTH_CLI_RECORD_KERNEL_H

#include "cli/record_tape.h"
#include "daemon/trouble.h"

struct record_kernel;

/* From now on reports wait to be told to the tape. A look at the start comes later, so that nothing lies in between; who is in
 * TIME_WAIT by then is on the tape, and reports of its beginning are left out. NULL, and why, where that cannot be had. */
struct record_kernel *record_kernel_open(struct tape *tape, const struct record_sockets *waiting,
					 struct trouble *ret_trouble);

/* Tells the tape. To be called some ten times a second. */
void record_kernel_read(struct record_kernel *kernel);

/* Reports that were lost, as they came faster than they were read. NULL is allowed in both. */
uint64_t record_kernel_lost(const struct record_kernel *kernel);
void record_kernel_close(struct record_kernel *kernel);

#endif
