/* SPDX-License-Identifier: MIT */
#include "daemon/hooks.h"

#include <assert.h>
#include <berth.skel.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/capability.h"

/* How many programs the object has. */
#define HOOKS (sizeof(((struct berth *)NULL)->progs) / sizeof(struct bpf_program *))

struct hooks {
	struct berth *berth;
	struct bpf_link *links[HOOKS]; /* NULL: not attached by us */
};

static const char *const way_names[] = {
	[WIRE_FRESH] = "fresh",
	[WIRE_SHARED] = "shared",
	[WIRE_WAITING] = "waiting",
	[WIRE_EXHAUSTED] = "exhausted",
	[WIRE_UNSURE] = "unsure",
	[WIRE_BOUND] = "bound",
	[WIRE_OWN_CHOICE] = "own-choice",
	[WIRE_NOT_TCP] = "not-tcp",
	[WIRE_LINK_LOCAL] = "link-local",
	[WIRE_NO_STATE] = "no-state",
	[WIRE_NO_ROOM] = "no-room",
	[WIRE_EXCLUDED] = "excluded",
	[WIRE_LOOK] = "looks",
	[WIRE_MISS] = "misses",
	[WIRE_BIND_REFUSED] = "bind-refused",
	[WIRE_SURVEY] = "surveys",
	[WIRE_COLLISION] = "collisions",
};
static_assert(sizeof(way_names) / sizeof(way_names[0]) == WIRE_WAYS, "a name for each way");

static const char *const hook_names[] = {
	[WIRE_CONNECT4] = "connect4",
	[WIRE_CONNECT6] = "connect6",
	[WIRE_BIND4] = "bind4",
	[WIRE_BIND6] = "bind6",
};
static_assert(sizeof(hook_names) / sizeof(hook_names[0]) == WIRE_HOOKS, "a name for each program");

const char *wire_hook_name(enum wire_hook hook)
{
	return hook_names[hook];
}

const char *wire_way_name(enum wire_way way)
{
	return way_names[way];
}

static const char *const governed_names[] = {
	[WIRE_ENTERED] = "entered",	  [WIRE_ENDED_CAP] = "ended-cap", [WIRE_ENDED_DELAY] = "ended-delay",
	[WIRE_ENDED_LATE] = "ended-late", [WIRE_GONE] = "gone",		  [WIRE_SPARED] = "spared",
	[WIRE_DUMPED] = "dumps",	  [WIRE_LOST] = "lost",		  [WIRE_KEPT] = "kept-away",
	[WIRE_KEPT_LOST] = "kept-lost",
};
static_assert(sizeof(governed_names) / sizeof(governed_names[0]) == WIRE_GOVERNED, "a name for each count");

const char *wire_governed_name(enum wire_governed what)
{
	return governed_names[what];
}

const char *hooks_build(void)
{
	return BERTH_BUILD;
}

uint64_t ways_sum(const __u64 (*ways)[WIRE_WAYS], enum wire_way way)
{
	uint64_t sum = 0;

	for (unsigned hook = 0; hook < WIRE_HOOKS; hook++)
		sum += ways[hook][way];
	return sum;
}

uint64_t hooks_way(const struct hooks *hooks, enum wire_way way)
{
	return ways_sum(hooks->berth->bss->ways, way);
}

const char *hooks_variables_name(void)
{
	return "berth.bss";
}

size_t hooks_variables_size(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (sizeof(struct berth__bss) + page - 1) / page * page;
}

const __u64 (*hooks_ways(const void *variables))[WIRE_WAYS]
{
	return ((const struct berth__bss *)variables)->ways;
}

struct wire_settings *hooks_settings(void *variables)
{
	return &((struct berth__bss *)variables)->settings;
}

__u64 *hooks_governed(void *variables)
{
	return ((struct berth__bss *)variables)->governed;
}

struct wire_settings *hooks_own_settings(struct hooks *hooks)
{
	return &hooks->berth->bss->settings;
}

struct bpf_object *hooks_object(const struct hooks *hooks)
{
	return hooks->berth->obj;
}

/* libbpf tells at length what fails; the user is told in one line. */
static int stay_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

void hooks_silence(void)
{
	libbpf_set_print(stay_silent);
}

struct hooks *hooks_open(struct trouble *ret_trouble)
{
	struct hooks *hooks = calloc(1, sizeof(*hooks));

	hooks_silence();
	if (hooks)
		hooks->berth = berth__open();
	if (!hooks || !hooks->berth) {
		trouble_say(ret_trouble, "eBPF: the program cannot be prepared: %s", strerror(errno));
		free(hooks);
		return NULL;
	}
	return hooks;
}

const char *hooks_missing_capability(void)
{
	static const struct {
		unsigned capability;
		const char *name;
	} needed[] = { { CAP_BPF, "CAP_BPF" },
		       { CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		       { CAP_PERFMON, "CAP_PERFMON" } };

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!capability_held(needed[i].capability) && !capability_held(CAP_SYS_ADMIN))
			return needed[i].name;
	return NULL;
}

/* The kernel's own answer to a missing capability may be EINVAL. */
bool hooks_load_failure(int error, struct trouble *trouble)
{
	const char *missing = hooks_missing_capability();

	if (missing)
		return trouble_say(
			trouble,
			"eBPF: not permitted: be root, or have CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON "
			"(%s is missing)",
			missing);
	if (error == EMFILE)
		return trouble_say(trouble, "eBPF: too few open files are allowed (ulimit -Hn)");
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return trouble_say(
			trouble,
			"eBPF: this kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)");
	return trouble_say(trouble,
			   "eBPF: this kernel refuses the program; Linux 6.8 or later is needed (%s)",
			   strerror(error));
}

/* The value of an enumerator of the kernel's, in whatever enumeration; `otherwise` if there is none. */
static __u32 find_enumerator(const struct btf *btf, const char *name, __u32 otherwise)
{
	for (unsigned id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		for (unsigned i = 0; btf_is_enum(type) && i < btf_vlen(type); i++)
			if (strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off), name) == 0)
				return (__u32)btf_enum(type)[i].val;
	}
	return otherwise;
}

__u32 hooks_kernel_enumerator(const char *name, __u32 otherwise)
{
	struct btf *btf = btf__load_vmlinux_btf();
	__u32 value = btf ? find_enumerator(btf, name, otherwise) : otherwise; /* the load fails, too */

	btf__free(btf);
	return value;
}

static void find_bits(struct berth *berth)
{
	berth->rodata->transparent_bit =
		hooks_kernel_enumerator("INET_FLAGS_TRANSPARENT", berth->rodata->transparent_bit);
	berth->rodata->bind_no_port_bit =
		hooks_kernel_enumerator("INET_FLAGS_BIND_ADDRESS_NO_PORT", berth->rodata->bind_no_port_bit);
}

bool hooks_load(struct hooks *hooks, struct trouble *ret_trouble)
{
	int error;

	find_bits(hooks->berth);
	error = -berth__load(hooks->berth);
	if (error)
		return hooks_load_failure(error, ret_trouble);
	return true;
}

static struct bpf_link *attach_iterator(const struct hooks *hooks, struct bpf_program *program)
{
	union bpf_iter_link_info walked = { .map.map_fd = (__u32)bpf_map__fd(hooks->berth->maps.stretches) };
	struct bpf_iter_attach_opts options;

	memset(&options, 0,
	       sizeof(options)); /* the padding, too: libbpf looks whether somebody has set what it does not know */
	options.sz = sizeof(options);
	options.link_info = &walked;
	options.link_info_len = sizeof(walked);
	return bpf_program__attach_iter(program, &options);
}

struct bpf_link *hooks_attach_program(const struct hooks *hooks, struct bpf_program *program, int cgroup_fd)
{
	if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
		return attach_iterator(hooks, program);
	if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING)
		return bpf_program__attach(program);
	return bpf_program__attach_cgroup(program, cgroup_fd);
}

void hooks_attach_failure(const struct bpf_program *program, int error, struct trouble *ret_trouble)
{
	trouble_say(ret_trouble, "eBPF: %s cannot be attached: %s%s", bpf_program__name(program),
		    strerror(error),
		    error == EPERM ? " (be root; or another program there does not allow a second one)"
				   : " (CONFIG_CGROUP_BPF, CONFIG_BPF_EVENTS)");
}

bool hooks_attach(struct hooks *hooks, int cgroup_fd, struct trouble *ret_trouble)
{
	struct bpf_program *program;
	unsigned count = 0;

	bpf_object__for_each_program(program, hooks->berth->obj) {
		if (!bpf_program__autoattach(program))
			continue;
		hooks->links[count] = hooks_attach_program(hooks, program, cgroup_fd);
		if (!hooks->links[count]) {
			hooks_attach_failure(program, errno, ret_trouble);
			return false;
		}
		count++;
	}
	return true;
}

void hooks_close(struct hooks *hooks)
{
	if (!hooks)
		return;
	for (unsigned i = 0; i < HOOKS; i++)
		bpf_link__destroy(hooks->links[i]);
	berth__destroy(hooks->berth);
	free(hooks);
}
