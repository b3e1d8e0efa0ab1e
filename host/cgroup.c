/* SPDX-License-Identifier: MIT */
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static bool find_mount(char mount[PATH_MAX])
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	const struct mntent *entry;
	bool found = false;

	if (!mounts)
		return false;
	while (!found && (entry = getmntent(mounts)))
		if (strcmp(entry->mnt_type, "cgroup2") == 0 && strlen(entry->mnt_dir) < PATH_MAX) {
			memcpy(mount, entry->mnt_dir, strlen(entry->mnt_dir) + 1);
			found = true;
		}
	endmntent(mounts);
	return found;
}

/* The line of /proc/self/cgroup that begins with "0::" is that of version 2 (man 7 cgroups). */
static bool find_own_line(char line[PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, PATH_MAX, file))
		found = strncmp(line, "0::/", 4) == 0;
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return found;
}

int cgroup_root(char ret_path[PATH_MAX])
{
	return find_mount(ret_path) ? 0 : -ENOENT;
}

/* The number is that of the directory, and what name_to_handle_at() gives as its handle (kernfs). */
static int read_id(int fd, uint64_t *ret_id)
{
	struct statfs filesystem;
	struct stat status;

	if (fstatfs(fd, &filesystem) < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (filesystem.f_type != CGROUP2_SUPER_MAGIC)
		return -EMEDIUMTYPE;
	*ret_id = status.st_ino;
	return 0;
}

int cgroup_open(const char *path, uint64_t *ret_id)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = read_id(fd, ret_id);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

int cgroup_own(char ret_path[PATH_MAX])
{
	char mount[PATH_MAX], line[PATH_MAX], path[2 * PATH_MAX];
	struct stat status;

	if (!find_mount(mount) || !find_own_line(line))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s%s", mount, strcmp(line, "0::/") == 0 ? "" : line + 3);
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (stat(path, &status) < 0)
		return -errno;
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}

/* Whose maker was killed: nobody has a lock on it. False, with errno EEXIST, if it is in use. */
static bool remove_abandoned(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool removed;

	/* A cgroup with processes in it cannot be removed. */
	removed = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && rmdir(path) == 0;
	if (fd >= 0)
		close(fd);
	errno = EEXIST;
	return removed;
}

int cgroup_make(const char *parent, const char *name, struct cgroup *ret_cgroup)
{
	struct cgroup made = { .fd = -1, .events_fd = -1 };
	int error;

	if (snprintf(made.path, sizeof(made.path), "%s/%s", parent, name) >= (int)sizeof(made.path))
		return -ENAMETOOLONG;
	if (mkdir(made.path, 0755) < 0 &&
	    (errno != EEXIST || !remove_abandoned(made.path) || mkdir(made.path, 0755) < 0))
		return -errno;
	made.fd = open(made.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made.fd >= 0 && flock(made.fd, LOCK_EX | LOCK_NB) < 0) {
		close(made.fd); /* somebody took it for abandoned before we had the lock, and removes it */
		return -EEXIST;
	}
	if (made.fd >= 0)
		made.events_fd = openat(made.fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (made.events_fd < 0) {
		error = -errno;
		cgroup_remove(&made);
		return error;
	}
	*ret_cgroup = made;
	return 0;
}

int cgroup_enter(const struct cgroup *cgroup, pid_t process)
{
	int fd = openat(cgroup->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	char text[16];
	int error = 0, length;

	if (fd < 0)
		return -errno;
	length = snprintf(text, sizeof(text), "%d", (int)process);
	if (write(fd, text, (size_t)length) != length)
		error = -errno;
	close(fd);
	return error;
}

bool cgroup_populated(const struct cgroup *cgroup)
{
	char text[256];
	ssize_t length = pread(cgroup->events_fd, text, sizeof(text) - 1, 0);

	if (length < 0)
		return true;
	text[length] = '\0';
	return !strstr(text, "populated 0");
}

/* A cgroup's files cannot be removed, and go with it. */
static int remove_directory(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status, (void)place;
	if (type == FTW_DP)
		rmdir(path);
	return 0;
}

void cgroup_remove(struct cgroup *cgroup)
{
	if (cgroup->events_fd >= 0)
		close(cgroup->events_fd);
	if (cgroup->fd >= 0)
		close(cgroup->fd);
	cgroup->events_fd = cgroup->fd = -1;
	nftw(cgroup->path, remove_directory, 8, FTW_DEPTH | FTW_PHYS);
}
