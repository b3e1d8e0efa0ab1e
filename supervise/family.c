/* SPDX-License-Identifier: MIT */
#include "supervise/family.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/shared.h"

#define FAMILY_SIZE 3u /* front, guardian, supervisor */
#define AWAY_MS	    1000

static void tell(const struct family *family, const struct front_message *message)
{
	/* Where nobody listens any more there is nobody to tell. */
	send(family->front_fd, message, sizeof(*message), MSG_NOSIGNAL);
}

void front_tell(const struct family *family, enum front_news news, int number)
{
	struct front_message message = { .news = news, .number = number };

	tell(family, &message);
}

void front_tell_failure(const struct family *family, const char *format, ...)
{
	struct front_message message = { .news = FRONT_FAILED };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message.text, sizeof(message.text), format, arguments);
	va_end(arguments);
	tell(family, &message);
}

static int wait_status(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return W_EXITCODE(info->si_status, 0);
	case CLD_DUMPED:
		return info->si_status | WCOREFLAG;
	case CLD_STOPPED:
	case CLD_TRAPPED:
		return W_STOPCODE(info->si_status);
	case CLD_CONTINUED:
		return __W_CONTINUED;
	default:
		return info->si_status;
	}
}

/* Otherwise we end as well, and the front, which waits for that, with us. */
static void tell_if_staying(const struct family *family)
{
	struct pollfd listener = { .fd = LISTENER_FD };

	poll(&listener, 1, 0);
	if (family->shared->stage != STAGE_STARTING && !(listener.revents & POLLHUP))
		front_tell(family, FRONT_STAYING, 0);
}

/* Whatever the front was doing with the program, it may be stopped; it is to wake up and do what
 * the message says. If that is to stop again, the signal that wakes it must not come after the
 * message; if it is to go on, it must (see the front's stop_with_program()). */
static void tell_status(const struct family *family, const siginfo_t *info)
{
	int status = wait_status(info);

	if (WIFSTOPPED(status))
		kill(family->front, SIGCONT);
	front_tell(family, FRONT_STATUS, status);
	if (!WIFSTOPPED(status))
		kill(family->front, SIGCONT);
}

static void tell_stops(const struct family *family)
{
	siginfo_t info = { 0 };

	if (family->shared->program > 0 &&
	    waitid(P_PID, (id_t)family->shared->program, &info, WSTOPPED | WCONTINUED | WNOHANG) == 0 &&
	    info.si_pid != 0)
		tell_status(family, &info);
}

void program_reap(struct family *family)
{
	siginfo_t info = { 0 };

	tell_stops(family);
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		pid_t child = info.si_pid;
		bool ended = child == family->shared->program;

		if (ended) {
			tell_status(family, &info);
			family->shared->program = 0; /* the number is another's once it is reaped */
		}
		waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG);
		if (ended)
			tell_if_staying(family);
		info.si_pid = 0;
	}
}

void program_reap_last(struct family *family)
{
	siginfo_t info;

	if (family->shared->program > 0)
		waitid(P_PID, (id_t)family->shared->program, &info, WEXITED | WNOWAIT);
	program_reap(family);
}

void program_front_gone(struct family *family)
{
	if (family->shared->program > 0)
		kill(family->shared->program, SIGKILL);
}

bool keep_descriptors(const int *kept, int count, int last_null)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high[8] = { fcntl(null, F_DUPFD_CLOEXEC, 3 + count) };

	if (high[0] < 0 || count > 7)
		return false;
	/* All of them out of the way first: from there on nothing can fail. */
	for (int i = 0; i < count; i++) {
		high[1 + i] = fcntl(kept[i], F_DUPFD_CLOEXEC, 3 + count);
		if (high[1 + i] < 0)
			return false;
	}
	for (int fd = 0; fd <= last_null; fd++)
		dup2(high[0], fd);
	for (int i = 0; i < count; i++)
		dup3(high[1 + i], 3 + i, O_CLOEXEC);
	return close_range(3 + (unsigned)count, ~0u, 0) == 0;
}

void leave_directory(const struct family *family)
{
	/* If it cannot, the directory stays in use, and that is all. */
	int ignored = chdir("/");

	(void)ignored;
	family->shared->away++;
}

void await_others_away(const struct family *family)
{
	for (int waited_ms = 0; family->shared->away < FAMILY_SIZE && waited_ms < AWAY_MS; waited_ms++)
		poll(NULL, 0, 1);
}

void block_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT };
	sigset_t all;

	setpgid(0, 0);
	sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

int open_child_signals(void)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}
