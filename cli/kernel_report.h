/* SPDX-License-Identifier: MIT
 *
 * What kernel mode is in force on this machine, and what it has done, for people and as JSON.
 */
#ifndef BERTH_CLI_KERNEL_REPORT_H
#define BERTH_CLI_KERNEL_REPORT_H

#include <jansson.h>

/* Of what lies in PINS_DEFAULT: attached (null: not for the caller to see), version, build, cgroup, hooks (how many), settings
 * and ways (null: another build's). */
json_t *kernel_report_json(void);

/* The same as lines of text. */
void kernel_report_print(void);

#endif
