/* SPDX-License-Identifier: MIT */
#include "daemon/pinned.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/hooks.h"
#include "daemon/pins.h"

static void count_hook(void *context, const char *name, const char *path)
{
	(void)context, (void)name, (void)path;
}

static int read_words(const char *dir, struct pinned *ret_pinned)
{
	char text[PATH_MAX];

	if (access(dir, F_OK) < 0)
		return -errno;
	if (!pins_read(dir, PINS_WORD_CGROUP, ret_pinned->cgroup))
		return -ENOENT;
	pins_read(dir, PINS_WORD_VERSION, text);
	snprintf(ret_pinned->version, sizeof(ret_pinned->version), "%.31s", text);
	pins_read(dir, PINS_WORD_BUILD, text);
	snprintf(ret_pinned->build, sizeof(ret_pinned->build), "%.31s", text);
	ret_pinned->hooks = pins_each(dir, true, count_hook, NULL);
	return strcmp(ret_pinned->build, hooks_build()) == 0 ? 0 : -ESTALE;
}

void *pinned_map(const char *dir, bool writable)
{
	char path[PATH_MAX];
	void *variables;
	int fd;

	pins_map_path(dir, hooks_variables_name(), path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return NULL;
	variables = mmap(NULL, hooks_variables_size(), PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
			 fd, 0);
	close(fd);
	return variables == MAP_FAILED ? NULL : variables;
}

int pinned_read(const char *dir, struct pinned *ret_pinned)
{
	int error;
	void *variables;

	memset(ret_pinned, 0, sizeof(*ret_pinned));
	error = read_words(dir, ret_pinned);
	if (error)
		return error;
	variables = pinned_map(dir, false);
	if (!variables)
		return -errno;
	for (int way = 0; way < WIRE_WAYS; way++)
		ret_pinned->ways[way] = hooks_ways(variables)[way];
	ret_pinned->settings = *hooks_settings(variables);
	munmap(variables, hooks_variables_size());
	return 0;
}
