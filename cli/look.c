/* SPDX-License-Identifier: MIT */
#include "cli/look.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/owners.h"

static void wait_s(double seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds,
				 .tv_nsec = (long)((seconds - floor(seconds)) * 1e9) };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

void looks_use_owners(struct looks *looks, enum view_scope scope)
{
	looks->owners = owners_open(scope == VIEW_ALL);
}

int looks_take(struct looks *looks, enum view_scope scope, double seconds)
{
	int error = view_look(&looks->now, scope, &looks->owners);

	return error || seconds == 0 ? error : looks_again(looks, scope, seconds);
}

int looks_again(struct looks *looks, enum view_scope scope, double seconds)
{
	view_free(&looks->before);
	looks->before = looks->now;
	looks->now = (struct view_snapshot){ 0 };
	looks->are_two = true;
	wait_s(seconds);
	return view_look(&looks->now, scope, &looks->owners);
}

void looks_free(struct looks *looks)
{
	view_free(&looks->before);
	view_free(&looks->now);
	port_owners_close(&looks->owners);
	looks->are_two = false;
}

bool read_number(const char *text, const char *unit, double least, double most, double *ret_number)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || (*end != '\0' && strcmp(end, unit) != 0) || !(number >= least && number <= most))
		return false;
	*ret_number = number;
	return true;
}
