/* SPDX-License-Identifier: MIT
 *
 * The supervisor's loop: one call at a time, and between two calls a piece of the knowledge's upkeep.
 */
#include "supervise/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/clock.h"
#include "supervise/notification.h"

/* Under a storm of calls the upkeep still gets a turn after so many. */
#define CALLS_PER_TURN 32u

/* From one look at a connection whose handshake is not over to the next. */
#define WATCH_MS 2

struct answer leave_to_kernel(struct supervisor *supervisor, enum way_out way)
{
	supervisor->shared->ways[way]++;
	return answer_by_kernel();
}

static struct answer dispatch(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	switch (call->data.nr) {
	case SYS_bind:
		return on_bind(supervisor, call);
	case SYS_connect:
		return on_connect(supervisor, call);
	case SYS_getsockname:
		return on_getsockname(supervisor, call);
	case SYS_landlock_restrict_self:
		supervisor->shared->confined = true;
		return answer_by_kernel();
	case SYS_prctl:
		return on_hiding(supervisor, call);
	default: /* listen, setsockopt */
		return settle_first(supervisor, call);
	}
}

/* The kernel writes the call into the shared record itself, so there is no moment at which the
 * supervisor has a call that the guardian would not know of. */
static void serve_call(struct supervisor *supervisor)
{
	struct call_record *record = &supervisor->shared->record;
	const struct answer *answer = &record->answer;
	uint64_t begun = 0;
	int status;

	if (notification_receive(LISTENER_FD, &record->call) == 0) {
		supervisor->now_ns = clock_ns();
		record->answer = dispatch(supervisor, &record->call);
		record->decided = true;
		if (!answer->by_kernel && answer->result == -EINPROGRESS)
			begun = socket_cookie(record->fd);
		call_record_undo(record);
		status = notification_send(LISTENER_FD, record->call.id, answer);
		if (begun != 0)
			supervisor->unheard = status == -ENOENT ? begun : 0;
		if (record->put_off != 0 && status == 0)
			cookie_set_add(&supervisor->shared->lazy, record->put_off);
	}
	record->put_off = 0;
	record->call.id = 0;
	record->decided = false;
}

/* How long to wait for a call before something else is due; -1: for ever. */
static int idle_ms(const struct supervisor *supervisor)
{
	int ms = knowledge_idle_ms(&supervisor->knowledge, clock_ns());

	return supervisor->peers.watched && (ms < 0 || ms > WATCH_MS) ? WATCH_MS : ms;
}

static void run(struct supervisor *supervisor, int child_fd)
{
	struct pollfd wait[] = {
		{ .fd = LISTENER_FD, .events = POLLIN },
		{ .fd = FRONT_FD },
		{ .fd = child_fd, .events = POLLIN },
		{ .fd = knowledge_fd(&supervisor->knowledge), .events = POLLIN },
	};
	unsigned calls = 0;

	for (;;) {
		struct signalfd_siginfo info;
		int ready = poll(wait, 4, idle_ms(supervisor));

		if (ready < 0 && errno != EINTR)
			_exit(1); /* the guardian does better than we */
		if (ready > 0 && wait[2].revents & POLLIN && read(child_fd, &info, sizeof(info)) > 0)
			program_reap(supervisor->family);
		if (ready > 0 && wait[1].revents & POLLHUP) {
			program_front_gone(supervisor->family);
			wait[1].fd = -1;
		}
		if (ready > 0 && wait[0].revents & POLLIN) {
			serve_call(supervisor);
			if (++calls < CALLS_PER_TURN)
				continue;
		} else if (ready > 0 && wait[0].revents & POLLHUP) {
			return; /* the last process of the program has gone; POLLERR says that a lock was busy */
		}
		calls = 0;
		knowledge_work(&supervisor->knowledge, clock_ns());
		peer_watch(&supervisor->peers, &supervisor->lookups);
	}
}

/* The descriptors that we hold for others count against our own limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int supervisor_main(struct family *family)
{
	/* Static: the pidfd cache and the sites are too large for some stacks. */
	static struct supervisor supervisor;
	const char *step;
	int child_fd, error;

	prctl(PR_SET_NAME, "berth-super");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!program_fork(family))
		return 0;
	leave_directory(family);
	raise_descriptor_limit();
	block_signals();
	child_fd = open_child_signals();
	supervisor = (struct supervisor){
		.family = family,
		.shared = family->shared,
		.policy = family->options->config->policy,
		.netns = own_netns_cookie(),
		.now_ns = clock_ns(),
	};
	error = supervisor_prepare(&supervisor, &step);
	if (error) {
		front_tell_failure(family, "%s: %s", step, strerror(-error));
		kill(family->shared->program, SIGKILL);
		return 0;
	}
	notification_set_sync_wake_up(LISTENER_FD);
	await_others_away(family);
	if (program_execute(family))
		run(&supervisor, child_fd);
	program_reap_last(family);
	return 0;
}
