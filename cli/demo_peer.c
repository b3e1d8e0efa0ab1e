/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo_peer.h"
#include "cli/demo_result.h"

#define EVENT_BATCH 64

socklen_t demo_loopback(unsigned family, unsigned port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	in6->sin6_addr = in6addr_loopback;
	return sizeof(*in6);
}

unsigned demo_port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
}

/* A listening socket, or a negative errno. */
static int listen_on(unsigned family, unsigned port)
{
	struct sockaddr_storage address;
	socklen_t length = demo_loopback(family, port, &address);
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, SOMAXCONN) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		close(fd);
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(epoll, fd);
}

static void echo_or_close(int fd)
{
	char buffer[64];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

static _Noreturn void serve(int epoll, const int *listeners, unsigned count)
{
	struct epoll_event events[EVENT_BATCH];

	for (unsigned i = 0; i < count; i++)
		watch(epoll, listeners[i]);
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENT_BATCH, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			bool is_listener = false;

			for (unsigned k = 0; k < count; k++)
				is_listener |= fd == listeners[k];
			if (is_listener)
				accept_all(epoll, fd);
			else
				echo_or_close(fd);
		}
	}
}

static int fork_server(const int *listeners, unsigned count, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int err = 0;

	if (epoll < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		serve(epoll, listeners, count);
	}
	if (pid < 0)
		err = -errno;
	else
		*ret_pid = pid;
	close(epoll);
	return err;
}

int demo_peer_start(unsigned family, unsigned destinations, pid_t *ret_pid)
{
	int listeners[DEMO_MAX_DESTINATION];
	unsigned count = 0;
	int err = 0;

	while (err == 0 && count < destinations) {
		int fd = listen_on(family, DEMO_SERVER_PORT + count);

		if (fd < 0)
			err = fd;
		else
			listeners[count++] = fd;
	}
	if (err == 0)
		err = fork_server(listeners, count, ret_pid);
	while (count > 0)
		close(listeners[--count]);
	return err;
}

void demo_peer_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
