/* SPDX-License-Identifier: MIT
 *
 * What the daemon leaves in the bpf filesystem, so that it outlives the daemon.
 *
 * Theory of operation
 *
 *     DIR/hooks/NAME    the link of each program, which keeps the program, which keeps its constants
 *     DIR/maps/NAME     each map that a later build may go on with
 *     DIR/format        the format of all this, a number
 *     DIR/version       of the berth that put it there
 *     DIR/cgroup        path of the cgroup that is steered
 *     DIR/layout        layout.h, of the maps; missing while maps of different ones lie there
 *     DIR/build         hooks_build(); written last, and missing while something is being changed: what a killed
 *                       process has left half done shows
 *
 * The words are the targets of symbolic links: that filesystem has no other place for text. A name appears whole or
 * is replaced whole (rename). There are two locks, both by flock(): on DIR for the life of a daemon, of which there is
 * one; on DIR/hooks for every change.
 */
#ifndef BERTH_DAEMON_PINS_H
#define BERTH_DAEMON_PINS_H

#include <limits.h>
#include <stdbool.h>

#include "daemon/trouble.h"

#define PINS_DEFAULT "/sys/fs/bpf/berth"
#define PINS_FORMAT  "1"

enum pins_word {
	PINS_WORD_FORMAT,
	PINS_WORD_VERSION,
	PINS_WORD_CGROUP,
	PINS_WORD_LAYOUT,
	PINS_WORD_BUILD,
	PINS_WORDS,
};

/* DIR must leave room for the longest name. */
#define PINS_DIR_MAX (PATH_MAX - 128)

/* The directory, to be there: makes what is missing of it. The parent must be in a bpf filesystem. */
bool pins_make(const char *dir, struct trouble *ret_trouble);

/* Removes it, when hooks and maps are gone. True also where there is none. */
bool pins_remove(const char *dir, struct trouble *ret_trouble);

/* Takes a lock until the descriptor is closed. The descriptor, or negative errno: -ENOENT where there is no such
 * directory. */
int pins_lock_life(const char *dir);   /* -EWOULDBLOCK where a daemon lives */
int pins_lock_change(const char *dir); /* waits: changes take milliseconds */

/* Does a daemon live, this process perhaps? One that starts at this instant tries again. */
bool pins_have_daemon(const char *dir);

/* Reads a word. False where there is none; *ret_text is then "". */
bool pins_read(const char *dir, enum pins_word word, char ret_text[PATH_MAX]);

/* Writes or replaces a word; NULL removes it. */
bool pins_write(const char *dir, enum pins_word word, const char *text, struct trouble *ret_trouble);

/* Where a hook or a map of that name is pinned. */
void pins_hook_path(const char *dir, const char *name, char ret_path[PATH_MAX]);
void pins_map_path(const char *dir, const char *name, char ret_path[PATH_MAX]);

/* Pins an object under a name that is to have it from then on, in place of another one if there is. 0 or negative
 * errno. */
int pins_put(int object_fd, const char *path);

/* Calls back for each name in DIR/hooks (hooks true) or DIR/maps. How many there were. */
unsigned pins_each(const char *dir, bool hooks,
		   void (*see)(void *context, const char *name, const char *path), void *context);

/* Ends a pinned hook, at once. False, with errno, if it is still there. */
bool pins_end_hook(const char *path);

#endif
