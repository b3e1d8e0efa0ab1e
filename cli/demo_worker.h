/* SPDX-License-Identifier: MIT
 *
 * The program that the demo watches: an ordinary user of sockets that asks for any port, connects and closes.
 * It knows nothing of Berth. It runs as a process of its own, behind the hidden option
 * `berth demo --worker=TASK`, and prints one line of JSON (demo_result.h).
 */
#ifndef BERTH_CLI_DEMO_WORKER_H
#define BERTH_CLI_DEMO_WORKER_H

#include <stddef.h>

#include "cli/demo_result.h"

/* TASK for a load, or with steps for the walk through the ten steps (of which only load->reuse speaks). */
void demo_worker_task(char *text, size_t size, const struct demo_load *load, bool steps);

/* Does TASK. Returns the exit status. */
int demo_worker_main(const char *task);

#endif
