/* SPDX-License-Identifier: MIT */
#include "daemon/install.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/layout.h"
#include "daemon/pins.h"
#include "daemon/settings.h"

/* ---- what is there ---- */

/* A hook that has lost its cgroup counts as none: nothing can be made of it. */
enum there {
	THERE_NOT,
	THERE,
	THERE_OTHER_CGROUP,
};

static enum there look_at_link(int fd, uint64_t cgroup_id)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return THERE_NOT;
	if (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id == cgroup_id)
		return THERE;
	return info.cgroup.cgroup_id == 0 ? THERE_NOT : THERE_OTHER_CGROUP;
}

static enum there look_at_hook(const char *path, uint64_t cgroup_id)
{
	int fd = bpf_obj_get(path);
	enum there there;

	if (fd < 0)
		return THERE_NOT;
	there = look_at_link(fd, cgroup_id);
	close(fd);
	return there;
}

struct survey {
	uint64_t cgroup_id;
	unsigned there, elsewhere;
};

static void survey_hook(void *context, const char *name, const char *path)
{
	struct survey *survey = context;
	enum there there = look_at_hook(path, survey->cgroup_id);

	(void)name;
	survey->there += there == THERE;
	survey->elsewhere += there == THERE_OTHER_CGROUP;
}

/* All hooks that are wanted and all maps of this object, and no others. */
static bool is_complete(const struct install *install, const struct hooks *hooks, unsigned hooks_there)
{
	struct bpf_program *program;
	const struct bpf_map *map;
	char path[PATH_MAX];
	unsigned wanted = 0;

	bpf_object__for_each_program(program, hooks_object(hooks)) {
		if (!bpf_program__autoattach(program))
			continue;
		pins_hook_path(install->dir, bpf_program__name(program), path);
		if (look_at_hook(path, install->cgroup_id) != THERE)
			return false;
		wanted++;
	}
	bpf_object__for_each_map(map, hooks_object(hooks)) {
		pins_map_path(install->dir, bpf_map__name(map), path);
		if (layout_map_lasts(map) && access(path, F_OK) != 0)
			return false;
	}
	return wanted == hooks_there;
}

static bool is_newer_format(const char *dir, struct trouble *trouble)
{
	char format[PATH_MAX], version[PATH_MAX];

	if (!pins_read(dir, PINS_WORD_FORMAT, format) ||
	    strtol(format, NULL, 10) <= strtol(PINS_FORMAT, NULL, 10))
		return false;
	pins_read(dir, PINS_WORD_VERSION, version);
	trouble_say(
		trouble,
		"%.200s: pinned by a newer berth (%.32s): run that one, or first 'berth detach --pin=%.200s'",
		dir, version, dir);
	return true;
}

static bool is_this_build(const char *dir)
{
	char build[PATH_MAX];

	return pins_read(dir, PINS_WORD_BUILD, build) && strcmp(build, hooks_build()) == 0;
}

enum install_verdict install_plan(const struct install *install, const struct hooks *hooks,
				  struct trouble *ret_trouble)
{
	struct survey survey = { .cgroup_id = install->cgroup_id };
	char cgroup[PATH_MAX];

	if (is_newer_format(install->dir, ret_trouble))
		return INSTALL_REFUSED;
	pins_each(install->dir, true, survey_hook, &survey);
	if (survey.elsewhere > 0) {
		pins_read(install->dir, PINS_WORD_CGROUP, cgroup);
		trouble_say(
			ret_trouble,
			"%.200s: steers another cgroup, %.150s: name that one, or first 'berth detach --pin=%.100s'",
			install->dir, cgroup, install->dir);
		return INSTALL_REFUSED;
	}
	if (survey.there == 0)
		return INSTALL_NEW;
	if (is_this_build(install->dir) && is_complete(install, hooks, survey.there))
		return INSTALL_SAME;
	return INSTALL_REPLACE;
}

/* ---- maps ---- */

static bool is_layout(const char *dir, const char *layout)
{
	char pinned[PATH_MAX];

	return pins_read(dir, PINS_WORD_LAYOUT, pinned) && strcmp(pinned, layout) == 0;
}

/* Goes on with the maps that are there. One that is not is made anew. Whether all are there. */
static bool reuse_maps(const struct install *install, const struct hooks *hooks)
{
	char path[PATH_MAX];
	struct bpf_map *map;
	bool all = true;
	int fd;

	bpf_object__for_each_map(map, hooks_object(hooks)) {
		if (!layout_map_lasts(map))
			continue;
		pins_map_path(install->dir, bpf_map__name(map), path);
		fd = bpf_obj_get(path);
		if (fd < 0 || bpf_map__reuse_fd(map, fd) < 0) /* takes a copy */
			all = false;
		if (fd >= 0)
			close(fd);
	}
	return all;
}

static bool put_maps(const struct install *install, const struct hooks *hooks, struct trouble *trouble)
{
	const struct bpf_map *map;
	char path[PATH_MAX];
	int error;

	bpf_object__for_each_map(map, hooks_object(hooks)) {
		if (!layout_map_lasts(map))
			continue;
		pins_map_path(install->dir, bpf_map__name(map), path);
		error = pins_put(bpf_map__fd(map), path);
		if (error)
			return trouble_say(trouble, "%.300s: cannot be pinned: %s", path, strerror(-error));
	}
	return true;
}

/* ---- hooks ---- */

static bool exchange(const char *path, struct bpf_program *program)
{
	struct bpf_link *link = bpf_link__open(path);
	bool done = link && bpf_link__update_program(link, program) == 0;

	bpf_link__destroy(link);
	return done;
}

static bool put_hook(const struct install *install, const struct hooks *hooks, struct bpf_program *program,
		     struct trouble *trouble)
{
	struct bpf_link *link;
	char path[PATH_MAX];
	int error;

	pins_hook_path(install->dir, bpf_program__name(program), path);
	if (exchange(path, program))
		return true;
	link = hooks_attach_program(hooks, program, install->cgroup_fd);
	if (!link) {
		hooks_attach_failure(program, errno, trouble);
		return false;
	}
	error = pins_put(bpf_link__fd(link), path);
	bpf_link__destroy(link); /* our descriptor */
	return error == 0 || trouble_say(trouble, "%.300s: cannot be pinned: %s", path, strerror(-error));
}

static bool put_hooks(const struct install *install, const struct hooks *hooks, struct trouble *trouble)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, hooks_object(hooks)) {
		if (bpf_program__autoattach(program) && !put_hook(install, hooks, program, trouble))
			return false;
	}
	return true;
}

/* ---- what was there and is not wanted any more ---- */

struct sweep {
	const struct install *install;
	const struct bpf_object *object;
};

static void sweep_hook(void *context, const char *name, const char *path)
{
	const struct sweep *sweep = context;
	const struct bpf_program *program = bpf_object__find_program_by_name(sweep->object, name);

	if (!program || !bpf_program__autoattach(program))
		pins_end_hook(path);
}

static void sweep_map(void *context, const char *name, const char *path)
{
	const struct sweep *sweep = context;
	const struct bpf_map *map;
	char wanted[PATH_MAX];

	(void)name;
	bpf_object__for_each_map(map, sweep->object) {
		pins_map_path(sweep->install->dir, bpf_map__name(map), wanted);
		if (layout_map_lasts(map) && strcmp(wanted, path) == 0)
			return;
	}
	unlink(path);
}

/* ---- all of it ---- */

/* Hooks of this very build, on its own maps, are that half-way through as well: is_complete() sees which are missing. */
static bool begin(const struct install *install, bool same_build, bool same_layout, struct trouble *trouble)
{
	return (same_build || pins_write(install->dir, PINS_WORD_BUILD, NULL, trouble)) &&
	       (same_layout || pins_write(install->dir, PINS_WORD_LAYOUT, NULL, trouble)) &&
	       pins_write(install->dir, PINS_WORD_FORMAT, PINS_FORMAT, trouble) &&
	       pins_write(install->dir, PINS_WORD_VERSION, BERTH_VERSION, trouble) &&
	       pins_write(install->dir, PINS_WORD_CGROUP, install->cgroup, trouble);
}

bool install_carry_out(const struct install *install, struct hooks *hooks, struct trouble *ret_trouble)
{
	struct sweep sweep = { install, hooks_object(hooks) };
	bool same_layout, same_build;
	char layout[32];

	snprintf(layout, sizeof(layout), "%016" PRIx64, layout_of(hooks_object(hooks)));
	same_layout = is_layout(install->dir, layout);
	same_build = same_layout && reuse_maps(install, hooks) && is_this_build(install->dir);
	if (!hooks_load(hooks, ret_trouble) || !begin(install, same_build, same_layout, ret_trouble) ||
	    !put_maps(install, hooks, ret_trouble) ||
	    !pins_write(install->dir, PINS_WORD_LAYOUT, layout, ret_trouble) ||
	    !settings_write_pinned(install->config, install->dir, ret_trouble) ||
	    !put_hooks(install, hooks, ret_trouble))
		return false;
	pins_each(install->dir, true, sweep_hook, &sweep);
	pins_each(install->dir, false, sweep_map, &sweep);
	return pins_write(install->dir, PINS_WORD_BUILD, hooks_build(), ret_trouble);
}
