/* SPDX-License-Identifier: MIT
 *
 * What berth top knows: the last two looks, the report on them, how full each destination was in the last minutes; and
 * what of it is to be shown in which order.
 */
#ifndef BERTH_CLI_TOP_MODEL_H
#define BERTH_CLI_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view/port_report.h"

/* Destinations followed: those with the fewest free ports. */
#define TOP_DESTINATIONS 1000u

/* Looks remembered of each. */
#define TOP_SAMPLES 150u

enum top_sort {
	TOP_BY_FULL, /* least left first */
	TOP_BY_RATE,
	TOP_BY_TIME, /* first exhausted first */
	TOP_BY_NAME,
	TOP_SORTS
};

/* How many ports were taken, look by look; the newest is sample[TOP_SAMPLES - 1]. */
struct top_history {
	uint32_t sample[TOP_SAMPLES];
	unsigned samples;
};

/* The zero-filled struct is valid and knows nothing. */
struct top_model {
	struct view_snapshot look[2]; /* newest is the one that `report` is about */
	unsigned newest;
	bool has_looked, has_two;
	struct port_report report;
	struct view_pair_index followed; /* pairs with a history, by number */
	struct top_history *history;
	size_t *shown; /* places in report.destination, in order */
	size_t shown_count;
	enum top_sort sort;
	char filter[64]; /* what a shown name contains */
};

/* Looks again; owners as for view_look(). 0 or negative errno; the report is then as it was. */
int top_model_look(struct top_model *model, enum view_scope scope, const struct port_owners *owners);

/* Sorts and filters anew, after sort or filter has changed. */
void top_model_arrange(struct top_model *model);
void top_model_free(struct top_model *model);

/* The i-th shown, and its history (NULL if there is none). i < shown_count. */
const struct report_destination *top_model_shown(const struct top_model *model, size_t i);
const struct top_history *top_model_history(const struct top_model *model, const struct view_pair *pair);

/* The place of a pair among those shown; shown_count if it is not. */
size_t top_model_find(const struct top_model *model, const struct view_pair *pair);

/* "192.0.2.1:443 from 192.0.2.2"; room for that: TOP_NAME. */
#define TOP_NAME 120u
const char *top_name(const struct view_pair *pair, char text[TOP_NAME]);

static inline const struct view_snapshot *top_model_now(const struct top_model *model)
{
	return &model->look[model->newest];
}

static inline const struct view_snapshot *top_model_before(const struct top_model *model)
{
	return model->has_two ? &model->look[1 - model->newest] : NULL;
}

#endif
