/* SPDX-License-Identifier: MIT
 *
 * What berth doctor has found, a line each, and how it is shown.
 */
#ifndef BERTH_CLI_DOCTOR_REPORT_H
#define BERTH_CLI_DOCTOR_REPORT_H

#include <jansson.h>
#include <stdbool.h>

enum doctor_group {
	DOCTOR_SUPERVISE, /* what `supervise` mode stands on */
	DOCTOR_KERNEL,	  /* what kernel mode stands on */
	DOCTOR_SETTINGS,  /* the sysctls of this network namespace */
	DOCTOR_GROUPS,
};

enum doctor_verdict {
	DOCTOR_YES,  /* it is there */
	DOCTOR_LESS, /* it is not there, and something is lost or slower */
	DOCTOR_NO,   /* it is not there, and without it the mode cannot be had */
	DOCTOR_OK,   /* of a setting */
	DOCTOR_TRAP,
};

struct doctor_report {
	json_t *checks;		     /* an array: group, name, verdict, text */
	bool missing[DOCTOR_GROUPS]; /* some check said DOCTOR_NO */
	unsigned traps;
};

/* 0 or, if there is no memory, -ENOMEM. To be ended by doctor_report_end(). */
int doctor_report_begin(struct doctor_report *report);
void doctor_report_end(struct doctor_report *report);

/* Adds a line: what was looked at, and what follows, as a sentence. */
void doctor_add(struct doctor_report *report, enum doctor_group group, const char *name,
		enum doctor_verdict verdict, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Chooses between two sentences. */
void doctor_add_feature(struct doctor_report *report, enum doctor_group group, const char *name, bool there,
			enum doctor_verdict otherwise, const char *if_there, const char *if_not);

/* Shows the groups that were looked at, as text or as one JSON object. */
void doctor_print(const struct doctor_report *report, const bool looked_at[DOCTOR_GROUPS], bool as_json);

/* Each of these looks at one group. */
void doctor_look_at_supervise(struct doctor_report *report);
void doctor_look_at_kernel(struct doctor_report *report);
void doctor_look_at_settings(struct doctor_report *report);

#endif
