/* SPDX-License-Identifier: MIT
 *
 * `berth daemon`: kernel mode for the machine, or for one cgroup, that outlives the daemon itself.
 *
 * The hooks steer by themselves; what they are told and what they count lies in pinned maps. The process puts them
 * there, in place of those of another build, and then waits for its end: by a signal, after which all stays as it is,
 * or because somebody has detached the hooks, after which there is nothing to be a daemon for. The settings hold, as the
 * hooks do, until they are changed or the hooks are detached.
 */
#ifndef BERTH_DAEMON_DAEMON_H
#define BERTH_DAEMON_DAEMON_H

#include <stdbool.h>

struct daemon_options {
	const char *config_path; /* of the settings; NULL: CONFIG_DEFAULT_PATH, if it is there */
	const char *cgroup;	 /* NULL: that of the settings, or the root of the hierarchy */
	/* Directory in a bpf filesystem; NULL: PINS_DEFAULT, with the filesystem mounted if need be. */
	const char *pin;
};

/* Runs until SIGTERM or SIGINT; on SIGHUP reads the settings again. Returns the exit status: 0, or 1 and
 * one line on stderr. What it does it says on stderr, a line each. */
int daemon_run(const struct daemon_options *options);

/* Says on stdout what daemon_run() would do, having had the kernel read the programs, and changes nothing. 0 or 1. */
int daemon_check(const struct daemon_options *options);

#endif
