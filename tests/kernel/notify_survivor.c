/* SPDX-License-Identifier: MIT
 *
 * The listener belongs to whoever holds a descriptor of it, not to a process. A process that shares its
 * descriptor table with the supervisor (clone with CLONE_FILES) still has the listener, and all else, when
 * the supervisor is killed; and it can answer, by its id, a notification that the dead one had received.
 * One process tree can have one listener: a second NEW_LISTENER is refused with EBUSY.
 */
#include "tests/kernel/notify.h"

static int listener, answered[2];

/* The supervisor that is killed between receiving and answering. */
static int receive_and_hang(void *unused)
{
	struct seccomp_notif call;

	(void)unused;
	MUST(notify_receive(listener, &call) ? 0 : -1);
	MUST(write(answered[1], &call.id, sizeof(call.id)));
	for (;;)
		pause();
}

static void check_second_listener(void)
{
	int status;
	pid_t pid = MUST(fork());

	if (pid == 0) {
		MUST(notify_install(0));
		_exit(notify_install(0) == -1 && errno == EBUSY ? 0 : 1);
	}
	MUST(waitpid(pid, &status, 0));
	FACT(status == 0, "a second listener below the first: EBUSY");
}

int main(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct seccomp_notif call;
	uint64_t id;
	int status;
	pid_t caller, supervisor;

	MUST(pipe2(answered, O_CLOEXEC));
	caller = notify_start_caller(2, 42, &listener);
	supervisor = MUST(clone(receive_and_hang, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL));
	MUST(read(answered[0], &id, sizeof(id)));
	MUST(kill(supervisor, SIGKILL));
	MUST(waitpid(supervisor, &status, 0));
	FACT(fcntl(listener, F_GETFD) >= 0, "the descriptor table survives kill -9 of the other process");
	FACT(notify_answer(listener, id, 42) == 0, "what the dead one had received can be answered");
	MUST(notify_receive(listener, &call) ? 0 : -1);
	FACT(call.id == id + 1 && notify_answer(listener, call.id, 42) == 0, "and so can the next call");
	MUST(waitpid(caller, &status, 0));
	FACT(status == 0, "the caller saw nothing but its answers");
	check_second_listener();
	return fact_done();
}
