/* SPDX-License-Identifier: MIT
 *
 * The files of web/, which this binary carries along.
 */
#ifndef BERTH_DAEMON_PAGE_H
#define BERTH_DAEMON_PAGE_H

#include <stddef.h>

struct page_file {
	const char *path; /* that it is served under */
	const char *type;
	const char *start, *end;
};

/* NULL: there is none under that path. */
const struct page_file *page_find(const char *path);

#endif
