/* SPDX-License-Identifier: MIT */
#include "host/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* linux/pidfd.h since 6.9 */
#endif

static int pidfd_open(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_getfd(int pidfd, int fd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return copy < 0 ? -errno : copy;
}

static bool has_exited(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) != 0;
}

/* The process that thread tid belongs to, for kernels whose pidfds name processes only. */
static pid_t process_of(pid_t tid)
{
	char path[32], line[128];
	pid_t tgid = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	status = fopen(path, "re");
	if (!status)
		return -1;
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, "Tgid:", 5) == 0) {
			tgid = (pid_t)strtol(line + 5, NULL, 10);
			break;
		}
	fclose(status);
	return tgid;
}

/* The label of a process, or of ourselves (tid 0), as its security module writes it; "" if there is
 * none that has labels. */
static void read_label(pid_t tid, char label[LABEL_SIZE])
{
	char path[48];
	ssize_t size = 0;
	int fd;

	if (tid != 0)
		snprintf(path, sizeof(path), "/proc/%d/attr/current", tid);
	else
		strcpy(path, "/proc/thread-self/attr/current");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, label, LABEL_SIZE - 1);
		close(fd);
	}
	label[size > 0 ? size : 0] = '\0';
}

static bool is_confined_otherwise(struct guest_cache *cache, pid_t tid)
{
	char label[LABEL_SIZE];

	if (cache->own_label[0] == '\0')
		read_label(0, cache->own_label);
	if (cache->own_label[0] == '\0')
		return false;
	read_label(tid, label);
	return strcmp(label, cache->own_label) != 0;
}

static int take_uncached(struct guest_cache *cache, pid_t tid, int fd)
{
	pid_t process = process_of(tid);
	int pidfd = process > 0 ? pidfd_open(process, 0) : -1;
	int copy;

	if (pidfd < 0)
		return -ESRCH;
	copy = is_confined_otherwise(cache, tid) ? -EACCES : pidfd_getfd(pidfd, fd);
	close(pidfd);
	return copy;
}

static int take(struct guest_cache *cache, pid_t tid, int fd)
{
	unsigned i = (unsigned)tid % GUEST_CACHE;

	if (cache->slot[i].tid != 0 && (cache->slot[i].tid != tid || has_exited(cache->slot[i].pidfd))) {
		close(cache->slot[i].pidfd);
		cache->slot[i].tid = 0;
	}
	if (cache->slot[i].tid == 0) {
		int pidfd = pidfd_open(tid, PIDFD_THREAD);

		if (pidfd < 0)
			return errno == EINVAL ? take_uncached(cache, tid, fd) : -errno;
		if (is_confined_otherwise(cache, tid)) {
			close(pidfd);
			return -EACCES;
		}
		cache->slot[i].tid = tid;
		cache->slot[i].pidfd = pidfd;
	}
	return pidfd_getfd(cache->slot[i].pidfd, fd);
}

int guest_take_fd(struct guest_cache *cache, pid_t tid, int fd)
{
	int copy = take(cache, tid, fd);

	if (copy != -EMFILE)
		return copy;
	guest_forget(cache);
	return take(cache, tid, fd);
}

void guest_each_socket(pid_t tid, void (*each)(void *context, int fd), void *context)
{
	char path[32], target[sizeof("socket:")];
	const struct dirent *entry;
	DIR *descriptors;

	snprintf(path, sizeof(path), "/proc/%d/fd", tid);
	descriptors = opendir(path);
	while (descriptors && (entry = readdir(descriptors)) != NULL)
		if (readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target)) == sizeof(target) &&
		    memcmp(target, "socket:", strlen("socket:")) == 0)
			each(context, atoi(entry->d_name));
	if (descriptors)
		closedir(descriptors);
}

void guest_forget(struct guest_cache *cache)
{
	for (unsigned i = 0; i < GUEST_CACHE; i++) {
		if (cache->slot[i].tid != 0)
			close(cache->slot[i].pidfd);
		cache->slot[i].tid = 0;
	}
}

int guest_read(pid_t tid, unsigned long address, void *buffer, size_t size)
{
	struct iovec ours = { .iov_base = buffer, .iov_len = size };
	struct iovec theirs = { .iov_base = (void *)address, .iov_len = size };
	ssize_t got = process_vm_readv(tid, &ours, 1, &theirs, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == size ? 0 : -EFAULT;
}
