/* SPDX-License-Identifier: MIT
 *
 * A file as a whole, into memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/values.h"

static bool cannot_read(struct config_fault *fault, int error)
{
	config_refuse(fault, 0, "cannot be read: %s", strerror(error));
	fault->error = error;
	return false;
}

static bool read_whole(int fd, char *bytes, size_t *ret_size, struct config_fault *fault)
{
	size_t size = 0;
	ssize_t got;

	while ((got = read(fd, bytes + size, CONFIG_FILE_MAX + 1 - size)) > 0)
		size += (size_t)got;
	if (got < 0)
		return cannot_read(fault, errno);
	*ret_size = size;
	return size <= CONFIG_FILE_MAX ||
	       config_refuse(fault, 0, "is larger than %u bytes, the most that is read", CONFIG_FILE_MAX);
}

char *config_load(const char *path, size_t *ret_size, struct config_fault *ret_fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = malloc(CONFIG_FILE_MAX + 1);

	if (fd < 0 || !bytes) {
		cannot_read(ret_fault, fd < 0 ? errno : ENOMEM);
	} else if (read_whole(fd, bytes, ret_size, ret_fault)) {
		close(fd);
		return bytes;
	}
	if (fd >= 0)
		close(fd);
	free(bytes);
	return NULL;
}
