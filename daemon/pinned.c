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
	for (int what = 0; what < WIRE_GOVERNED; what++)
		ret_pinned->governed[what] = hooks_governed(variables)[what];
	ret_pinned->settings = *hooks_settings(variables);
	munmap(variables, hooks_variables_size());
	return 0;
}

/* Keeps the latest, in their order. */
static unsigned insert(struct pinned_exhaustion *latest, unsigned count, const struct pinned_exhaustion *one)
{
	unsigned place = count;

	while (place > 0 && latest[place - 1].noted.last_ns < one->noted.last_ns)
		place--;
	if (place == PINNED_EXHAUSTIONS)
		return count;
	if (count < PINNED_EXHAUSTIONS)
		count++;
	memmove(latest + place + 1, latest + place, (count - 1 - place) * sizeof(*latest));
	latest[place] = *one;
	return count;
}

unsigned pinned_exhaustions(const char *dir, struct pinned_exhaustion ret_latest[PINNED_EXHAUSTIONS])
{
	struct wire_destination *before = NULL, last;
	struct pinned_exhaustion one;
	char path[PATH_MAX];
	unsigned count = 0;
	int fd;

	pins_map_path(dir, "exhaustions", path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	/* Bounded, as whoever connects meanwhile may have the walk begin anew. */
	for (unsigned i = 0; i < WIRE_EXHAUSTIONS && bpf_map_get_next_key(fd, before, &one.to) == 0; i++) {
		if (bpf_map_lookup_elem(fd, &one.to, &one.noted) == 0)
			count = insert(ret_latest, count, &one);
		last = one.to;
		before = &last;
	}
	close(fd);
	return count;
}
