/* SPDX-License-Identifier: MIT */
#include "view/text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "view/snapshot.h"

const char *view_number_text(uint64_t number, char text[VIEW_NUMBER_TEXT])
{
	char digits[VIEW_NUMBER_TEXT];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *to = text;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

const char *view_rate_text(double per_s, char text[VIEW_NUMBER_TEXT])
{
	if (isnan(per_s))
		return "-";
	if (per_s > 0 && per_s < 9.95) {
		snprintf(text, VIEW_NUMBER_TEXT, "%.1f", per_s);
		return text;
	}
	return view_number_text((uint64_t)llround(per_s), text);
}

const char *view_duration_text(double seconds, char text[VIEW_NUMBER_TEXT])
{
	if (isnan(seconds))
		return "-";
	if (isinf(seconds) || seconds > 1e9)
		return "never";
	if (seconds < 0.5)
		return "now";
	if (seconds < 120)
		snprintf(text, VIEW_NUMBER_TEXT, "%.0f s", seconds);
	else if (seconds < 7200)
		snprintf(text, VIEW_NUMBER_TEXT, "%.0f min", seconds / 60);
	else if (seconds < 172800)
		snprintf(text, VIEW_NUMBER_TEXT, "%.0f h", seconds / 3600);
	else
		snprintf(text, VIEW_NUMBER_TEXT, "%.0f d", seconds / 86400);
	return text;
}

const char *view_state_name(unsigned state)
{
	static const char *const names[] = {
		"UNKNOWN", "ESTAB",	 "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
		"UNCONN",  "CLOSE-WAIT", "LAST-ACK", "LISTEN",	 "CLOSING",    "SYN-RECV",   "BOUND",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == VIEW_STATES, "a name for each state");
	return names[state < VIEW_STATES ? state : 0];
}
