/* SPDX-License-Identifier: MIT
 *
 * The far end of every test: listens on COUNT ports from FIRST on, IPv4 and IPv6, accepts whatever comes,
 * swallows what it is sent and closes when the other side has closed. So the side under test closes first
 * and has the TIME_WAIT. Runs outside Berth. Says "ready" when it listens and ends when its input does.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int events;

static void watch(int fd, bool listens)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)listens << 32 | (uint32_t)fd };

	if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event)) {
		perror("sink: epoll_ctl");
		exit(1);
	}
}

static void listen_on(unsigned port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4096)) {
		perror("sink: listen");
		exit(1);
	}
	watch(fd, true);
}

/* A few at a time, or those that have ended would never be closed under load. */
static void accept_some(int listener)
{
	int fd = 0;

	for (int i = 0; i < 16 && fd >= 0; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			watch(fd, false);
	}
	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED) {
		perror("sink: accept");
		exit(1);
	}
}

static void swallow(int fd)
{
	char buffer[4096];
	ssize_t count = read(fd, buffer, sizeof(buffer));

	if (count > 0 || (count < 0 && errno == EAGAIN))
		return;
	if (fd == STDIN_FILENO)
		exit(0);
	close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event ready[256];
	struct rlimit files;
	unsigned first, count;

	if (argc != 3) {
		fputs("usage: sink FIRST COUNT\n", stderr);
		return 2;
	}
	first = atoi(argv[1]);
	count = atoi(argv[2]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	events = epoll_create1(EPOLL_CLOEXEC);
	watch(STDIN_FILENO, false);
	for (unsigned i = 0; i < count; i++)
		listen_on(first + i);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int found = epoll_wait(events, ready, 256, -1);

		for (int i = 0; i < found; i++) {
			int fd = (int)(uint32_t)ready[i].data.u64;

			if (ready[i].data.u64 >> 32)
				accept_some(fd);
			else
				swallow(fd);
		}
	}
}
