/* SPDX-License-Identifier: MIT */
#include "daemon/recent_look.h"

#include "host/clock.h"

#define OLDEST_BEFORE_NS 30000000000ull /* half of TIME_WAIT: what a second look does not see is little */

static uint64_t cpu_ns(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000000u + (uint64_t)spent.tv_nsec;
}

static bool is_recent(const struct recent_look *look)
{
	uint64_t age = clock_ns() - look->now.taken_ns;

	return look->has_now && (age < RECENT_LOOK_LEAST_NS || age < look->cost_ns * RECENT_LOOK_SHARE);
}

int recent_look_renew(struct recent_look *look, const struct port_owners *owners)
{
	struct view_snapshot seen;
	uint64_t start = cpu_ns();
	int error;

	if (is_recent(look))
		return 0;
	error = view_look(&seen, VIEW_ALL, owners);
	if (error)
		return error;
	look->cost_ns = cpu_ns() - start;
	view_free(&look->before);
	look->before = look->now;
	look->now = seen;
	look->has_before = look->has_now && seen.taken_ns - look->before.taken_ns < OLDEST_BEFORE_NS;
	look->has_now = true;
	return 0;
}
