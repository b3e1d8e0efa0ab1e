/* SPDX-License-Identifier: MIT
 *
 * What a daemon has attached, and what it counted, read from the bpf filesystem: with or without the daemon running.
 */
#ifndef BERTH_DAEMON_PINNED_H
#define BERTH_DAEMON_PINNED_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/port_owners.h"
#include "wire/kernel_mode.h"

struct pinned {
	char version[32]; /* of the berth that attached it */
	char build[32];	  /* hooks_build() of that berth; empty while, or after, a change was not finished */
	char cgroup[PATH_MAX];
	unsigned hooks;	 /* attached programs */
	bool has_daemon; /* one runs, which governs TIME_WAIT and serves numbers */

	/* These mean something only where pinned_read() returns 0. */
	/* Since they were attached first; an upgrade goes on with them where it can. */
	__u64 ways[WIRE_HOOKS][WIRE_WAYS];
	struct wire_settings settings;
	uint64_t governed[WIRE_GOVERNED];
};

/* Reads all of it from a directory, such as PINS_DEFAULT (pins.h). 0, or negative errno:
 *
 *   -ENOENT  nothing is attached
 *   -EACCES  it is not for the caller to see, who is not root
 *   -ESTALE  another build of berth attached it, whose numbers this one cannot read: ret_pinned has the words
 */
int pinned_read(const char *dir, struct pinned *ret_pinned);

/* One destination for which ports ran out. */
struct pinned_exhaustion {
	struct wire_destination to;
	struct wire_exhaustion noted;
};

/* Those of the last so many destinations are shown. */
#define PINNED_EXHAUSTIONS 10u

/* To read again and again, without the privilege that opening takes. */
struct pinned_reader {
	struct pinned pinned; /* as last read; its words are those of the opening */
	void *variables;
	int exhaustions; /* descriptor of the map */
	struct port_owners owners;
};

/* As pinned_read(); where it returns 0, pinned_close() it. */
int pinned_open(const char *dir, struct pinned_reader *ret_reader);
void pinned_close(struct pinned_reader *reader);

/* Brings ways and settings up to date. */
void pinned_refresh(struct pinned_reader *reader);

/* Reads the last destinations for which ports ran out, the latest first. How many. */
unsigned pinned_exhaustions(const struct pinned_reader *reader,
			    struct pinned_exhaustion ret_latest[PINNED_EXHAUSTIONS]);

/* Opens the iterators of hooks that are this build's, for view_look(): none where there are none, or not for the caller.
 * port_owners_close() them. */
struct port_owners pinned_owners(const char *dir);

/* Maps the variables of the hooks that are pinned there, which must be this build's, into memory: hooks_variables_size()
 * bytes (hooks.h), for the caller to unmap. NULL and errno. */
void *pinned_map(const char *dir, bool writable);

#endif
