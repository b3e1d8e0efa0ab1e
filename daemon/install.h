/* SPDX-License-Identifier: MIT
 *
 * Puts the hooks of this build into the bpf filesystem (pins.h), in place of those of another one if there are any.
 *
 * No call meets a moment without hooks: where the kernel can exchange the program of a hook it does so in one step
 * (BPF_LINK_UPDATE, cgroup hooks), otherwise the new hook is there before the old one goes, and what both remember is
 * a hint. A process that is killed meanwhile leaves hooks of both builds behind, which is as harmless, and the next one
 * finds no DIR/build and does it all again.
 */
#ifndef BERTH_DAEMON_INSTALL_H
#define BERTH_DAEMON_INSTALL_H

#include <stdint.h>

#include "config/config.h"
#include "daemon/hooks.h"
#include "daemon/trouble.h"

enum install_verdict {
	INSTALL_NEW,  /* nothing is there */
	INSTALL_SAME, /* this very build is, with all that the settings need: nothing is to be done */
	INSTALL_REPLACE, /* another build is, or one that was left half done, or has lost its cgroup, or had other settings */
	INSTALL_REFUSED, /* what is there is not to be replaced */
};

struct install {
	const char *dir;
	const char *cgroup; /* absolute path */
	int cgroup_fd;
	uint64_t cgroup_id;
	const struct config *config; /* in force from the first call on */
};

/* What a carrying out would do; changes nothing. */
enum install_verdict install_plan(const struct install *install, const struct hooks *hooks,
				  struct trouble *ret_trouble);

/* Loads the hooks, opened but not loaded, and installs them in a directory that pins_make() has made. For the
 * owner of the change lock. On failure every hook that was there is still there, be it of an earlier build or of this one already. */
bool install_carry_out(const struct install *install, struct hooks *hooks, struct trouble *ret_trouble);

#endif
