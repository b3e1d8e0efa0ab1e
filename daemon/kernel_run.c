/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/excluded.h"
#include "daemon/hooks.h"
#include "daemon/settings.h"
#include "host/cgroup.h"
#include "host/exec.h"

#define NAMES 100 /* of cgroups, that are tried */

struct keeper {
	const struct config *config;
	struct cgroup cgroup;
	struct hooks *hooks;
	struct trouble failure; /* why kernel mode cannot be had; empty: it can */
};

static bool make_cgroup(struct keeper *keeper, pid_t program)
{
	char own[PATH_MAX], name[32];
	int error = cgroup_own(own);
	unsigned tried = 0;

	if (error)
		return trouble_say(&keeper->failure, "no cgroup v2 here (%s)", strerror(-error));
	/* In several containers several programs have the same number. */
	do {
		snprintf(name, sizeof(name), "berth-%d-%u", (int)program, tried);
		error = cgroup_make(own, name, &keeper->cgroup);
	} while (error == -EEXIST && ++tried < NAMES);
	return error == 0 ||
	       trouble_say(&keeper->failure, "make a cgroup in %.150s: %s%s", own, strerror(-error),
			   error == -EACCES || error == -EPERM ? " (be root)" : "");
}

static bool enter(struct keeper *keeper, pid_t program)
{
	int error = cgroup_enter(&keeper->cgroup, program);

	return error == 0 || trouble_say(&keeper->failure, "enter the cgroup %.150s: %s", keeper->cgroup.path,
					 strerror(-error));
}

static bool attach(struct keeper *keeper)
{
	struct excluded_cgroups cgroups;

	settings_choose(keeper->config, keeper->hooks);
	if (!hooks_load(keeper->hooks, &keeper->failure))
		return false;
	excluded_find(keeper->config, &cgroups);
	if (!excluded_write_own(keeper->config, &cgroups, keeper->hooks, &keeper->failure))
		return false;
	settings_write(keeper->config, hooks_own_settings(keeper->hooks));
	return hooks_attach(keeper->hooks, keeper->cgroup.fd, &keeper->failure);
}

static bool prepare(struct keeper *keeper, pid_t program)
{
	if (!make_cgroup(keeper, program))
		return false;
	keeper->hooks = hooks_open(&keeper->failure);
	if (keeper->hooks && attach(keeper) && enter(keeper, program))
		return true;
	hooks_close(keeper->hooks);
	cgroup_remove(&keeper->cgroup);
	return false;
}

static void say_what_was_done(const struct hooks *hooks)
{
	fputs("berth run: kernel:", stderr);
	for (int way = 0; way < WIRE_WAYS; way++)
		if (hooks_way(hooks, (enum wire_way)way) > 0)
			fprintf(stderr, " %s %llu", wire_way_name((enum wire_way)way),
				(unsigned long long)hooks_way(hooks, (enum wire_way)way));
	fputc('\n', stderr);
}

/* Leaves the program's terminal, signals, directory and files. */
static void step_back(int pipe_fd, bool verbose)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "berth-keeper");
	if (chdir("/") < 0)
		_exit(1);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fd != STDERR_FILENO || !verbose || fcntl(fd, F_GETFD) < 0)
			dup2(null, fd);
	dup2(pipe_fd, 3);
	close_range(4, ~0u, 0);
}

/* The program's limit is not the keeper's, who needs some thirty. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

_Noreturn static void keeper_main(const struct config *config, pid_t program, int pipe_fd, bool verbose)
{
	struct keeper keeper = { .config = config };
	struct pollfd events = { .events = POLLPRI };
	bool ready;

	step_back(pipe_fd, verbose);
	allow_descriptors();
	ready = prepare(&keeper, program);
	if (write(3, &keeper.failure, sizeof(keeper.failure)) < 0 || !ready)
		_exit(1);
	close(3);
	events.fd = keeper.cgroup.events_fd;
	while (cgroup_populated(&keeper.cgroup))
		poll(&events, 1, -1);
	if (verbose)
		say_what_was_done(keeper.hooks);
	hooks_close(keeper.hooks);
	cgroup_remove(&keeper.cgroup);
	_exit(0);
}

/* Starts the keeper, the child of a child that ends at once. 0 or negative errno. */
static int start_keeper(const struct config *config, int pipe_fd, bool verbose)
{
	pid_t program = getpid();
	pid_t between = fork();

	if (between < 0)
		return -errno;
	if (between > 0) {
		waitpid(between, NULL, 0);
		return 0;
	}
	between = fork();
	if (between == 0)
		keeper_main(config, program, pipe_fd, verbose);
	_exit(between < 0);
}

/* A pipe whose ends are not taken for standard streams, where the program was started without some. 0 or negative
 * errno. */
static int make_pipe(int ends[2])
{
	int low[2], error = 0;

	if (pipe2(low, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (ends[i] < 0)
			error = -errno;
		close(low[i]);
	}
	return error;
}

int kernel_run(const struct config *config, bool verbose, char *const argv[])
{
	struct trouble trouble = { "the keeper could not be started" };
	int news[2], status;

	status = make_pipe(news);
	if (status == 0)
		status = start_keeper(config, news[1], verbose);
	if (status < 0) {
		fprintf(stderr, "berth run: start: %s\n", strerror(-status));
		return 1;
	}
	close(news[1]);
	if (read(news[0], &trouble, sizeof(trouble)) != sizeof(trouble) || trouble.text[0] != '\0') {
		fprintf(stderr, "berth run: --mode=kernel: %s\n", trouble.text);
		return 1;
	}
	close(news[0]);
	execvp(argv[0], argv);
	status = exec_failure(argv[0], errno, trouble.text, sizeof(trouble.text));
	fprintf(stderr, "berth run: %s\n", trouble.text);
	return status;
}
