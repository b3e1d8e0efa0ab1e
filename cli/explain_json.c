/* SPDX-License-Identifier: MIT */
#include "cli/explain_text.h"
#include "host/address_text.h"
#include "view/port_report.h"
#include "view/text.h"

static json_t *head_json(const char *asked, const struct destination *destination)
{
	char remote[ENDPOINT_TEXT];

	return json_pack("{s:s, s:s, s:i}", "asked", asked, "remote",
			 endpoint_text(&destination->pair.remote, remote), "addresses",
			 (int)destination->addresses);
}

json_t *explain_no_route_json(const char *asked, const struct destination *destination)
{
	json_t *object = head_json(asked, destination);

	json_object_set_new(object, "verdict", json_string("no-route"));
	json_object_set_new(object, "error", json_string(strerrorname_np(-destination->route_error)));
	return object;
}

static json_t *states_json(const struct view_explanation *explanation)
{
	json_t *object = json_object();

	for (unsigned state = 1; state < VIEW_STATES; state++) {
		const char *name = view_state_name(state);
		json_int_t before = json_integer_value(json_object_get(object, name));

		if (explanation->state[state])
			json_object_set_new(object, name, json_integer(before + explanation->state[state]));
	}
	return object;
}

static json_t *processes_json(const struct explain_document *document)
{
	static const char *const holders[] = { "process", "hidden", "orphaned" };
	json_t *array = json_array();

	for (size_t i = 0; i < document->processes; i++) {
		const struct view_process *process = &document->process[i];
		json_t *object = json_pack("{s:s, s:I}", "holder", holders[process->holder], "sockets",
					   (json_int_t)process->sockets);

		if (process->holder != VIEW_ORPHANED)
			json_object_set_new(object, "uid", json_integer(process->uid));
		if (process->holder == VIEW_PROCESS) {
			json_object_set_new(object, "pid", json_integer(process->pid));
			json_object_set_new(object, "name", json_string(process->name));
		}
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *ages_json(const struct view_ages *ages)
{
	json_t *array = json_array();

	for (unsigned s = 0; s < VIEW_AGES; s++)
		json_array_append_new(array, json_integer(ages->left[VIEW_AGES - 1 - s]));
	return array;
}

static json_t *advice_json(const struct explain_document *document)
{
	json_t *array = json_array();

	for (size_t i = 0; i < document->advices; i++) {
		const struct view_advice *advice = &document->advice[i];

		json_array_append_new(array, json_pack("{s:s, s:s, s:I}", "id", view_advice_name(advice->id),
						       "risk", view_risk_name(advice->risk), "gain_ports",
						       (json_int_t)advice->gain));
	}
	return array;
}

json_t *explain_json(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;
	json_t *object = head_json(document->asked, document->destination);
	json_t *timestamps = is->timestamps == VIEW_TIMESTAMPS_UNKNOWN
				     ? json_null()
				     : json_boolean(is->timestamps == VIEW_TIMESTAMPS_ON);
	char local[ENDPOINT_TEXT];

	json_object_update_new(object,
			       json_pack("{s:s, s:s, s:b, s:s?, s:I, s:I, s:I, s:b}", "local",
					 address_text(&is->pair.local, local), "verdict",
					 view_verdict_name(is->verdict), "steered", is->steered, "error",
					 is->verdict == VIEW_EXHAUSTED ? "EADDRNOTAVAIL" : NULL, "search",
					 (json_int_t)is->search, "fresh", (json_int_t)is->fresh, "elsewhere",
					 (json_int_t)is->elsewhere, "takes_over", is->takes_over));
	json_object_update_new(object, outlook_json(&is->outlook));
	json_object_set_new(object, "range", range_json(document->now));
	json_object_set_new(object, "settings", settings_json(document->now));
	json_object_set_new(object, "states", states_json(is));
	json_object_set_new(object, "processes", processes_json(document));
	json_object_set_new(object, "waited_s", ages_json(&is->ages));
	json_object_set_new(object, "closed_here_per_s", json_real(is->waiting_per_s));
	json_object_set_new(object, "timestamps", timestamps);
	json_object_set_new(object, "advice", advice_json(document));
	return object;
}
