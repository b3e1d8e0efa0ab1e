/* SPDX-License-Identifier: MIT */
#include "daemon/owners.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <look.skel.h>

#include "daemon/pinned.h"
#include "daemon/pins.h"
#include "host/sysctl.h"

#define MANY_SOCKETS 30000u

static bool are_many(void)
{
	struct socket_totals totals;

	return socket_totals_read(&totals) == 0 && totals.in_use + totals.time_wait >= MANY_SOCKETS;
}

/* Which keeps the program and its maps. Negative: there is none. */
static int link_of(const struct look *look)
{
	union bpf_iter_link_info walked = { .map.map_fd = (__u32)look->maps.stretches.map_fd };
	LIBBPF_OPTS(bpf_link_create_opts, options);

	options.iter_info = &walked;
	options.iter_info_len = sizeof(walked);
	return bpf_link_create(look->progs.owners.prog_fd, 0, BPF_TRACE_ITER, &options);
}

static struct port_owners load(bool all)
{
	struct port_owners owners = { 0 };
	struct look *look = look__open();

	if (!look)
		return owners;
	look->rodata->all_ports = all;
	if (look__load(look) == 0)
		*(all ? &owners.all_link : &owners.range_link) = link_of(look);
	look__destroy(look);
	return owners;
}

struct port_owners owners_open(bool all)
{
	struct port_owners owners = pinned_owners(PINS_DEFAULT);

	if (port_owners_are_there(&owners, all) || !are_many())
		return owners;
	port_owners_close(&owners);
	return load(all);
}
