/* SPDX-License-Identifier: MIT
 *
 * eBPF programs of others at the hooks that kernel mode uses. The kernel calls one after the other, each with what the
 * one before has made of the address: those of a cgroup in the order of their attaching, then those of the cgroup above. Those of `berth record`
 * change nothing, and are nobody's.
 */
#ifndef BERTH_DAEMON_FOREIGN_H
#define BERTH_DAEMON_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

enum foreign_order {
	FOREIGN_ALONE, /* no program of Berth is at this hook */
	FOREIGN_BEFORE,
	FOREIGN_AFTER, /* of Berth's */
};

struct foreign_program {
	const char *section; /* of the hook: "cgroup/connect4". Static. */
	bool is_connect;     /* otherwise bind */
	enum foreign_order order;
	uint32_t id;   /* as bpftool has it */
	char name[17]; /* of at most 15 characters, "" if it has none */
};

/* Finds those that are called for the sockets of a cgroup at connect() and bind(), in their order for each hook; more
 * than most are left out. How many; or negative errno: -EPERM without CAP_SYS_ADMIN. */
int foreign_programs(int cgroup_fd, struct foreign_program *ret_programs, unsigned most);

#endif
