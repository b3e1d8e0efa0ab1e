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

static bool is_of_this_build(const char *dir)
{
	char build[PATH_MAX];

	return pins_read(dir, PINS_WORD_BUILD, build) && strcmp(build, hooks_build()) == 0;
}

struct port_owners pinned_owners(const char *dir)
{
	struct port_owners owners = { -1, -1 };
	char path[PATH_MAX];

	if (!is_of_this_build(dir))
		return owners;
	pins_hook_path(dir, "range_owners", path);
	owners.range_link = bpf_obj_get(path);
	pins_hook_path(dir, "all_owners", path);
	owners.all_link = bpf_obj_get(path);
	return owners;
}

static int read_words(const char *dir, struct pinned *ret_pinned)
{
	char text[PATH_MAX];

	if (access(dir, F_OK) < 0)
		return -errno;
	if (!pins_read(dir, PINS_WORD_CGROUP, ret_pinned->cgroup))
		return errno == EACCES ? -EACCES : -ENOENT;
	pins_read(dir, PINS_WORD_VERSION, text);
	snprintf(ret_pinned->version, sizeof(ret_pinned->version), "%.31s", text);
	pins_read(dir, PINS_WORD_BUILD, text);
	snprintf(ret_pinned->build, sizeof(ret_pinned->build), "%.31s", text);
	ret_pinned->has_daemon = pins_have_daemon(dir);
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

void pinned_refresh(struct pinned_reader *reader)
{
	memcpy(reader->pinned.ways, hooks_ways(reader->variables), sizeof(reader->pinned.ways));
	for (int what = 0; what < WIRE_GOVERNED; what++)
		reader->pinned.governed[what] = hooks_governed(reader->variables)[what];
	reader->pinned.settings = *hooks_settings(reader->variables);
}

int pinned_open(const char *dir, struct pinned_reader *ret_reader)
{
	const struct bpf_obj_get_opts read_only = { .sz = sizeof(read_only), .file_flags = BPF_F_RDONLY };
	char path[PATH_MAX];
	int error;

	memset(ret_reader, 0, sizeof(*ret_reader));
	error = read_words(dir, &ret_reader->pinned);
	if (error)
		return error;
	ret_reader->variables = pinned_map(dir, false);
	if (!ret_reader->variables)
		return -errno;
	pins_map_path(dir, "exhaustions", path);
	ret_reader->exhaustions = bpf_obj_get_opts(path, &read_only);
	if (ret_reader->exhaustions < 0) {
		error = -errno;
		munmap(ret_reader->variables, hooks_variables_size());
		return error;
	}
	ret_reader->owners = pinned_owners(dir);
	pinned_refresh(ret_reader);
	return 0;
}

void pinned_close(struct pinned_reader *reader)
{
	munmap(reader->variables, hooks_variables_size());
	close(reader->exhaustions);
	port_owners_close(&reader->owners);
}

int pinned_read(const char *dir, struct pinned *ret_pinned)
{
	struct pinned_reader reader;
	int error = pinned_open(dir, &reader);

	*ret_pinned = reader.pinned;
	if (!error)
		pinned_close(&reader);
	return error;
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

unsigned pinned_exhaustions(const struct pinned_reader *reader,
			    struct pinned_exhaustion ret_latest[PINNED_EXHAUSTIONS])
{
	struct wire_destination *before = NULL, last;
	struct pinned_exhaustion one;
	unsigned count = 0;

	/* Bounded, as whoever connects meanwhile may have the walk begin anew. */
	for (unsigned i = 0; i < WIRE_EXHAUSTIONS; i++) {
		if (bpf_map_get_next_key(reader->exhaustions, before, &one.to) < 0)
			break;
		if (bpf_map_lookup_elem(reader->exhaustions, &one.to, &one.noted) == 0)
			count = insert(ret_latest, count, &one);
		last = one.to;
		before = &last;
	}
	return count;
}
