/* SPDX-License-Identifier: MIT
 *
 * What berth record says: how it goes on, and what it has recorded.
 */
#ifndef BERTH_CLI_RECORD_REPORT_H
#define BERTH_CLI_RECORD_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/record_tape.h"

enum record_end {
	RECORD_ENDED_BY_SIGNAL,
	RECORD_ENDED_BY_TIME,
	RECORD_ENDED_BY_SIZE,
};

struct record_report {
	const char *file;
	const struct tape *tape;
	bool by_looks;
	enum record_end end;
	double lasted_s;
	uint64_t lost; /* reports */
};

/* On stderr: that it has begun; on a terminal, a line that is kept up to date, and that line's end. */
void record_report_begin(const struct record_report *report);
void record_report_progress(const struct tape *tape, uint64_t now_ns);
void record_report_end(void);

/* The sums, on stdout; and as an object, a new reference. */
void record_report_print(const struct record_report *report);
json_t *record_report_json(const struct record_report *report);

#endif
