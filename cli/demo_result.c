/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/demo_result.h"

static const char *const call_names[] = { "bind", "connect", "talk" };

#define CALL_COUNT (sizeof(call_names) / sizeof(call_names[0]))
static_assert(CALL_COUNT == DEMO_TALK + 1, "a name for each call");

const char *demo_call_name(enum demo_call call)
{
	return call_names[call];
}

uint64_t demo_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int call_from_name(const char *name, enum demo_call *ret_call)
{
	for (size_t i = 0; i < CALL_COUNT; i++) {
		if (strcmp(name, call_names[i]) == 0) {
			*ret_call = (enum demo_call)i;
			return 0;
		}
	}
	return -EBADMSG;
}

void demo_count_failure(struct demo_count *count, enum demo_call call, int error)
{
	count->failed++;
	for (unsigned i = 0; i < DEMO_FAILURE_KINDS; i++) {
		struct demo_failure *failure = &count->failure[i];

		if (failure->count == 0)
			*failure = (struct demo_failure){ .call = call, .error = error };
		if (failure->call == call && failure->error == error) {
			failure->count++;
			return;
		}
	}
}

/* A number for programs, a name for people. */
static json_t *error_to_json(enum demo_call call, int error)
{
	return json_pack("{s:s, s:i, s:s?}", "call", demo_call_name(call), "errno", error, "error",
			 strerrorname_np(error));
}

json_t *demo_count_to_json(const struct demo_count *count)
{
	json_t *failures = json_array();

	for (unsigned i = 0; i < DEMO_FAILURE_KINDS && count->failure[i].count; i++) {
		const struct demo_failure *failure = &count->failure[i];
		json_t *object = error_to_json(failure->call, failure->error);

		json_object_set_new(object, "count", json_integer(failure->count));
		json_array_append_new(failures, object);
	}
	return json_pack("{s:i, s:i, s:i, s:I, s:o}", "made", (int)count->made, "failed", (int)count->failed,
			 "outside_range", (int)count->outside_range, "elapsed_us",
			 (json_int_t)count->elapsed_us, "failures", failures);
}

static int failure_from_json(json_t *object, struct demo_failure *ret_failure)
{
	const char *call;
	int error, count;
	enum demo_call which;

	if (json_unpack(object, "{s:s, s:i, s:i}", "call", &call, "errno", &error, "count", &count) < 0 ||
	    call_from_name(call, &which) < 0)
		return -EBADMSG;
	*ret_failure = (struct demo_failure){ .call = which, .error = error, .count = (unsigned)count };
	return 0;
}

int demo_count_from_json(json_t *object, struct demo_count *ret_count)
{
	struct demo_count count = { 0 };
	int made, failed, outside;
	json_int_t elapsed;
	json_t *failures;

	if (json_unpack(object, "{s:i, s:i, s:i, s:I, s:o}", "made", &made, "failed", &failed,
			"outside_range", &outside, "elapsed_us", &elapsed, "failures", &failures) < 0 ||
	    json_array_size(failures) > DEMO_FAILURE_KINDS)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(failures); i++)
		if (failure_from_json(json_array_get(failures, i), &count.failure[i]) < 0)
			return -EBADMSG;
	count.made = (unsigned)made;
	count.failed = (unsigned)failed;
	count.outside_range = (unsigned)outside;
	count.elapsed_us = (uint64_t)elapsed;
	*ret_count = count;
	return 0;
}

json_t *demo_walk_to_json(const struct demo_walk *walk)
{
	json_t *failure = walk->error ? error_to_json(walk->last_call, walk->error) : json_null();

	return json_pack("{s:i, s:b, s:i, s:b, s:i, s:o}", "first_port", (int)walk->first_port,
			 "first_time_wait", walk->first_waits, "other_port", (int)walk->other_port,
			 "other_time_wait", walk->other_waits, "second_port", (int)walk->second_port,
			 "failure", failure);
}

int demo_walk_from_json(json_t *object, struct demo_walk *ret_walk)
{
	struct demo_walk walk = { 0 };
	int first, other, second, first_waits, other_waits;
	json_t *failure;
	const char *call;

	if (json_unpack(object, "{s:i, s:b, s:i, s:b, s:i, s:o}", "first_port", &first, "first_time_wait",
			&first_waits, "other_port", &other, "other_time_wait", &other_waits, "second_port",
			&second, "failure", &failure) < 0)
		return -EBADMSG;
	if (!json_is_null(failure) &&
	    (json_unpack(failure, "{s:s, s:i}", "call", &call, "errno", &walk.error) < 0 ||
	     call_from_name(call, &walk.last_call) < 0))
		return -EBADMSG;
	walk.first_port = (unsigned)first;
	walk.first_waits = first_waits;
	walk.other_port = (unsigned)other;
	walk.other_waits = other_waits;
	walk.second_port = (unsigned)second;
	*ret_walk = walk;
	return 0;
}
