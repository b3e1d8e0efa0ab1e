/* SPDX-License-Identifier: MIT
 *
 * A signal ends a call that waits for its answer: under a handler without SA_RESTART the program sees EINTR,
 * also from bind(), which never gives it on stock Linux. SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (5.19)
 * protects the call from the moment the supervisor has received the notification, not before. Supervise sets
 * the flag and receives before it does anything else; the moment that remains is the kernel's
 * (seccomp_do_user_notification() in kernel/seccomp.c).
 */
#include "tests/kernel/notify.h"

enum {
	INTERRUPTED = 3,
	ANSWERED = 4
};

static void nothing(int number)
{
	(void)number;
}

/* A process that makes one notified call and tells by its exit status how it ended. */
static pid_t start_caller(int *ret_listener)
{
	struct sigaction action = { .sa_handler = nothing };
	int numbers[2], listener;
	pid_t pid;

	MUST(pipe2(numbers, O_CLOEXEC));
	pid = MUST(fork());
	if (pid == 0) {
		sigaction(SIGUSR1, &action, NULL);
		listener = notify_install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
		MUST(write(numbers[1], &listener, sizeof(listener)));
		_exit(syscall(SYS_getppid) == 42 ? ANSWERED : errno == EINTR ? INTERRUPTED : FACT_FAILS);
	}
	*ret_listener = notify_take_listener(pid, numbers);
	return pid;
}

static void wait_until_notified(int listener)
{
	struct pollfd ready = { .fd = listener, .events = POLLIN };

	MUST(poll(&ready, 1, 5000) == 1 ? 0 : -1);
}

static int end_of(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0));
	return WEXITSTATUS(status);
}

int main(void)
{
	struct seccomp_notif call;
	int listener;
	pid_t pid;

	pid = start_caller(&listener);
	wait_until_notified(listener);
	MUST(kill(pid, SIGUSR1));
	FACT(end_of(pid) == INTERRUPTED, "a signal before the notification was received: EINTR");
	close(listener);

	pid = start_caller(&listener);
	MUST(notify_receive(listener, &call) ? 0 : -1);
	MUST(kill(pid, SIGUSR1));
	poll(NULL, 0, 20);
	FACT(notify_answer(listener, call.id, 42) == 0, "a signal after it: the call can still be answered");
	FACT(end_of(pid) == ANSWERED, "and returns the answer");
	return fact_done();
}
