/* SPDX-License-Identifier: MIT */
#include "daemon/trace.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <trace.skel.h>
#include <unistd.h>

#include "daemon/hooks.h"
#include "host/cgroup.h"
#include "host/port_steering.h"

/* How many programs the object has. */
#define PROGRAMS (sizeof(((struct berth_trace *)NULL)->progs) / sizeof(struct bpf_program *))

#define PREORDER (1u << 6) /* BPF_F_PREORDER, of Linux 6.15: before those of cgroups below */

struct trace {
	struct berth_trace *program;
	struct bpf_link *traces;
	int hook[PROGRAMS]; /* links to the cgroup, of which there are fewer */
	unsigned hooks;
	struct ring_buffer *ring;
	trace_see *see;
	void *context;
};

static int see_report(void *context, void *data, size_t size)
{
	struct trace *trace = context;

	(void)size;
	trace->see(trace->context, data);
	return 0;
}

/* The link, or negative errno. An older kernel does not have the order: then a bind() to port 0 that kernel mode answers
 * is seen as one to the port that it names. */
static int attach_to_cgroup(const struct bpf_program *program, int cgroup_fd)
{
	enum bpf_attach_type type = bpf_program__expected_attach_type(program);
	LIBBPF_OPTS(bpf_link_create_opts, options);
	int fd = bpf_program__fd(program), link = -EINVAL;

	if (type == BPF_CGROUP_INET4_BIND || type == BPF_CGROUP_INET6_BIND) {
		options.flags = PREORDER;
		link = bpf_link_create(fd, cgroup_fd, type, &options);
		options.flags = 0;
	}
	return link == -EINVAL ? bpf_link_create(fd, cgroup_fd, type, &options) : link;
}

static bool attach_one(struct trace *trace, const struct bpf_program *program, int cgroup_fd,
		       struct trouble *trouble)
{
	int error = 0;

	if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING) {
		trace->traces = bpf_program__attach(program);
		error = trace->traces ? 0 : errno;
	} else {
		int link = attach_to_cgroup(program, cgroup_fd);

		if (link >= 0)
			trace->hook[trace->hooks++] = link;
		else
			error = -link;
	}
	if (error)
		hooks_attach_failure(program, error, trouble);
	return error == 0;
}

static bool attach(struct trace *trace, struct trouble *trouble)
{
	struct bpf_program *program;
	char path[PATH_MAX] = "";
	uint64_t id;
	int cgroup_fd = cgroup_root(path), done = true;

	if (cgroup_fd == 0)
		cgroup_fd = cgroup_open(path, &id);
	if (cgroup_fd < 0)
		return trouble_say(trouble, "eBPF: no cgroup v2 here (%s)", strerror(-cgroup_fd));
	bpf_object__for_each_program(program, trace->program->obj) {
		done = done && attach_one(trace, program, cgroup_fd, trouble);
	}
	close(cgroup_fd);
	return done;
}

static bool load(struct trace *trace, struct trouble *trouble)
{
	int error;

	hooks_silence();
	trace->program = berth_trace__open();
	if (!trace->program)
		return trouble_say(trouble, "eBPF: the program cannot be prepared: %s", strerror(errno));
	trace->program->rodata->netns = own_netns_cookie();
	trace->program->rodata->bind_no_port_bit = hooks_kernel_enumerator(
		"INET_FLAGS_BIND_ADDRESS_NO_PORT", trace->program->rodata->bind_no_port_bit);
	error = -berth_trace__load(trace->program);
	return error == 0 || hooks_load_failure(error, trouble);
}

struct trace *trace_open(trace_see *see, void *context, struct trouble *ret_trouble)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace) {
		trouble_say(ret_trouble, "eBPF: %s", strerror(ENOMEM));
		return NULL;
	}
	trace->see = see;
	trace->context = context;
	if (load(trace, ret_trouble)) {
		trace->ring =
			ring_buffer__new(bpf_map__fd(trace->program->maps.traced), see_report, trace, NULL);
		if (trace->ring && attach(trace, ret_trouble))
			return trace;
		if (!trace->ring)
			trouble_say(ret_trouble, "eBPF: the reports cannot be read: %s", strerror(errno));
	}
	trace_close(trace);
	return NULL;
}

void trace_read(struct trace *trace)
{
	ring_buffer__consume(trace->ring);
}

uint64_t trace_lost(const struct trace *trace)
{
	return trace->program->bss->lost;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	bpf_link__destroy(trace->traces);
	while (trace->hooks > 0)
		close(trace->hook[--trace->hooks]);
	ring_buffer__free(trace->ring);
	berth_trace__destroy(trace->program);
	free(trace);
}
