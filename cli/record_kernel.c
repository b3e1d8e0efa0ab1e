/* SPDX-License-Identifier: MIT */
#include "cli/record_kernel.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/trace.h"

struct record_kernel {
	struct trace *trace;
	struct tape *tape;
	const struct record_sockets *waiting;
};

static struct view_pair pair_of(const struct wire_traced *report)
{
	struct view_pair pair = { .remote.port = report->remote_port };

	memcpy(pair.local.bytes, report->local_be, sizeof(pair.local.bytes));
	memcpy(pair.remote.address.bytes, report->remote_be, sizeof(pair.remote.address.bytes));
	return pair;
}

static void see_end(struct tape *tape, const struct wire_traced *report)
{
	static const enum sim_closer closers[] = { [WIRE_END_HERE] = SIM_CLOSED_HERE,
						   [WIRE_END_PEER] = SIM_CLOSED_BY_PEER,
						   [WIRE_END_RESET] = SIM_RESET };

	if (report->end == WIRE_END_NO_PORT)
		tape_fail(tape, report->at_ns, report->cookie);
	else if (report->end == WIRE_END_TRIED)
		tape_try(tape, report->cookie);
	else
		tape_end(tape, report->at_ns, report->cookie, closers[report->end]);
}

static void see(void *context, const struct wire_traced *report)
{
	const struct record_kernel *kernel = context;
	struct tape *tape = kernel->tape;
	const struct view_pair pair = pair_of(report);

	switch (report->act) {
	case WIRE_BOUND_TO:
		tape_bind(tape, report->at_ns, report->cookie, report->local_port);
		break;
	case WIRE_BIND_FAILED:
		tape_bind(tape, report->at_ns, report->cookie, 0);
		tape_fail(tape, report->at_ns, report->cookie);
		break;
	case WIRE_LISTENS:
		tape_listen(tape, report->at_ns, report->cookie, report->local_port);
		break;
	case WIRE_CONNECTS:
		if (record_sockets_find(kernel->waiting, report->cookie) == RECORD_NO_SOCKET)
			tape_connect(tape, report->at_ns, report->cookie, &pair);
		break;
	case WIRE_REFUSED:
		tape_connect(tape, report->at_ns, report->cookie, &pair);
		tape_fail(tape, report->at_ns, report->cookie);
		break;
	case WIRE_ENDED:
		see_end(tape, report);
		break;
	default:
		tape_end(tape, report->at_ns, report->cookie, SIM_RESET);
	}
}

struct record_kernel *record_kernel_open(struct tape *tape, const struct record_sockets *waiting,
					 struct trouble *ret_trouble)
{
	struct record_kernel *kernel = calloc(1, sizeof(*kernel));

	if (kernel) {
		kernel->tape = tape;
		kernel->waiting = waiting;
		kernel->trace = trace_open(see, kernel, ret_trouble);
	}
	if (kernel && kernel->trace)
		return kernel;
	free(kernel);
	return NULL;
}

void record_kernel_read(struct record_kernel *kernel)
{
	trace_read(kernel->trace);
}

uint64_t record_kernel_lost(const struct record_kernel *kernel)
{
	return kernel ? trace_lost(kernel->trace) : 0;
}

void record_kernel_close(struct record_kernel *kernel)
{
	if (kernel)
		trace_close(kernel->trace);
	free(kernel);
}
