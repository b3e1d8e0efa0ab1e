/* SPDX-License-Identifier: MIT */
#include "view/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A socket that is asked about. */
struct wanted {
	uint32_t inode; /* 0: orphaned */
	uint32_t uid;
	bool is_found;
};

struct search {
	struct wanted *wanted; /* by inode */
	size_t count;
	struct view_process *process;
	size_t processes, room;
};

static int by_inode(const void *left, const void *right)
{
	const struct wanted *a = left, *b = right;

	return (a->inode > b->inode) - (a->inode < b->inode);
}

static int by_sockets(const void *left, const void *right)
{
	const struct view_process *a = left, *b = right;

	if (a->sockets != b->sockets)
		return a->sockets > b->sockets ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static int collect(const struct view_snapshot *snapshot, uint32_t destination, struct search *search)
{
	search->wanted = calloc(snapshot->rows + 1, sizeof(*search->wanted));
	if (!search->wanted)
		return -ENOMEM;
	for (uint32_t i = 0; i < snapshot->rows; i++) {
		const struct view_row *row = &snapshot->row[i];

		if (row->destination == destination && row->state != TCP_TIME_WAIT)
			search->wanted[search->count++] = (struct wanted){ row->inode, row->uid, false };
	}
	qsort(search->wanted, search->count, sizeof(*search->wanted), by_inode);
	return 0;
}

/* Counts a socket for its holder. The holder, or NULL if there is no memory. */
static struct view_process *count_for(struct search *search, enum view_holder holder, pid_t pid, uint32_t uid)
{
	struct view_process *grown;

	for (size_t i = search->processes; i-- > 0;) {
		struct view_process *process = &search->process[i];

		if (process->holder == holder && process->pid == pid && process->uid == uid) {
			process->sockets++;
			return process;
		}
	}
	if (search->processes == search->room) {
		grown = realloc(search->process, (search->room * 2 + 16) * sizeof(*grown));
		if (!grown)
			return NULL;
		search->process = grown;
		search->room = search->room * 2 + 16;
	}
	search->process[search->processes] =
		(struct view_process){ .holder = holder, .pid = pid, .uid = uid, .sockets = 1 };
	return &search->process[search->processes++];
}

static void read_name(int proc, pid_t pid, char name[16])
{
	char path[32];
	ssize_t length = -1;
	int fd;

	snprintf(path, sizeof(path), "%d/comm", (int)pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, name, 15);
		close(fd);
	}
	name[length > 0 ? length : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

/* One descriptor of a process: if it is a wanted socket, the process has it. 0 or -ENOMEM. */
static int look_at_descriptor(struct search *search, int proc, pid_t pid, int fds, const char *number)
{
	char target[32];
	ssize_t length = readlinkat(fds, number, target, sizeof(target) - 1);
	struct wanted key = { 0 }, *wanted;
	struct view_process *process;

	if (length < 0)
		return 0;
	target[length] = '\0';
	if (sscanf(target, "socket:[%u]", &key.inode) != 1 || key.inode == 0)
		return 0;
	wanted = bsearch(&key, search->wanted, search->count, sizeof(key), by_inode);
	if (!wanted || wanted->is_found)
		return 0;
	wanted->is_found = true;
	process = count_for(search, VIEW_PROCESS, pid, wanted->uid);
	if (process && process->sockets == 1)
		read_name(proc, pid, process->name);
	return process ? 0 : -ENOMEM;
}

/* A process that is closed to us, or gone, is passed over. */
static int look_at_process(struct search *search, int proc, pid_t pid)
{
	char path[32];
	struct dirent *entry;
	int fd, error = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!error && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			error = look_at_descriptor(search, proc, pid, fd, entry->d_name);
	closedir(folder);
	return error;
}

static int look_at_all(struct search *search)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int error = 0;

	if (!proc)
		return -errno;
	while (!error && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0)
			error = look_at_process(search, dirfd(proc), (pid_t)pid);
	}
	closedir(proc);
	return error;
}

static int add_the_rest(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct wanted *wanted = &search->wanted[i];

		if (!wanted->is_found && !(wanted->inode ? count_for(search, VIEW_HIDDEN, 0, wanted->uid)
							 : count_for(search, VIEW_ORPHANED, 0, 0)))
			return -ENOMEM;
	}
	return 0;
}

int view_processes(const struct view_snapshot *snapshot, const struct view_pair *pair,
		   struct view_process **ret_process, size_t *ret_count)
{
	struct search search = { 0 };
	int error =
		collect(snapshot, view_pair_index_find(&snapshot->destinations, &pair->local, &pair->remote),
			&search);

	if (!error && search.count)
		error = look_at_all(&search);
	if (!error)
		error = add_the_rest(&search);
	free(search.wanted);
	if (error) {
		free(search.process);
		return error;
	}
	if (search.processes)
		qsort(search.process, search.processes, sizeof(*search.process), by_sockets);
	*ret_process = search.process;
	*ret_count = search.processes;
	return 0;
}
