/* SPDX-License-Identifier: MIT */
#include "daemon/foreign.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAMS_AT_HOOK 64u /* BPF_CGROUP_MAX_PROGS (include/linux/bpf-cgroup.h), of one cgroup */
#define MAPS_OF_PROGRAM	 64u /* of ours, fewer */

static const struct hook {
	const char *section;
	enum bpf_attach_type type;
	bool is_connect;
} hooks[] = {
	{ "cgroup/connect4", BPF_CGROUP_INET4_CONNECT, true },
	{ "cgroup/connect6", BPF_CGROUP_INET6_CONNECT, true },
	{ "cgroup/bind4", BPF_CGROUP_INET4_BIND, false },
	{ "cgroup/bind6", BPF_CGROUP_INET6_BIND, false },
};

enum whose {
	SOMEBODYS,
	OURS,
	RECORDERS
};

static bool begins_with(const char *name, const char *start)
{
	return strncmp(name, start, strlen(start)) == 0;
}

/* The variables of our objects, of whatever build, are maps of their names, "berth" and "berth_trace", which are cut (libbpf). */
static enum whose whose_map(uint32_t id)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return SOMEBODYS;
	/* Where it fails the name stays empty. */
	bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (begins_with(info.name, "berth."))
		return OURS;
	return begins_with(info.name, "berth_tr") ? RECORDERS : SOMEBODYS;
}

/* 0, or negative errno: -ENOENT where the program is gone. */
static int look_at(uint32_t id, struct foreign_program *ret_program, enum whose *ret_whose)
{
	uint32_t map[MAPS_OF_PROGRAM];
	struct bpf_prog_info info = { .nr_map_ids = MAPS_OF_PROGRAM, .map_ids = (uintptr_t)map };
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	int error;

	*ret_whose = SOMEBODYS;
	if (fd < 0)
		return -errno;
	error = bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? -errno : 0;
	close(fd);
	if (error)
		return error;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_OF_PROGRAM && *ret_whose == SOMEBODYS; i++)
		*ret_whose = whose_map(map[i]);
	ret_program->id = id;
	snprintf(ret_program->name, sizeof(ret_program->name), "%.16s", info.name);
	return 0;
}

/* Where one of ours comes to light, those found so far at this hook were before it. */
static int look_at_hook(int cgroup_fd, const struct hook *hook, struct foreign_program *ret_programs,
			unsigned most)
{
	uint32_t id[PROGRAMS_AT_HOOK], ids = PROGRAMS_AT_HOOK;
	enum foreign_order order = FOREIGN_ALONE;
	unsigned count = 0;
	enum whose whose;

	if (bpf_prog_query(cgroup_fd, hook->type, BPF_F_QUERY_EFFECTIVE, NULL, id, &ids) < 0 &&
	    errno != ENOSPC)
		return -errno;
	for (uint32_t i = 0; i < ids && i < PROGRAMS_AT_HOOK && count < most; i++) {
		int error = look_at(id[i], &ret_programs[count], &whose);

		if (error == -ENOENT || (!error && whose == RECORDERS)) /* which only watches */
			continue;
		if (error)
			return error;
		if (whose == OURS) {
			for (unsigned before = 0; before < count && order == FOREIGN_ALONE; before++)
				ret_programs[before].order = FOREIGN_BEFORE;
			order = FOREIGN_AFTER;
			continue;
		}
		ret_programs[count].section = hook->section;
		ret_programs[count].is_connect = hook->is_connect;
		ret_programs[count++].order = order;
	}
	return (int)count;
}

int foreign_programs(int cgroup_fd, struct foreign_program *ret_programs, unsigned most)
{
	unsigned count = 0;

	for (unsigned i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		int found = look_at_hook(cgroup_fd, &hooks[i], ret_programs + count, most - count);

		if (found < 0)
			return found;
		count += (unsigned)found;
	}
	return (int)count;
}
