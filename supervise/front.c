/* SPDX-License-Identifier: MIT
 *
 * The process that the shell knows. It stands for the program: what is sent to it is passed on,
 * what becomes of the program becomes of it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/exec.h"
#include "supervise/family.h"
#include "supervise/notification.h"
#include "supervise/shared.h"

static int exec_failed(const char *program, int error)
{
	char text[256];
	int status = exec_failure(program, error, text, sizeof(text));

	fprintf(stderr, "berth run: %s\n", text);
	return status;
}

/* Under a supervisor already, which steers this program as well. */
static int run_nested(char *const argv[])
{
	fprintf(stderr, "berth run: already under another berth run, which steers %s too; its options hold\n",
		argv[0]);
	execvp(argv[0], argv);
	return exec_failed(argv[0], errno);
}

static void set_mask(int how, int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(how, &set, NULL);
}

static int die_of(int signal_number)
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core); /* the program's own is enough */
	signal(signal_number, SIG_DFL);
	kill(getpid(), signal_number);
	set_mask(SIG_UNBLOCK, signal_number);
	return 128 + signal_number;
}

/* Stops as the program did, until it goes on. The stop signal is made pending first, blocked as all
 * are: if the program goes on meanwhile, then either the message that says so is here already, or
 * the SIGCONT that follows it takes the pending stop signal away (POSIX: generating SIGCONT
 * discards pending stop signals). So no stop outlives the program's. */
static void stop_with_program(const struct family *family, int signal_number)
{
	const struct timespec at_once = { 0 };
	struct pollfd news = { .fd = family->front_fd, .events = POLLIN };
	sigset_t set;

	if (signal_number == SIGSTOP) /* which cannot be blocked */
		signal_number = SIGTSTP;
	signal(signal_number, SIG_DFL);
	kill(getpid(), signal_number);
	if (poll(&news, 1, 0) > 0) {
		sigemptyset(&set);
		sigaddset(&set, signal_number);
		sigtimedwait(&set, NULL, &at_once);
		return;
	}
	set_mask(SIG_UNBLOCK, signal_number);
	set_mask(SIG_BLOCK, signal_number);
}

static void say_what_was_done(const struct family *family)
{
	fprintf(stderr, "berth run: supervise:");
	for (int way = 0; way < WAY_COUNT; way++)
		if (family->shared->ways[way] > 0)
			fprintf(stderr, " %s %llu", way_out_name((enum way_out)way),
				(unsigned long long)family->shared->ways[way]);
	fputs(family->shared->by_bind ? " (by explicit binds: Linux before 6.3)\n" : "\n", stderr);
}

/* The program has ended, and its exit status is about to be ours. Whatever is Berth's goes first,
 * unless it still serves processes that the program left behind. */
static void wait_for_family(const struct family *family)
{
	struct front_message message;

	while (recv(family->front_fd, &message, sizeof(message), 0) > 0)
		if (message.news == FRONT_STAYING)
			return;
	waitpid(family->guardian, NULL, 0);
}

/* The exit status that a final wait status asks for, or -1 if the program only stopped or went on. */
static int mirror(const struct family *family, int status)
{
	if (WIFSTOPPED(status)) {
		stop_with_program(family, WSTOPSIG(status));
		return -1;
	}
	if (!WIFEXITED(status) && !WIFSIGNALED(status))
		return -1;
	wait_for_family(family);
	if (family->options->verbose)
		say_what_was_done(family);
	return WIFEXITED(status) ? WEXITSTATUS(status) : die_of(WTERMSIG(status));
}

/* The program runs. We leave its process group, so that what a terminal or kill(-group) sends to
 * the group reaches the program once, not twice; and its files, whose other ends are to see when
 * the program closes them. */
static void step_back(struct family *family, int *signal_fd, pid_t group)
{
	const int kept[] = { family->front_fd, *signal_fd };

	/* It fails for a session leader, who then passes nothing on that the kernel sent. The init
	 * of a pid namespace stays: it could not end as long as the group's number, which is
	 * another's pid, is in use by itself. */
	if (getpid() != 1)
		setpgid(0, group);
	if (keep_descriptors(kept, 2, family->options->verbose ? 1 : 2)) {
		family->front_fd = FRONT_FD;
		*signal_fd = FRONT_FD + 1;
	}
}

static void pass_on(const struct family *family, const struct signalfd_siginfo *info, pid_t group)
{
	int signal_number = (int)info->ssi_signo;
	pid_t program = family->shared->program;
	bool from_us = (pid_t)info->ssi_pid == group || (pid_t)info->ssi_pid == family->guardian;
	bool from_terminal = info->ssi_code == SI_KERNEL && signal_number != SIGHUP;

	if (program <= 0 || signal_number == SIGCHLD || from_us || from_terminal)
		return;
	if (info->ssi_code == SI_QUEUE)
		sigqueue(program, signal_number, (union sigval){ .sival_ptr = (void *)info->ssi_ptr });
	else
		kill(program, signal_number);
}

/* Guardian and supervisor are both ending. We are the next subreaper above the program: its parent,
 * once they have ended. */
static int wait_alone(const struct family *family)
{
	pid_t child;
	int status, result = -1;

	while (result < 0) {
		child = waitpid(-1, &status, WUNTRACED);
		if (child < 0 && errno != EINTR) {
			fputs("berth run: Berth's own processes were killed, and the program's end was missed\n",
			      stderr);
			return 1;
		}
		if (child > 0 && child == family->shared->program)
			result = mirror(family, status);
	}
	return result;
}

/* Acts on one message. The exit status to end with, or -1. */
static int handle_message(const struct family *family, const struct front_message *message)
{
	switch (message->news) {
	case FRONT_EXEC_FAILED:
		return exec_failed(family->argv[0], message->number);
	case FRONT_FAILED:
		fprintf(stderr, "berth run: %s\n", message->text);
		return 1;
	case FRONT_STATUS:
		return mirror(family, message->number);
	case FRONT_STARTED:
	case FRONT_STAYING:
		break;
	}
	return -1;
}

static int front_main(struct family *family)
{
	struct pollfd wait[2] = { { .fd = family->front_fd, .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	struct front_message message;
	pid_t group = 0;
	sigset_t all;
	int result = -1;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	wait[1].fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	/* Until the program runs, what is sent to it stays pending. */
	while (result < 0 && poll(wait, group > 0 ? 2 : 1, -1) >= 0) {
		if (wait[0].revents == 0) {
			if (read(wait[1].fd, &info, sizeof(info)) == sizeof(info))
				pass_on(family, &info, group);
		} else if (recv(family->front_fd, &message, sizeof(message), 0) != sizeof(message)) {
			result = wait_alone(family);
		} else if (message.news == FRONT_STARTED) {
			group = message.number;
			step_back(family, &wait[1].fd, group);
			wait[0].fd = family->front_fd;
		} else {
			result = handle_message(family, &message);
		}
	}
	return result < 0 ? 1 : result;
}

int supervise_run(const struct supervise_options *options, char *const argv[])
{
	struct family family = {
		.options = options, .argv = argv, .shared = shared_new(), .front = getpid()
	};
	int pair[2];

	if (notification_supervised())
		return run_nested(argv);
	/* Ignored, as some parents leave it to us, it would leave no exit status to wait for. */
	family.ignore_sigchld = signal(SIGCHLD, SIG_DFL) == SIG_IGN;
	if (!family.shared || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    (family.guardian = fork()) < 0) {
		fprintf(stderr, "berth run: start: %s\n", strerror(errno));
		return 1;
	}
	if (family.guardian == 0) {
		close(pair[0]);
		family.front_fd = pair[1];
		guardian_main(&family);
	}
	close(pair[1]);
	leave_directory(&family);
	family.front_fd = pair[0];
	return front_main(&family);
}
