/* SPDX-License-Identifier: MIT
 *
 * Starting the program: its process installs the filter upon itself, the supervisor takes a copy of
 * the listener from it (which shows at once whether it may trace it), prepares, and opens the gate
 * to execve().
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/guest.h"
#include "supervise/family.h"
#include "supervise/notification.h"
#include "supervise/shared.h"

/* What the program's process sends through the gate, before and, if it fails, at its execve(). */
struct gate_message {
	int listener; /* or negative errno */
	char step[32];
	int exec_errno;
};

_Noreturn static void program_main(struct family *family, int gate)
{
	struct gate_message message = { 0 };
	const char *step = "";
	char go;

	message.listener = notification_install(&step);
	strncpy(message.step, step, sizeof(message.step) - 1);
	if (write(gate, &message, sizeof(message)) != sizeof(message) || read(gate, &go, 1) != 1)
		_exit(1);
	if (family->ignore_sigchld)
		signal(SIGCHLD, SIG_IGN);
	execvp(family->argv[0], family->argv);
	message.exec_errno = errno;
	if (write(gate, &message, sizeof(message)) != sizeof(message))
		_exit(1);
	_exit(0);
}

static void tell_install_failure(const struct family *family, const struct gate_message *message)
{
	int error = -message->listener;

	if (error == EBUSY)
		front_tell_failure(
			family, "another supervisor (a container runtime, a berth run that died) listens to "
				"this process by seccomp already; run it outside of that");
	else if (error == EOPNOTSUPP || error == ENOSYS || error == EINVAL)
		front_tell_failure(family,
				   "%s: this kernel has no seccomp user notification ("
				   "CONFIG_SECCOMP_FILTER)",
				   message->step);
	else
		front_tell_failure(family, "%s: %s", message->step, strerror(error));
}

/* Takes the listener from the program's process. Ours, or -1 (the front was told why). */
static int take_listener(const struct family *family, int gate)
{
	struct guest_cache cache = { 0 };
	struct gate_message message;
	int listener;

	if (read(gate, &message, sizeof(message)) != sizeof(message)) {
		front_tell_failure(family, "the program's process ended before it was executed");
		return -1;
	}
	if (message.listener < 0) {
		tell_install_failure(family, &message);
		return -1;
	}
	listener = guest_take_fd(&cache, family->shared->program, message.listener);
	if (listener == -EPERM)
		front_tell_failure(
			family,
			"tracing the program is not allowed (sysctl kernel.yama.ptrace_scope is 2 or 3, or "
			"a container's restrictions); root, or --cap-add SYS_PTRACE, may");
	else if (listener < 0)
		front_tell_failure(family, "take the seccomp listener: %s (pidfd_getfd)",
				   strerror(-listener));
	return listener < 0 ? -1 : listener;
}

bool program_fork(struct family *family)
{
	int gate[2];
	int listener;
	pid_t program;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) < 0 || (program = fork()) < 0) {
		front_tell_failure(family, "start the program: %s", strerror(errno));
		return false;
	}
	if (program == 0) {
		close(gate[0]);
		program_main(family, gate[1]);
	}
	family->shared->program = program;
	close(gate[1]);
	listener = take_listener(family, gate[0]);
	if (listener >= 0) {
		int kept[] = { family->front_fd, listener, gate[0] };

		if (keep_descriptors(kept, 3, 2)) {
			family->front_fd = FRONT_FD;
			family->shared->stage = STAGE_READY;
			return true;
		}
		front_tell_failure(family, "arrange descriptors: %s", strerror(errno));
	}
	kill(program, SIGKILL);
	return false;
}

bool program_execute(struct family *family)
{
	struct gate_message message;
	ssize_t size;

	size = write(GATE_FD, "", 1) == 1 ? read(GATE_FD, &message, sizeof(message)) : 0;
	family->shared->stage = STAGE_EXECUTED;
	close(GATE_FD);
	if (size == sizeof(message)) {
		front_tell(family, FRONT_EXEC_FAILED, message.exec_errno);
		return false;
	}
	front_tell(family, FRONT_STARTED, getpgrp());
	return true;
}
