/* SPDX-License-Identifier: MIT
 *
 * The port space in numbers: what `berth status`, `berth top` and the daemon show, and the JSON document of all three.
 */
#ifndef BERTH_VIEW_PORT_REPORT_H
#define BERTH_VIEW_PORT_REPORT_H

#include <jansson.h>

#include "view/outlook.h"

#define REPORT_ADDRESSES 3u

struct report_destination {
	struct view_pair pair;
	struct view_outlook outlook;
	unsigned full_percent; /* blocked ports of the usable ones, rounded down */
	bool takes_over;       /* TIME_WAIT does not count as blocked: view_takes_over() */
};

struct report_address {
	struct berth_address address;
	uint32_t fresh; /* ports without any socket: all that bind() to port 0 gets */
};

struct port_report {
	const struct view_snapshot *now; /* borrowed */
	uint32_t usable;
	struct report_address address[REPORT_ADDRESSES];
	unsigned addresses;
	struct report_destination *destination; /* the fullest first */
	size_t destinations;
};

/* Reports on the fullest `most` destinations. before is an earlier look, for the rates, or NULL. 0 or -ENOMEM;
 * then port_report_free() it. now must outlive it. */
int port_report_make(struct port_report *ret_report, const struct view_snapshot *now,
		     const struct view_snapshot *before, size_t most);
void port_report_free(struct port_report *report);

/* A new reference; the fields are described by `berth status --help`. */
json_t *port_report_json(const struct port_report *report);

/* The parts of it that other documents have too: an outlook's fields, the settings, the range. */
json_t *outlook_json(const struct view_outlook *outlook);
json_t *settings_json(const struct view_snapshot *snapshot);
json_t *range_json(const struct view_snapshot *snapshot);

#endif
