/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/guest.h"
#include "host/port_steering.h"
#include "supervise/family.h"
#include "supervise/notification.h"
#include "supervise/shared.h"

/* A fork that shares the descriptor table. The C library has no name for it; the flags are the
 * first argument on every architecture but s390. */
static pid_t fork_sharing_descriptors(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

/* A socket whose bind the dead supervisor put off, and whose port is asked for now: the kernel
 * chooses. */
static void settle(struct shared *shared, int fd)
{
	uint64_t cookie = socket_cookie(fd);
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);

	/* The address is as the program bound it, and its port is 0. */
	if (cookie_set_has(&shared->lazy, cookie) &&
	    getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	    bind(fd, (const struct sockaddr *)&address, size) == 0)
		cookie_set_remove(&shared->lazy, cookie);
}

static bool is_connection_begun(int fd)
{
	uint8_t state = socket_tcp_state(fd);

	return state == TCP_SYN_SENT || state == TCP_SYN_RECV;
}

struct caller {
	struct shared *shared;
	struct guest_cache *guests;
	pid_t tid;
};

static void settle_descriptor(void *context, int number)
{
	const struct caller *caller = context;
	int fd = guest_take_fd(caller->guests, caller->tid, number);

	if (fd < 0)
		return;
	settle(caller->shared, fd);
	close(fd);
}

/* connect() goes to the kernel, and a call of which we do nothing but know; whatever else is
 * intercepted must find the port settled: the socket's, or before prctl() hides them, all of them. */
static void answer_call(struct shared *shared, struct guest_cache *guests, const struct seccomp_notif *call)
{
	const struct answer by_kernel = { .by_kernel = true };
	struct caller caller = { shared, guests, (pid_t)call->pid };

	if (shared->lazy.count > 0 && call->data.nr == SYS_prctl)
		guest_each_socket(caller.tid, settle_descriptor, &caller);
	else if (shared->lazy.count > 0 && call->data.nr != SYS_connect)
		settle_descriptor(&caller, (int)call->data.args[0]);
	notification_send(LISTENER_FD, call->id, &by_kernel);
}

/* The call that the supervisor died over. A connection that it has begun is the program's: a
 * blocking connect() goes on to wait for it, a non-blocking one is told EINPROGRESS, as it would
 * have been. */
static void finish_open_call(struct shared *shared, struct guest_cache *guests)
{
	const struct answer in_progress = { .result = -EINPROGRESS }, put_off = { .result = 0 };
	struct call_record *record = &shared->record;
	bool begun = record->has_fd && record->connecting && !record->made_nonblocking &&
		     is_connection_begun(record->fd);

	call_record_undo(record);
	if (record->call.id == 0)
		return;
	if (record->put_off != 0) {
		cookie_set_add(&shared->lazy, record->put_off);
		notification_send(LISTENER_FD, record->call.id, &put_off);
	} else if (record->decided)
		notification_send(LISTENER_FD, record->call.id, &record->answer);
	else if (begun)
		notification_send(LISTENER_FD, record->call.id, &in_progress);
	else
		answer_call(shared, guests, &record->call);
}

/* Answers in the dead supervisor's place until the program has ended. */
static void take_over(struct family *family)
{
	struct guest_cache guests = { 0 };
	struct seccomp_notif call;
	struct pollfd wait[] = {
		{ .fd = LISTENER_FD, .events = POLLIN },
		{ .fd = FRONT_FD },
		{ .events = POLLIN },
	};

	/* Copies of the program's sockets, which keep its connections from being closed, and what
	 * else was the supervisor's. */
	finish_open_call(family->shared, &guests);
	guest_forget(&guests);
	close_range(FIRST_FREE_FD, ~0u, 0);
	wait[2].fd = open_child_signals();
	while (poll(wait, 3, -1) >= 0 || errno == EINTR) {
		struct signalfd_siginfo info;

		if (wait[0].revents & POLLIN) {
			if (notification_receive(LISTENER_FD, &call) == 0)
				answer_call(family->shared, &guests, &call);
		} else if (wait[0].revents & POLLHUP) {
			break;
		}
		if (wait[1].revents & POLLHUP) {
			program_front_gone(family);
			wait[1].fd = -1;
		}
		if (wait[2].revents & POLLIN && read(wait[2].fd, &info, sizeof(info)) > 0)
			program_reap(family);
	}
	program_reap_last(family);
}

/* The supervisor died with the program at the gate. It may have been let through already. */
static void open_gate(const struct family *family)
{
	if (write(GATE_FD, "", 1) == 1)
		front_tell(family, FRONT_STARTED, getpgrp());
}

_Noreturn void guardian_main(struct family *family)
{
	struct shared *shared = family->shared;
	pid_t supervisor;
	int status;

	prctl(PR_SET_NAME, "berth-guard");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	supervisor = fork_sharing_descriptors();
	if (supervisor == 0)
		_exit(supervisor_main(family));
	if (supervisor < 0) {
		front_tell_failure(family, "start the supervisor: %s", strerror(errno));
		_exit(1);
	}
	leave_directory(family);
	block_signals();
	while (waitpid(supervisor, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		_exit(0);
	if (shared->stage == STAGE_STARTING) {
		if (shared->program > 0)
			kill(shared->program, SIGKILL);
		front_tell_failure(family, "the supervisor died while it was starting");
		_exit(1);
	}
	family->front_fd = FRONT_FD;
	if (shared->stage == STAGE_READY)
		open_gate(family);
	take_over(family);
	_exit(0);
}
