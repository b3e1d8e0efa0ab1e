/* SPDX-License-Identifier: MIT
 *
 * Processes that open connections to a few destinations at once and as fast as they can, hold some and close the oldest
 * with a reset, so that no TIME_WAIT is left. What each did, and when, is appended to LOG, which hammer_judge reads.
 *
 *   hammer LOG inside|outside connects|binds|explicit|listens PROCESSES CALLS DESTINATIONS HELD [FIRST LAST]
 *
 * Each process has at most HELD sockets open, the one under way included. FIRST and LAST are the ports that `explicit`
 * draws from. Several hammers with the same LOG, some of them under Berth, make one record.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/system/hammer.h"

#define FIRST_DESTINATION 7001
#define EXPLICIT_TRIES	  4

static const char *const role_names[ROLES] = { "connects", "binds", "explicit", "listens" };

static unsigned calls, destinations, held, first, last;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static unsigned local_port(int fd)
{
	struct sockaddr_in name;
	socklen_t length = sizeof(name);

	getsockname(fd, (struct sockaddr *)&name, &length);
	return ntohs(name.sin_port);
}

static int bind_to(int fd, unsigned port)
{
	struct sockaddr_in at = loopback(port);

	return bind(fd, (const struct sockaddr *)&at, sizeof(at));
}

/* Others may be on the port it draws, and may not share it. */
static int bind_explicitly(int fd)
{
	const int on = 1;
	int result = -1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	for (int i = 0; i < EXPLICIT_TRIES && result < 0; i++)
		result = bind_to(fd, first + (unsigned)rand() % (last - first + 1));
	return result;
}

/* 0, or -1 with errno. */
static int get_port(int fd, enum hammer_role role, struct hammer_call *call)
{
	struct sockaddr_in to = loopback(FIRST_DESTINATION + call->destination);
	int result = role == EXPLICIT ? bind_explicitly(fd) : role == CONNECTS ? 0 : bind_to(fd, 0);

	call->in_bind = result < 0;
	if (result == 0)
		result = role == LISTENS ? listen(fd, 1)
					 : connect(fd, (const struct sockaddr *)&to, sizeof(to));
	return result;
}

static void let_go(int fd, struct hammer_call *call)
{
	const struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	call->gone_ns = now_ns();
}

static _Noreturn void hammer(struct hammer_lane *lane, enum hammer_role role)
{
	int *sockets = calloc(held, sizeof(*sockets));

	srand((unsigned)getpid());
	for (unsigned i = 0; i < calls; i++) {
		struct hammer_call *call = &lane->call[i];
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (i >= held && sockets[i % held] >= 0)
			let_go(sockets[i % held], call - held);
		call->destination = (uint8_t)(i % destinations);
		call->begin_ns = now_ns();
		if (get_port(fd, role, call) < 0)
			call->error = (uint16_t)errno;
		call->end_ns = now_ns();
		call->port = (uint16_t)local_port(fd);
		sockets[i % held] = fd;
		if (call->error) {
			let_go(fd, call);
			sockets[i % held] = -1;
		}
		lane->count = i + 1;
	}
	for (unsigned i = calls - (held < calls ? held : calls); i < calls; i++)
		if (sockets[i % held] >= 0)
			let_go(sockets[i % held], &lane->call[i]);
	_exit(0);
}

static struct hammer_log *open_log(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct hammer_log *log = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(*log)) == 0)
		log = mmap(NULL, sizeof(*log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (log == MAP_FAILED) {
		fprintf(stderr, "hammer: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return log;
}

int main(int argc, char **argv)
{
	enum hammer_role role = 0;
	struct hammer_log *log;

	while (argc >= 8 && role < ROLES && strcmp(argv[3], role_names[role]) != 0)
		role++;
	if ((argc != 8 && argc != 10) || role == ROLES || (role == EXPLICIT && argc != 10) ||
	    atoi(argv[5]) > HAMMER_CALLS) {
		fputs("usage: hammer LOG inside|outside connects|binds|explicit|listens PROCESSES CALLS DESTINATIONS HELD [FIRST LAST]\n",
		      stderr);
		return 2;
	}
	calls = (unsigned)atoi(argv[5]);
	destinations = (unsigned)atoi(argv[6]);
	held = (unsigned)atoi(argv[7]);
	first = argc == 10 ? (unsigned)atoi(argv[8]) : 0;
	last = argc == 10 ? (unsigned)atoi(argv[9]) : 0;
	log = open_log(argv[1]);
	for (int i = 0; i < atoi(argv[4]); i++) {
		unsigned number = __atomic_fetch_add(&log->lanes, 1, __ATOMIC_RELAXED);

		if (number >= HAMMER_LANES) {
			fprintf(stderr, "hammer: more than %d processes\n", HAMMER_LANES);
			return 1;
		}
		log->lane[number].role = (uint8_t)role;
		log->lane[number].inside = strcmp(argv[2], "inside") == 0;
		if (fork() == 0)
			hammer(&log->lane[number], role);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
