/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/demo_peer.h"
#include "cli/demo_worker.h"

/* Nothing here waits for long; who is left alone all the same (by a killed demo) ends. */
#define WORKER_LIFETIME_S 60u

void demo_worker_task(char *text, size_t size, const struct demo_load *load, bool steps)
{
	snprintf(text, size, "%s,%u,%u,%u,%u,%d,%d", steps ? "walk" : "load", load->family,
		 load->destinations, load->ports, load->attempts, load->reuse, load->keep);
}

static int parse_task(const char *task, struct demo_load *ret_load, bool *ret_steps)
{
	char kind[5];
	unsigned reuse, keep;
	struct demo_load load = { 0 };

	if (sscanf(task, "%4[a-z],%u,%u,%u,%u,%u,%u", kind, &load.family, &load.destinations, &load.ports,
		   &load.attempts, &reuse, &keep) != 7)
		return -EINVAL;
	if (load.destinations == 0 || load.destinations > DEMO_MAX_DESTINATION)
		return -EINVAL;
	load.reuse = reuse;
	load.keep = keep;
	*ret_load = load;
	*ret_steps = strcmp(kind, "walk") == 0;
	return 0;
}

static int bind_any_port(int fd, unsigned family)
{
	struct sockaddr_storage any;
	socklen_t length = demo_loopback(family, 0, &any);

	return bind(fd, (struct sockaddr *)&any, length) < 0 ? errno : 0;
}

static int connect_to(int fd, unsigned family, unsigned destination)
{
	struct sockaddr_storage peer;
	socklen_t length = demo_loopback(family, DEMO_SERVER_PORT + destination, &peer);

	return connect(fd, (struct sockaddr *)&peer, length) < 0 ? errno : 0;
}

/* A socket as the program's author made it: with SO_REUSEADDR or without. Negative errno on failure. */
static int new_socket(const struct demo_load *load)
{
	int on = 1, err;
	int fd = socket(load->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (load->reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static unsigned local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return 0;
	return demo_port_of(&address);
}

/* Sends a byte, has it echoed, closes first and waits for the peer to close: the connection is in TIME_WAIT
 * here when this returns. 0 or errno; the descriptor is gone either way. */
static int talk_and_leave(int fd)
{
	char byte = '!';
	int err = 0;
	ssize_t n;

	if (send(fd, &byte, 1, MSG_NOSIGNAL) < 0 || shutdown(fd, SHUT_WR) < 0)
		err = errno;
	while (err == 0 && (n = recv(fd, &byte, 1, 0)) != 0)
		if (n < 0 && errno != EINTR)
			err = errno;
	close(fd);
	return err;
}

/* One attempt, counted. The connected descriptor, or -1. */
static int try_once(const struct demo_load *load, unsigned destination, struct demo_count *count)
{
	enum demo_call call = DEMO_BIND;
	int fd = new_socket(load);
	uint64_t start;
	int err;

	if (fd < 0) {
		demo_count_failure(count, DEMO_BIND, -fd);
		return -1;
	}
	start = demo_now_us();
	err = bind_any_port(fd, load->family);
	if (err == 0) {
		call = DEMO_CONNECT;
		err = connect_to(fd, load->family, destination);
	}
	count->elapsed_us += demo_now_us() - start;
	if (err) {
		demo_count_failure(count, call, err);
		close(fd);
		return -1;
	}
	if (local_port(fd) - DEMO_FIRST_PORT >= load->ports)
		count->outside_range++;
	return fd;
}

static void leave_and_count(int fd, struct demo_count *count)
{
	int err = talk_and_leave(fd);

	if (err)
		demo_count_failure(count, DEMO_TALK, err);
	else
		count->made++;
}

static int carry_load(const struct demo_load *load, struct demo_count *ret_count)
{
	struct demo_count count = { 0 };
	int *open_fds = calloc(load->attempts, sizeof(*open_fds));
	unsigned open_count = 0;

	if (!open_fds)
		return -ENOMEM;
	for (unsigned i = 0; i < load->attempts; i++) {
		int fd = try_once(load, i % load->destinations, &count);

		if (fd < 0)
			continue;
		if (load->keep)
			open_fds[open_count++] = fd;
		else
			leave_and_count(fd, &count);
	}
	for (unsigned i = 0; i < open_count; i++)
		leave_and_count(open_fds[i], &count);
	free(open_fds);
	*ret_count = count;
	return 0;
}

/* Whether the kernel lists the connection from port to destination in TIME_WAIT. */
static bool in_time_wait(unsigned port, unsigned destination)
{
	unsigned local, remote, state;
	char line[256];
	bool found = false;
	FILE *table = fopen("/proc/self/net/tcp", "re");

	if (!table)
		return false;
	while (!found && fgets(line, sizeof(line), table))
		found = sscanf(line, " %*u: %*8x:%4x %*8x:%4x %2x", &local, &remote, &state) == 3 &&
			local == port && remote == DEMO_SERVER_PORT + destination && state == 6;
	fclose(table);
	return found;
}

/* Steps 1 to 6: there and back once. */
static int visit(const struct demo_load *load, unsigned destination, unsigned *ret_port, bool *ret_waits)
{
	int fd = new_socket(load), err;

	if (fd < 0)
		return fd;
	err = bind_any_port(fd, load->family);
	if (err == 0)
		err = connect_to(fd, load->family, destination);
	if (err) {
		close(fd);
		return -err;
	}
	*ret_port = local_port(fd);
	err = talk_and_leave(fd);
	*ret_waits = in_time_wait(*ret_port, destination);
	return -err;
}

/* Steps 7 to 10. The port is asked for when all is over: a program that asks between bind and connect
 * makes Berth choose before the destination is known. */
static int return_to_first(const struct demo_load *load, struct demo_walk *walk)
{
	int fd = new_socket(load);

	if (fd < 0)
		return fd;
	walk->last_call = DEMO_BIND;
	walk->error = bind_any_port(fd, load->family);
	if (walk->error == 0) {
		walk->last_call = DEMO_CONNECT;
		walk->error = connect_to(fd, load->family, 0);
		walk->second_port = local_port(fd);
	}
	if (walk->error) {
		close(fd);
		return 0;
	}
	walk->last_call = DEMO_TALK;
	walk->error = talk_and_leave(fd);
	return 0;
}

static int walk_ten_steps(const struct demo_load *load, struct demo_walk *ret_walk)
{
	struct demo_walk walk = { 0 };
	int err = visit(load, 0, &walk.first_port, &walk.first_waits);

	if (err == 0)
		err = visit(load, 1, &walk.other_port, &walk.other_waits);
	if (err == 0)
		err = return_to_first(load, &walk);
	if (err == 0)
		*ret_walk = walk;
	return err;
}

static int print_line(json_t *object)
{
	int err = json_dumpf(object, stdout, JSON_COMPACT);

	json_decref(object);
	return err < 0 || putchar('\n') == EOF || fflush(stdout) == EOF ? EXIT_FAILED : EXIT_OK;
}

int demo_worker_main(const char *task)
{
	struct demo_load load;
	struct demo_count count;
	struct demo_walk walk;
	bool steps;
	int err;

	if (parse_task(task, &load, &steps) < 0)
		return usage_error("demo", "--worker=%s is not a task", task);
	alarm(WORKER_LIFETIME_S);
	err = steps ? walk_ten_steps(&load, &walk) : carry_load(&load, &count);
	if (err < 0)
		return failure("demo", "the socket program failed before its load was over: %s",
			       strerror(-err));
	return print_line(steps ? demo_walk_to_json(&walk) : demo_count_to_json(&count));
}
