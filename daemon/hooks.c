/* SPDX-License-Identifier: MIT */
#include "daemon/hooks.h"

#include <assert.h>
#include <berth.skel.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/sysctl.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

struct hooks {
	struct berth *program;
	struct bpf_link *connect4, *connect6, *begun;
	struct port_sysctls sysctls;
};

static const char *const way_names[] = {
	[WIRE_FRESH] = "fresh",
	[WIRE_SHARED] = "shared",
	[WIRE_WAITING] = "waiting",
	[WIRE_EXHAUSTED] = "exhausted",
	[WIRE_REFUSED] = "refused",
	[WIRE_BOUND] = "bound",
	[WIRE_OWN_CHOICE] = "own-choice",
	[WIRE_NOT_TCP] = "not-tcp",
	[WIRE_OTHER_NETNS] = "other-netns",
	[WIRE_LINK_LOCAL] = "link-local",
	[WIRE_MANY_SOURCES] = "many-sources",
	[WIRE_PROBE] = "probes",
	[WIRE_TAKEN] = "taken",
	[WIRE_BIND_REFUSED] = "bind-refused",
	[WIRE_SURVEY] = "surveys",
};
static_assert(sizeof(way_names) / sizeof(way_names[0]) == WIRE_WAYS, "a name for each way");

const char *wire_way_name(enum wire_way way)
{
	return way_names[way];
}

/* ---- settings ---- */

static void set_ports(struct wire_settings *settings, const struct port_sysctls *sysctls)
{
	for (unsigned word = 0; word < BERTH_PORTS / 64; word++) {
		uint64_t allowed = 0;

		for (unsigned port = word * 64; port < word * 64 + 64; port++)
			if (port > 0 && port >= sysctls->first && port <= sysctls->last &&
			    !berth_port_set_contains(&sysctls->reserved, port))
				allowed |= 1ull << port % 64;
		settings->allowed[word] = allowed;
	}
	settings->first = (uint16_t)(sysctls->first > 0 ? sysctls->first : 1);
	settings->last = (uint16_t)sysctls->last;
}

static void add_address(struct wire_settings *settings, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		if (settings->source4_count < WIRE_SOURCES)
			memcpy(&settings->source4_be[settings->source4_count++],
			       &((const struct sockaddr_in *)(const void *)address)->sin_addr,
			       sizeof(settings->source4_be[0]));
		else
			settings->source4_count = WIRE_TOO_MANY_SOURCES;
	} else if (address->sa_family == AF_INET6) {
		if (settings->source6_count < WIRE_SOURCES)
			memcpy(settings->source6_be[settings->source6_count++],
			       &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
			       sizeof(settings->source6_be[0]));
		else
			settings->source6_count = WIRE_TOO_MANY_SOURCES;
	}
}

/* Which addresses a connection can come from. False: not to be known. */
static bool read_addresses(struct wire_settings *ret_settings)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next)
		if (one->ifa_addr)
			add_address(ret_settings, one->ifa_addr);
	freeifaddrs(all);
	return true;
}

static void refresh_addresses(struct wire_settings *settings)
{
	struct wire_settings read = { 0 };

	if (!read_addresses(&read))
		read.source4_count = read.source6_count = WIRE_TOO_MANY_SOURCES;
	memcpy(settings->source4_be, read.source4_be, sizeof(read.source4_be));
	memcpy(settings->source6_be, read.source6_be, sizeof(read.source6_be));
	settings->source4_count = read.source4_count;
	settings->source6_count = read.source6_count;
}

void hooks_refresh(struct hooks *hooks)
{
	struct wire_settings *settings = &hooks->program->bss->settings;
	struct port_sysctls read;

	refresh_addresses(settings);
	if (port_sysctls_read(&read) == 0 && !port_sysctls_equal(&read, &hooks->sysctls)) {
		hooks->sysctls = read;
		set_ports(settings, &read);
	}
}

/* 0 or negative errno. */
static int read_netns_cookie(__u64 *ret_cookie)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(*ret_cookie);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &length) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* ---- loading ---- */

static int stay_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

static const char *load_failure(int error)
{
	if (error == EPERM || error == EACCES)
		return "not permitted: be root, or have CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return "this kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)";
	return "this kernel refuses the program; Linux 6.8 or later is needed";
}

static struct hooks *failed(struct hooks *hooks, char *text, size_t size, const char *step, int error,
			    const char *why)
{
	snprintf(text, size, "%s: %s (%s)", step, why, strerror(error));
	hooks_close(hooks);
	return NULL;
}

struct hooks *hooks_open(int cgroup_fd, char *ret_text, size_t size)
{
	struct hooks *hooks = calloc(1, sizeof(*hooks));
	int error;

	libbpf_set_print(stay_silent);
	if (!hooks || !(hooks->program = berth__open()))
		return failed(hooks, ret_text, size, "eBPF", errno, "the program cannot be prepared");
	error = -berth__load(hooks->program);
	if (error)
		return failed(hooks, ret_text, size, "eBPF", error, load_failure(error));
	error = -read_netns_cookie(&hooks->program->bss->settings.netns_cookie);
	if (error)
		return failed(hooks, ret_text, size, "network namespace", error, "its cookie cannot be read");
	error = -port_sysctls_read(&hooks->sysctls);
	if (error)
		return failed(hooks, ret_text, size, "/proc/sys/net/ipv4", error, "cannot be read");
	set_ports(&hooks->program->bss->settings, &hooks->sysctls);
	refresh_addresses(&hooks->program->bss->settings);
	hooks->connect4 = bpf_program__attach_cgroup(hooks->program->progs.connect4, cgroup_fd);
	hooks->connect6 = bpf_program__attach_cgroup(hooks->program->progs.connect6, cgroup_fd);
	hooks->begun = bpf_program__attach_cgroup(hooks->program->progs.begun, cgroup_fd);
	if (!hooks->connect4 || !hooks->connect6 || !hooks->begun)
		return failed(hooks, ret_text, size, "eBPF", errno,
			      "the program cannot be attached to the cgroup (CONFIG_CGROUP_BPF)");
	return hooks;
}

uint64_t hooks_way(const struct hooks *hooks, enum wire_way way)
{
	return hooks->program->bss->ways[way];
}

void hooks_close(struct hooks *hooks)
{
	if (!hooks)
		return;
	bpf_link__destroy(hooks->connect4);
	bpf_link__destroy(hooks->connect6);
	bpf_link__destroy(hooks->begun);
	berth__destroy(hooks->program);
	free(hooks);
}
