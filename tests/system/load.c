/* SPDX-License-Identifier: MIT
 *
 * A load in which no call may fail, to run while the supervisor is killed. Threads bind, ask for their name,
 * connect (half of them without blocking), listen and close, in a loop; a process forked from one of them
 * does the same. Beside it, sockets that were bound before the load began wait. Connections are aborted, so
 * that none is left in TIME_WAIT: the range must not run out, or stock Linux would refuse a call by right.
 *
 *   load STATUS       says "running" when the load runs; on a line of input stops it, settles the waiting
 *                     sockets, prints "calls N" and exits with STATUS
 *
 * A call that failed is printed, and the exit status is then 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SINK = 7001,
	SINKS = 4,
	THREADS = 3,
	WAITING = 4
};

static atomic_bool stop;
static atomic_ulong calls;

static int check(int result, const char *call)
{
	if (result < 0) {
		printf("%s failed: %s\n", call, strerrorname_np(errno));
		fflush(stdout);
		_exit(1);
	}
	atomic_fetch_add(&calls, 1);
	return result;
}
#define CHECK(call) check(call, #call)

static unsigned port_of(int fd)
{
	struct sockaddr_in name = { 0 };
	socklen_t length = sizeof(name);

	CHECK(getsockname(fd, (struct sockaddr *)&name, &length));
	return ntohs(name.sin_port);
}

static void expect(bool holds, const char *what)
{
	if (!holds) {
		printf("%s\n", what);
		fflush(stdout);
		_exit(1);
	}
}

static int bound_socket(int flags)
{
	struct sockaddr_in any_port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = CHECK(socket(AF_INET, SOCK_STREAM | flags, 0));

	CHECK(bind(fd, (struct sockaddr *)&any_port, sizeof(any_port)));
	return fd;
}

static void connect_socket(int fd, unsigned number, bool nonblocking)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int result, error = 0;
	socklen_t length = sizeof(error);

	to.sin_port = htons(SINK + number % SINKS);
	result = connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (result < 0 && errno == EINPROGRESS && nonblocking) {
		expect(poll(&ready, 1, 10000) == 1, "a connection in progress never came to an end");
		CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
		errno = error;
		result = error ? -1 : 0;
	}
	check(result, nonblocking ? "non-blocking connect" : "connect");
	expect(port_of(fd) != 0, "getsockname() of a connection gave port 0");
}

static void abort_connection(int fd)
{
	struct linger reset = { .l_onoff = 1 };

	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	CHECK(close(fd));
}

static void one_round(unsigned number, bool nonblocking)
{
	int fd = bound_socket(nonblocking ? SOCK_NONBLOCK : 0);
	unsigned port;

	if (number % 5 == 0) {
		port = port_of(fd);
		expect(port != 0, "getsockname() after bind() gave port 0");
		CHECK(listen(fd, 5));
		expect(port_of(fd) == port, "listen() changed the port");
	} else {
		port = number % 3 == 0 ? port_of(fd) : 0;
		connect_socket(fd, number, nonblocking);
		expect(!port || port_of(fd) == port, "connect() changed the port that getsockname() gave");
	}
	abort_connection(fd);
}

static void *work(void *thread)
{
	bool nonblocking = (uintptr_t)thread & 1;

	for (unsigned number = (uintptr_t)thread; !stop; number++)
		one_round(number, nonblocking);
	return NULL;
}

/* Starts a process with the same load, which the parent kills; it goes with the parent too. */
static pid_t fork_worker(void)
{
	pid_t pid = CHECK(fork());

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work(NULL);
	}
	return pid;
}

/* What was put off before the supervisor died must still come out right. */
static void settle(int *waiting)
{
	unsigned port;

	port = port_of(waiting[0]);
	expect(port != 0, "getsockname() of a socket bound before gave port 0");
	connect_socket(waiting[0], 0, false);
	expect(port_of(waiting[0]) == port, "connect() changed the port of a socket bound before");
	CHECK(listen(waiting[1], 5));
	expect(port_of(waiting[1]) != 0, "listen() on a socket bound before left port 0");
	connect_socket(waiting[2], 1, false);
	connect_socket(waiting[3], 2, true);
}

int main(int argc, char **argv)
{
	int waiting[WAITING], status;
	pthread_t threads[THREADS];
	pid_t child;

	if (argc != 2) {
		fputs("usage: load STATUS\n", stderr);
		return 2;
	}
	for (int i = 0; i < WAITING; i++)
		waiting[i] = bound_socket(i == 3 ? SOCK_NONBLOCK : 0);
	child = fork_worker();
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	while (calls < 200)
		poll(NULL, 0, 1);
	puts("running");
	fflush(stdout);
	getchar();
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	settle(waiting);
	expect(waitpid(child, &status, WNOHANG) == 0, "a call of the forked process failed");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	printf("calls %lu\n", calls);
	return atoi(argv[1]);
}
