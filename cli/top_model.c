/* SPDX-License-Identifier: MIT */
#include "cli/top_model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address_text.h"

const char *top_name(const struct view_pair *pair, char text[TOP_NAME])
{
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];

	snprintf(text, TOP_NAME, "%.55s from %.55s", endpoint_text(&pair->remote, remote),
		 address_text(&pair->local, local));
	return text;
}

/* Appends a sample. */
static void remember(struct top_history *history, uint32_t taken)
{
	memmove(history->sample, history->sample + 1, (TOP_SAMPLES - 1) * sizeof(*history->sample));
	history->sample[TOP_SAMPLES - 1] = taken;
	if (history->samples < TOP_SAMPLES)
		history->samples++;
}

/* The histories of what is followed now: those of before go on, the others are forgotten, so that there are never more
 * than TOP_DESTINATIONS. */
static int follow(struct top_model *model, const struct port_report *report)
{
	struct view_pair_index followed = { 0 };
	struct top_history *history = calloc(report->destinations + 1, sizeof(*history));
	int error = history ? view_pair_index_init(&followed) : -ENOMEM;

	for (size_t i = 0; !error && i < report->destinations; i++) {
		const struct report_destination *destination = &report->destination[i];
		const struct view_pair *pair = &destination->pair;
		const struct top_history *old = top_model_history(model, pair);

		if (view_pair_index_add(&followed, &pair->local, &pair->remote) == VIEW_NO_PAIR)
			error = -ENOMEM;
		if (old)
			history[i] = *old;
		remember(&history[i], destination->outlook.used + destination->outlook.waiting);
	}
	if (error) {
		view_pair_index_free(&followed);
		free(history);
		return error;
	}
	free(model->history);
	view_pair_index_free(&model->followed);
	model->history = history;
	model->followed = followed;
	return 0;
}

/* Takes the look in the older place in use: reports on it and goes on with it. */
static int take_up(struct top_model *model, unsigned newest)
{
	const struct view_snapshot *before = model->has_looked ? &model->look[1 - newest] : NULL;
	struct port_report report;
	size_t *shown;
	int error = port_report_make(&report, &model->look[newest], before, TOP_DESTINATIONS);

	if (error)
		return error;
	shown = calloc(report.destinations + 1, sizeof(*shown));
	error = shown ? follow(model, &report) : -ENOMEM;
	if (error) {
		free(shown);
		port_report_free(&report);
		return error;
	}
	port_report_free(&model->report);
	free(model->shown);
	model->report = report;
	model->shown = shown;
	model->newest = newest;
	model->has_two = model->has_looked;
	model->has_looked = true;
	return 0;
}

int top_model_look(struct top_model *model, enum view_scope scope, const struct port_owners *owners)
{
	unsigned older = model->has_looked ? 1 - model->newest : 0;
	struct view_snapshot *look = malloc(sizeof(*look));
	int error = look ? view_look(look, scope, owners) : -ENOMEM;

	if (!error) {
		view_free(&model->look[older]);
		model->look[older] = *look;
		error = take_up(model, older);
		top_model_arrange(model);
	}
	free(look);
	return error;
}

/* Unknown rates and times come last. */
static int compare_numbers(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (int)isnan(a) - (int)isnan(b);
	return (a > b) - (a < b);
}

static int compare(const void *left, const void *right, void *context)
{
	const struct top_model *model = context;
	const struct report_destination *a = &model->report.destination[*(const size_t *)left];
	const struct report_destination *b = &model->report.destination[*(const size_t *)right];
	char name_a[TOP_NAME], name_b[TOP_NAME];
	int order = 0;

	if (model->sort == TOP_BY_RATE)
		order = compare_numbers(-a->outlook.taken_per_s, -b->outlook.taken_per_s);
	if (model->sort == TOP_BY_TIME)
		order = compare_numbers(a->outlook.seconds_left, b->outlook.seconds_left);
	if (order == 0 && model->sort != TOP_BY_NAME)
		order = compare_numbers(b->outlook.blocked, a->outlook.blocked);
	if (order == 0 && model->sort != TOP_BY_NAME)
		order = compare_numbers(b->outlook.waiting, a->outlook.waiting);
	return order ? order : strcmp(top_name(&a->pair, name_a), top_name(&b->pair, name_b));
}

void top_model_arrange(struct top_model *model)
{
	char name[TOP_NAME];

	model->shown_count = 0;
	for (size_t i = 0; i < model->report.destinations; i++)
		if (strstr(top_name(&model->report.destination[i].pair, name), model->filter))
			model->shown[model->shown_count++] = i;
	if (model->shown_count)
		qsort_r(model->shown, model->shown_count, sizeof(*model->shown), compare, model);
}

void top_model_free(struct top_model *model)
{
	view_free(&model->look[0]);
	view_free(&model->look[1]);
	port_report_free(&model->report);
	view_pair_index_free(&model->followed);
	free(model->history);
	free(model->shown);
	*model = (struct top_model){ 0 };
}

const struct report_destination *top_model_shown(const struct top_model *model, size_t i)
{
	return &model->report.destination[model->shown[i]];
}

const struct top_history *top_model_history(const struct top_model *model, const struct view_pair *pair)
{
	uint32_t number;

	if (!model->history)
		return NULL;
	number = view_pair_index_find(&model->followed, &pair->local, &pair->remote);
	return number == VIEW_NO_PAIR ? NULL : &model->history[number];
}

size_t top_model_find(const struct top_model *model, const struct view_pair *pair)
{
	size_t i = 0;

	for (; i < model->shown_count; i++)
		if (memcmp(&top_model_shown(model, i)->pair, pair, sizeof(*pair)) == 0)
			break;
	return i;
}
