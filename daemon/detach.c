/* SPDX-License-Identifier: MIT */
#include "daemon/detach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/pins.h"
#include "host/bpf_fs.h"

struct removal {
	void (*see)(void *context, enum detached kind, const char *name);
	void *context;
	struct trouble *trouble;
	bool failed;
};

static void end_hook(void *context, const char *name, const char *path)
{
	struct removal *removal = context;

	if (pins_end_hook(path)) {
		removal->see(removal->context, DETACHED_HOOK, name);
		return;
	}
	trouble_say(removal->trouble, "%.300s: cannot be removed: %s", path, strerror(errno));
	removal->failed = true;
}

static void remove_map(void *context, const char *name, const char *path)
{
	struct removal *removal = context;

	if (unlink(path) == 0) {
		removal->see(removal->context, DETACHED_MAP, name);
		return;
	}
	trouble_say(removal->trouble, "%.300s: cannot be removed: %s", path, strerror(errno));
	removal->failed = true;
}

bool detach(const char *dir, void (*see)(void *context, enum detached kind, const char *name), void *context,
	    struct trouble *ret_trouble)
{
	struct removal removal = { .see = see, .context = context, .trouble = ret_trouble };
	bool removed;
	int lock;

	/* Elsewhere its folders could be anybody's. */
	if (access(dir, F_OK) == 0 && !bpf_fs_is(dir))
		return trouble_say(ret_trouble, "%.300s: not in a bpf filesystem", dir);
	lock = pins_lock_change(dir);
	if (lock < 0 && lock != -ENOENT)
		return trouble_say(ret_trouble, "%.300s: %s%s", dir, strerror(-lock),
				   lock == -EACCES ? " (be root)" : "");
	pins_each(dir, true, end_hook, &removal);
	pins_each(dir, false, remove_map, &removal);
	removed = !removal.failed && pins_remove(dir, ret_trouble);
	if (lock >= 0)
		close(lock);
	return removed;
}
