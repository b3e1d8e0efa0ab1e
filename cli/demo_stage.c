/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo_peer.h"
#include "cli/demo_stage.h"
#include "cli/demo_worker.h"
#include "host/private_net.h"

#define LINE_SIZE 2048

static int set_stage(const struct demo_load *load, pid_t *ret_peer)
{
	char range[32];
	int err = private_net_enter();

	snprintf(range, sizeof(range), "%u %u", DEMO_FIRST_PORT, DEMO_FIRST_PORT + load->ports - 1);
	if (err == 0)
		err = private_net_set("ipv4/ip_local_port_range", range);
	if (err == 0)
		err = private_net_set("ipv4/tcp_timestamps", load->timestamps ? "1" : "0");
	if (err == 0)
		err = private_net_set("ipv4/ip_autobind_reuse", load->reuse ? "1" : "0");
	if (err == 0)
		err = demo_peer_start(load->family, load->destinations, ret_peer);
	return err;
}

int demo_stage_try(unsigned family)
{
	const struct demo_load any = { .family = family, .destinations = 1, .ports = 2 };
	pid_t peer = -1;
	int err = set_stage(&any, &peer);

	if (err == 0)
		demo_peer_stop(peer);
	return err;
}

/* The child: this very program again, the way a user would start it. Never returns. */
static _Noreturn void become_worker(enum demo_side side, char *task, int result)
{
	char self[] = "/proc/self/exe";
	char *stock[] = { self, "demo", task, NULL };
	char *berth[] = { self, "run", "--mode=supervise", "--", self, "demo", task, NULL };
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (dup2(nothing, STDIN_FILENO) >= 0 && dup2(result, STDOUT_FILENO) >= 0)
		execv(self, side == DEMO_BERTH ? berth : stock);
	fprintf(stderr, "berth demo: cannot start the socket program: %s\n", strerror(errno));
	_exit(EXIT_FAILURE);
}

/* SIGTERM, so that `berth run` takes its program along when the demo is killed. */
static int fork_worker(enum demo_side side, char *task, int result, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		become_worker(side, task, result);
	}
	*ret_pid = pid;
	return 0;
}

static int milliseconds_until(uint64_t deadline_us)
{
	uint64_t now_us = demo_now_us();

	return now_us >= deadline_us ? 0 : (int)((deadline_us - now_us) / 1000u);
}

/* Everything up to the end of file, zero-terminated. */
static int read_result(int fd, uint64_t deadline_us, char *line)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	size_t length = 0;
	ssize_t n;

	for (;;) {
		int ready = poll(&readable, 1, milliseconds_until(deadline_us));

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready < 0 ? -errno : -ETIME;
		n = read(fd, line + length, LINE_SIZE - 1 - length);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	line[length] = '\0';
	return 0;
}

/* The worker's end is waited for, too: only then has every socket of it been closed. */
static int end_worker(pid_t pid, int err)
{
	int status;

	if (err < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (err == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		return -EBADMSG;
	return err;
}

static int run_worker(const struct demo_load *load, enum demo_side side, bool steps, uint64_t deadline_us,
		      char *line)
{
	char task[96] = "--worker=";
	size_t used = strlen(task);
	int result[2], err;
	pid_t worker = -1;

	demo_worker_task(task + used, sizeof(task) - used, load, steps);
	if (pipe2(result, O_CLOEXEC) < 0)
		return -errno;
	err = fork_worker(side, task, result[1], &worker);
	close(result[1]);
	if (err == 0)
		err = end_worker(worker, read_result(result[0], deadline_us, line));
	close(result[0]);
	return err;
}

/* The program's line as JSON; the caller owns *ret_object. */
static int perform(const struct demo_load *load, enum demo_side side, bool steps, uint64_t deadline_us,
		   json_t **ret_object)
{
	char line[LINE_SIZE];
	pid_t peer = -1;
	json_t *object;
	int err = set_stage(load, &peer);

	if (err < 0)
		return err;
	err = run_worker(load, side, steps, deadline_us, line);
	demo_peer_stop(peer);
	if (err < 0)
		return err;
	object = json_loads(line, 0, NULL);
	if (!object)
		return -EBADMSG;
	*ret_object = object;
	return 0;
}

int demo_stage_load(const struct demo_load *load, enum demo_side side, uint64_t deadline_us,
		    struct demo_count *ret_count)
{
	json_t *object;
	int err = perform(load, side, false, deadline_us, &object);

	if (err < 0)
		return err;
	err = demo_count_from_json(object, ret_count);
	json_decref(object);
	return err;
}

int demo_stage_walk(const struct demo_load *load, enum demo_side side, uint64_t deadline_us,
		    struct demo_walk *ret_walk)
{
	json_t *object;
	int err = perform(load, side, true, deadline_us, &object);

	if (err < 0)
		return err;
	err = demo_walk_from_json(object, ret_walk);
	json_decref(object);
	return err;
}
