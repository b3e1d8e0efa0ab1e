/* SPDX-License-Identifier: MIT */
#include "cli/top_keeper.h"

#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "cli/command.h"

/* Added to the exit status of a screen that has put the terminal right itself. */
#define ENDED_WELL 64

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

#define PASSED_ON (sizeof(passed_on) / sizeof(passed_on[0]))

/* What the handler knows: there is one screen in a process. */
static volatile sig_atomic_t screen_pid, asked_to_end;

static void pass_on(int number)
{
	asked_to_end = number;
	if (screen_pid > 0)
		kill((pid_t)screen_pid, number);
}

static void handle(int number, void (*handler)(int))
{
	const struct sigaction action = { .sa_handler = handler };

	sigaction(number, &action, NULL);
}

static int put_character(int character)
{
	return putchar(character);
}

/* What the screen would have done. The strings are those of the terminal, as setupterm() found them. */
static void restore(const struct termios *modes)
{
	const char *const strings[] = { exit_attribute_mode, cursor_normal, keypad_local, exit_ca_mode };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (strings[i])
			tputs(strings[i], 1, put_character);
	fflush(stdout);
	tcsetattr(STDOUT_FILENO, TCSADRAIN, modes);
}

static int run_screen(pid_t keeper, int (*screen)(const void *context), const void *context)
{
	for (size_t i = 0; i < PASSED_ON; i++)
		handle(passed_on[i], SIG_DFL);
	handle(SIGTSTP, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == keeper ? ENDED_WELL + screen(context) : EXIT_FAILED;
}

/* Waits for its end, stopping when it stops. Its status as of waitpid(). */
static int wait_for_end(pid_t pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, WUNTRACED) < 0) {
			if (errno != EINTR)
				return 0;
		} else if (!WIFSTOPPED(status)) {
			return status;
		} else {
			raise(SIGSTOP);
			kill(pid, SIGCONT);
		}
	}
}

int top_keep(int (*screen)(const void *context), const void *context)
{
	struct termios modes;
	pid_t keeper = getpid(), pid;
	int error, status;
	bool ended_well;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDOUT_FILENO, &modes) < 0)
		return failure("top", "needs a terminal; --json prints lines without one");
	if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return failure("top", "the terminal that TERM names is not known");
	if (!cursor_address)
		return failure("top", "the terminal that TERM names cannot place the cursor");
	for (size_t i = 0; i < PASSED_ON; i++)
		handle(passed_on[i], pass_on);
	handle(SIGTSTP, SIG_IGN);
	pid = fork();
	if (pid < 0)
		return failure("top", "cannot start a process: %s", strerror(errno));
	if (pid == 0)
		_exit(run_screen(keeper, screen, context));
	screen_pid = (sig_atomic_t)pid;
	if (asked_to_end)
		kill(pid, asked_to_end);
	status = wait_for_end(pid);
	screen_pid = 0;
	ended_well = WIFEXITED(status) && WEXITSTATUS(status) >= ENDED_WELL;
	if (!ended_well)
		restore(&modes);
	if (asked_to_end) {
		handle(asked_to_end, SIG_DFL);
		raise(asked_to_end);
	}
	if (WIFSIGNALED(status))
		return failure("top", "ended by signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	return ended_well ? WEXITSTATUS(status) - ENDED_WELL : EXIT_FAILED;
}
