/* SPDX-License-Identifier: MIT */
#include "daemon/pins.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/bpf_fs.h"

#define HOOKS_FOLDER "hooks"
#define MAPS_FOLDER  "maps"

static const char *const word_names[PINS_WORDS] = {
	[PINS_WORD_FORMAT] = "format", [PINS_WORD_VERSION] = "version", [PINS_WORD_CGROUP] = "cgroup",
	[PINS_WORD_LAYOUT] = "layout", [PINS_WORD_BUILD] = "build",
};

/* ---- paths ---- */

static void join(char path[PATH_MAX], const char *dir, const char *folder, const char *name)
{
	int length = snprintf(path, PATH_MAX, "%s/%s%s%s", dir, folder, *name ? "/" : "", name);

	assert(length < PATH_MAX);
	(void)length;
}

/* The filesystem has no dots in names, and libbpf names the variables of an object "berth.bss". */
static void join_pinned(char path[PATH_MAX], const char *dir, const char *folder, const char *name)
{
	join(path, dir, folder, name);
	for (char *c = path + strlen(path) - strlen(name); *c; c++)
		if (*c == '.')
			*c = '_';
}

void pins_hook_path(const char *dir, const char *name, char ret_path[PATH_MAX])
{
	join_pinned(ret_path, dir, HOOKS_FOLDER, name);
}

void pins_map_path(const char *dir, const char *name, char ret_path[PATH_MAX])
{
	join_pinned(ret_path, dir, MAPS_FOLDER, name);
}

/* ---- the directory ---- */

/* Makes it if it is not there. */
static bool make_one(const char *path, struct trouble *trouble)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	return trouble_say(trouble, "%.300s: cannot be made: %s%s", path, strerror(errno),
			   errno == EACCES || errno == EPERM ? " (be root)" : "");
}

static bool check_parent(const char *dir, struct trouble *trouble)
{
	const char *slash = strrchr(dir, '/');
	char parent[PATH_MAX];

	if (!slash || slash == dir || slash[1] == '\0' || strlen(dir) > PINS_DIR_MAX)
		return trouble_say(trouble, "%.300s: not a path like " PINS_DEFAULT, dir);
	if (strchr(slash, '.'))
		return trouble_say(trouble, "%.300s: a bpf filesystem has no dots in names", dir);
	memcpy(parent, dir, (size_t)(slash - dir));
	parent[slash - dir] = '\0';
	if (!bpf_fs_is(parent))
		return trouble_say(trouble, "%.300s: no bpf filesystem (mount -t bpf bpf " BPF_FS ")",
				   parent);
	return true;
}

bool pins_make(const char *dir, struct trouble *ret_trouble)
{
	char path[PATH_MAX];

	if (!check_parent(dir, ret_trouble) || !make_one(dir, ret_trouble))
		return false;
	join(path, dir, HOOKS_FOLDER, "");
	if (!make_one(path, ret_trouble))
		return false;
	join(path, dir, MAPS_FOLDER, "");
	return make_one(path, ret_trouble);
}

bool pins_remove(const char *dir, struct trouble *ret_trouble)
{
	char path[PATH_MAX];

	for (int word = 0; word < PINS_WORDS; word++)
		if (!pins_write(dir, (enum pins_word)word, NULL, ret_trouble))
			return false;
	join(path, dir, MAPS_FOLDER, "");
	rmdir(path);
	join(path, dir, HOOKS_FOLDER, "");
	rmdir(path);
	return rmdir(dir) == 0 || errno == ENOENT ||
	       trouble_say(ret_trouble, "%.300s: cannot be removed: %s", dir, strerror(errno));
}

/* ---- locks ---- */

/* Is that directory still the one that has this name? */
static bool is_current(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
	       opened.st_dev == named.st_dev;
}

static int lock(const char *path, int operation)
{
	int fd, error;

	for (;;) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (flock(fd, operation) < 0) {
			error = -errno;
			close(fd);
			return error;
		}
		if (is_current(fd, path))
			return fd;
		close(fd);
	}
}

int pins_lock_life(const char *dir)
{
	return lock(dir, LOCK_EX | LOCK_NB);
}

int pins_lock_change(const char *dir)
{
	char path[PATH_MAX];

	join(path, dir, HOOKS_FOLDER, "");
	return lock(path, LOCK_EX);
}

bool pins_have_daemon(const char *dir)
{
	int fd = lock(dir, LOCK_SH | LOCK_NB);

	if (fd >= 0)
		close(fd);
	return fd == -EWOULDBLOCK;
}

/* ---- words ---- */

bool pins_read(const char *dir, enum pins_word word, char ret_text[PATH_MAX])
{
	char path[PATH_MAX];
	ssize_t length;

	join(path, dir, word_names[word], "");
	length = readlink(path, ret_text, PATH_MAX - 1);
	ret_text[length > 0 ? length : 0] = '\0';
	return length > 0;
}

/* Another name beside it, to be renamed when it is whole. */
static void beside(const char *path, char ret_path[PATH_MAX])
{
	int length = snprintf(ret_path, PATH_MAX, "%s_new", path);

	assert(length < PATH_MAX);
	(void)length;
}

static int rename_new(const char *from, const char *to)
{
	int error;

	if (rename(from, to) == 0)
		return 0;
	error = -errno;
	unlink(from);
	return error;
}

bool pins_write(const char *dir, enum pins_word word, const char *text, struct trouble *ret_trouble)
{
	char path[PATH_MAX], new[PATH_MAX];
	bool done;

	join(path, dir, word_names[word], "");
	beside(path, new);
	unlink(new);
	if (text)
		done = symlink(text, new) == 0 && rename_new(new, path) == 0;
	else
		done = unlink(path) == 0 || errno == ENOENT;
	return done || trouble_say(ret_trouble, "%.300s: cannot be written: %s", path, strerror(errno));
}

/* ---- objects ---- */

int pins_put(int object_fd, const char *path)
{
	char new[PATH_MAX];

	beside(path, new);
	unlink(new);
	if (bpf_obj_pin(object_fd, new) < 0)
		return -errno;
	return rename_new(new, path);
}

unsigned pins_each(const char *dir, bool hooks,
		   void (*see)(void *context, const char *name, const char *path), void *context)
{
	const char *folder = hooks ? HOOKS_FOLDER : MAPS_FOLDER;
	const struct dirent *entry;
	char path[PATH_MAX];
	unsigned count = 0;
	DIR *listing;

	join(path, dir, folder, "");
	listing = opendir(path);
	if (!listing)
		return 0;
	while ((entry = readdir(listing))) {
		if (entry->d_name[0] == '.')
			continue;
		join(path, dir, folder, entry->d_name);
		see(context, entry->d_name, path);
		count++;
	}
	closedir(listing);
	return count;
}

/* The name's end alone would end the hook a moment later (the kernel defers it), and the descriptor's end ends it
 * before close() returns. */
bool pins_end_hook(const char *path)
{
	int fd = bpf_obj_get(path);
	bool done;

	if (fd >= 0)
		bpf_link_detach(
			fd); /* of a cgroup's hook, whoever else may hold it; others do not know this call */
	done = unlink(path) == 0 || errno == ENOENT;
	if (fd >= 0)
		close(fd);
	return done;
}
