/* SPDX-License-Identifier: MIT
 *
 * What `berth explain` says, in sentences and as JSON.
 */
#ifndef BERTH_CLI_EXPLAIN_TEXT_H
#define BERTH_CLI_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdio.h>

#include "cli/destination.h"
#include "view/explanation.h"
#include "view/processes.h"

/* All that is known of one destination; borrows what it points to. */
struct explain_document {
	FILE *out;	   /* where explain_print() writes */
	const char *asked; /* as it was typed */
	const struct destination *destination;
	const struct view_snapshot *now;
	const struct view_explanation *explanation;
	const struct view_process *process;
	size_t processes;
	struct view_advice advice[VIEW_ADVICES];
	size_t advices;
};

void explain_print(const struct explain_document *document);

/* A new reference; `berth explain --help` describes the fields. */
json_t *explain_json(const struct explain_document *document);

/* The JSON of a destination that no way leads to. */
json_t *explain_no_route_json(const char *asked, const struct destination *destination);

/* What stands in "holder" and for people: "nginx (pid 12)". Static, or written into text. */
const char *explain_holder_text(const struct view_process *process, char *text, size_t size);

#endif
