/* SPDX-License-Identifier: MIT */
#include "view/port_report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "host/address_text.h"

static void fill(struct port_report *report, const uint32_t *number, const struct view_ages *ages,
		 const struct view_snapshot *before, const struct view_ages *ages_before)
{
	for (size_t i = 0; i < report->destinations; i++) {
		struct report_destination *destination = &report->destination[i];

		destination->pair = report->now->destinations.pair[number[i]];
		destination->takes_over = view_takes_over(report->now, &destination->pair);
		destination->outlook = view_outlook(report->now, number[i], &ages[i], destination->takes_over,
						    before, before ? &ages_before[i] : NULL);
		if (report->usable)
			destination->full_percent = destination->outlook.blocked * 100u / report->usable;
	}
}

/* The same destinations in the earlier look; what was not there has no ages. */
static int ages_in(const struct view_snapshot *before, const struct port_report *report,
		   const uint32_t *number, struct view_ages *ret_ages)
{
	uint32_t *old = calloc(report->destinations + 1, sizeof(*old));
	struct view_ages *ages = calloc(report->destinations + 1, sizeof(*ages));
	size_t found = 0;
	int error = old && ages ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < report->destinations; i++) {
		const struct view_pair *pair = &report->now->destinations.pair[number[i]];
		uint32_t there = view_pair_index_find(&before->destinations, &pair->local, &pair->remote);

		if (there != VIEW_NO_PAIR)
			old[found++] = there;
	}
	if (!error)
		error = view_ages(before, old, found, ages);
	for (size_t i = 0, next = 0; !error && i < report->destinations; i++) {
		const struct view_pair *pair = &report->now->destinations.pair[number[i]];

		if (view_pair_index_find(&before->destinations, &pair->local, &pair->remote) != VIEW_NO_PAIR)
			ret_ages[i] = ages[next++];
	}
	free(old);
	free(ages);
	return error;
}

static int make_destinations(struct port_report *report, const struct view_snapshot *before, size_t most)
{
	uint32_t *number = calloc(most + 1, sizeof(*number));
	struct view_ages *ages = calloc(most + 1, sizeof(*ages));
	struct view_ages *ages_before = calloc(most + 1, sizeof(*ages_before));
	int error = -ENOMEM;

	report->destination = calloc(most + 1, sizeof(*report->destination));
	if (number && ages && ages_before && report->destination) {
		report->destinations = view_fullest(report->now, most, number);
		error = view_ages(report->now, number, report->destinations, ages);
		if (!error && before)
			error = ages_in(before, report, number, ages_before);
		if (!error)
			fill(report, number, ages, before, ages_before);
	}
	free(number);
	free(ages);
	free(ages_before);
	return error;
}

static int make_addresses(struct port_report *report)
{
	struct berth_address address[REPORT_ADDRESSES];
	int found = view_busiest_addresses(report->now, REPORT_ADDRESSES, address);

	for (int i = 0; i < found; i++)
		report->address[i] = (struct report_address){
			address[i],
			view_fresh_ports(report->now, &address[i], NULL),
		};
	report->addresses = found > 0 ? (unsigned)found : 0;
	return found < 0 ? found : 0;
}

int port_report_make(struct port_report *ret_report, const struct view_snapshot *now,
		     const struct view_snapshot *before, size_t most)
{
	struct port_report report = { .now = now, .usable = berth_port_set_count(&now->usable) };
	int error = make_addresses(&report);

	if (most > now->reached)
		most = now->reached;
	if (!error)
		error = make_destinations(&report, before, most);
	if (error)
		port_report_free(&report);
	else
		*ret_report = report;
	return error;
}

void port_report_free(struct port_report *report)
{
	free(report->destination);
	*report = (struct port_report){ 0 };
}

/* JSON has neither infinity nor "not a number": null. */
static json_t *number_json(double number)
{
	return isfinite(number) ? json_real(round(number * 10) / 10) : json_null();
}

json_t *outlook_json(const struct view_outlook *outlook)
{
	json_t *exhausts =
		isnan(outlook->seconds_left) ? json_null() : json_boolean(!isinf(outlook->seconds_left));

	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "used", (json_int_t)outlook->used, "waiting",
			 (json_int_t)outlook->waiting, "free", (json_int_t)outlook->free, "blocked",
			 (json_int_t)outlook->blocked, "taken_per_s", number_json(outlook->taken_per_s),
			 "exhausts", exhausts, "seconds_left", number_json(outlook->seconds_left));
}

json_t *settings_json(const struct view_snapshot *snapshot)
{
	const struct reuse_sysctls *reuse = &snapshot->reuse;

	return json_pack("{s:b, s:i, s:I, s:b, s:I}", "tcp_timestamps", snapshot->ports.timestamps,
			 "tcp_tw_reuse", (int)reuse->tw_reuse, "tcp_tw_reuse_delay_ms",
			 (json_int_t)reuse->reuse_delay_ms, "ip_autobind_reuse", reuse->autobind_reuse,
			 "tcp_max_tw_buckets", (json_int_t)reuse->max_tw_buckets);
}

/* Members of set in the range. */
static uint32_t in_range(const struct view_snapshot *snapshot, const struct berth_port_set *set)
{
	return berth_port_set_rank(set, snapshot->ports.last + 1) -
	       berth_port_set_rank(set, snapshot->ports.first);
}

json_t *range_json(const struct view_snapshot *snapshot)
{
	return json_pack("{s:i, s:i, s:I, s:I, s:I}", "first", (int)snapshot->ports.first, "last",
			 (int)snapshot->ports.last, "reserved",
			 (json_int_t)in_range(snapshot, &snapshot->ports.reserved), "held",
			 (json_int_t)in_range(snapshot, &snapshot->held), "usable",
			 (json_int_t)berth_port_set_count(&snapshot->usable));
}

static json_t *destination_json(const struct report_destination *destination)
{
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];
	json_t *object =
		json_pack("{s:s, s:s, s:i, s:b}", "remote", endpoint_text(&destination->pair.remote, remote),
			  "local", address_text(&destination->pair.local, local), "full_percent",
			  (int)destination->full_percent, "takes_over", destination->takes_over);

	json_object_update_new(object, outlook_json(&destination->outlook));
	return object;
}

json_t *port_report_json(const struct port_report *report)
{
	const struct view_snapshot *now = report->now;
	json_t *addresses = json_array(), *destinations = json_array();
	struct utsname kernel = { 0 };
	char text[ENDPOINT_TEXT];

	uname(&kernel);
	for (unsigned i = 0; i < report->addresses; i++)
		json_array_append_new(addresses, json_pack("{s:s, s:I}", "local",
							   address_text(&report->address[i].address, text),
							   "fresh", (json_int_t)report->address[i].fresh));
	for (size_t i = 0; i < report->destinations; i++)
		json_array_append_new(destinations, destination_json(&report->destination[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:{s:I, s:I, s:I, s:I}, s:o, s:o, s:I, s:o}", "berth",
			 BERTH_VERSION, "source", view_source_name(now->source), "kernel", kernel.release,
			 "range", range_json(now), "sockets", "in_use", (json_int_t)now->totals.in_use,
			 "time_wait", (json_int_t)now->totals.time_wait, "begun_here", (json_int_t)now->begun,
			 "inbound_in_range", (json_int_t)now->inbound, "settings", settings_json(now),
			 "addresses", addresses, "destination_count", (json_int_t)now->reached,
			 "destinations", destinations);
}
