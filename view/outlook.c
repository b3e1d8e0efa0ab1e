/* SPDX-License-Identifier: MIT */
#include "view/outlook.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_S 10u

static_assert(VIEW_AGES * 1000 == VIEW_TIME_WAIT_MS, "a second each");

int view_ages(const struct view_snapshot *snapshot, const uint32_t *number, size_t count,
	      struct view_ages *ret_ages)
{
	uint32_t *place =
		calloc(snapshot->destinations.count + 1, sizeof(*place)); /* + 1; 0: not asked about */

	if (!place)
		return -ENOMEM;
	memset(ret_ages, 0, count * sizeof(*ret_ages));
	for (size_t i = 0; i < count; i++)
		place[number[i]] = (uint32_t)i + 1;
	for (uint32_t i = 0; i < snapshot->rows; i++) {
		const struct view_row *row = &snapshot->row[i];
		uint32_t left = row->remaining_ms / 1000;

		if (row->state == TCP_TIME_WAIT && place[row->destination] &&
		    berth_port_set_contains(&snapshot->usable, row->port))
			ret_ages[place[row->destination] - 1].left[left < VIEW_AGES ? left : VIEW_AGES - 1]++;
	}
	free(place);
	return 0;
}

double view_waiting_per_s(const struct view_ages *ages)
{
	uint32_t entered = 0;

	for (unsigned s = VIEW_AGES - RECENT_S; s < VIEW_AGES; s++)
		entered += ages->left[s];
	return entered / (double)RECENT_S;
}

static bool is_loopback(const struct berth_address *address)
{
	static const struct berth_address loopback_v6 = { { [15] = 1 } };

	if (berth_address_is_v4(address))
		return berth_address_to_v4(address) >> 24 == 127;
	return berth_address_equal(address, &loopback_v6);
}

bool view_takes_over(const struct view_snapshot *snapshot, const struct view_pair *pair)
{
	if (!snapshot->ports.timestamps || snapshot->reuse.tw_reuse == TW_REUSE_NEVER)
		return false;
	return snapshot->reuse.tw_reuse == TW_REUSE_ALWAYS || is_loopback(&pair->local) ||
	       is_loopback(&pair->remote.address);
}

/* How many of those in ages have left TIME_WAIT after so many seconds. */
static double back_after(const struct view_ages *ages, double seconds)
{
	double back = 0;

	for (unsigned s = 0; s < VIEW_AGES && s < seconds; s++)
		back += ages->left[s] * fmin(1, seconds - s);
	return back;
}

double view_seconds_left(uint32_t free_ports, const struct view_ages *ages, double taken_per_s,
			 double waiting_per_s)
{
	double left = free_ports, never_back;

	if (free_ports == 0)
		return 0;
	if (isnan(taken_per_s))
		return NAN;
	for (unsigned s = 0; s < VIEW_AGES; s++) {
		double lost = taken_per_s - ages->left[s];

		if (lost >= left)
			return s + left / lost;
		left -= lost;
	}
	never_back = taken_per_s - waiting_per_s;
	return never_back > 0 ? VIEW_AGES + left / never_back : INFINITY;
}

/* What happened between two looks; a destination that was not there before had nothing. */
struct change {
	double used_per_s;  /* may be negative */
	double taken_per_s; /* what came back in between added */
};

static struct change change_since(const struct view_snapshot *now, uint32_t number,
				  const struct view_snapshot *before, const struct view_ages *ages_before)
{
	const struct view_pair *pair = &now->destinations.pair[number];
	const struct view_count *count = &now->count[number];
	uint32_t old_number = view_pair_index_find(&before->destinations, &pair->local, &pair->remote);
	struct view_count none = { 0 };
	const struct view_count *old = old_number == VIEW_NO_PAIR ? &none : &before->count[old_number];
	double seconds = (double)(now->taken_ns - before->taken_ns) / 1e9;
	double used = (double)count->used - old->used;
	double waiting = (double)count->waiting - old->waiting + back_after(ages_before, seconds);

	return (struct change){ used / seconds, fmax(used + waiting, 0) / seconds };
}

struct view_outlook view_outlook(const struct view_snapshot *now, uint32_t number,
				 const struct view_ages *ages, bool takes_over,
				 const struct view_snapshot *before, const struct view_ages *ages_before)
{
	static const struct view_ages nothing_waits;
	const struct view_count *count = &now->count[number];
	uint32_t usable = berth_port_set_count(&now->usable);
	double waiting_per_s = view_waiting_per_s(ages);
	struct change change = { NAN, count->waiting ? waiting_per_s : NAN };
	struct view_outlook outlook = { .used = count->used,
					.waiting = count->waiting,
					.free = view_free_ports(now, count) };

	if (before)
		change = change_since(now, number, before, ages_before);
	if (takes_over) {
		/* TIME_WAIT keeps nothing back. A tuple taken over is one more taken, which the numbers do not show. */
		outlook.taken_per_s =
			count->waiting ? fmax(change.taken_per_s, waiting_per_s) : change.taken_per_s;
		outlook.blocked = count->used;
		outlook.seconds_left = view_seconds_left(usable > count->used ? usable - count->used : 0,
							 &nothing_waits, change.used_per_s, 0);
	} else {
		outlook.taken_per_s = change.taken_per_s;
		outlook.blocked = count->used + count->waiting;
		outlook.seconds_left =
			view_seconds_left(outlook.free, ages, change.taken_per_s, waiting_per_s);
	}
	return outlook;
}
