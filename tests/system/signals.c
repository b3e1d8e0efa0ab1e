/* SPDX-License-Identifier: MIT
 *
 * Connects in a loop while SIGALRM arrives every millisecond: "signals restart" with SA_RESTART, where no call
 * may fail; "signals interrupt" without, where EINTR is the only failure there may be. Of connect() that is as
 * on stock Linux, and the connection goes on by itself. That bind() or getsockname() gives it is the price of
 * seccomp notification: a signal that comes before the supervisor has taken the notification ends the call
 * (seccomp_do_user_notification() in kernel/seccomp.c). The call is then made again.
 *
 * Prints "connections N signals N interrupted N", the last without connect()'s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	CONNECTIONS = 3000,
	SINK = 7001,
	SINKS = 4
};

static volatile sig_atomic_t signals;
static int interrupted;

static void count(int number)
{
	(void)number;
	signals++;
}

static int failed(const char *call)
{
	printf("%s: %s\n", call, strerrorname_np(errno));
	return 1;
}

/* After EINTR the connection is being made all the same (connect(2)). */
static int wait_for_connection(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t length = sizeof(error);

	while (poll(&ready, 1, 5000) < 0 && errno == EINTR)
		;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	errno = error;
	return error ? -1 : 0;
}

/* Whether the call was interrupted and is to be made again. */
static bool again(int result)
{
	interrupted += result < 0 && errno == EINTR;
	return result < 0 && errno == EINTR;
}

int main(int argc, char **argv)
{
	bool restart = argc == 2 && strcmp(argv[1], "restart") == 0;
	struct sigaction action = { .sa_handler = count, .sa_flags = restart ? SA_RESTART : 0 };
	struct itimerval every = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger reset = { .l_onoff = 1 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < CONNECTIONS; i++) {
		socklen_t length = sizeof(address);
		int fd = socket(AF_INET, SOCK_STREAM, 0), result;

		address.sin_port = 0;
		do
			result = bind(fd, (struct sockaddr *)&address, sizeof(address));
		while (again(result));
		if (result)
			return failed("bind");
		address.sin_port = htons(SINK + i % SINKS);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
		    (restart || errno != EINTR || wait_for_connection(fd)))
			return failed("connect");
		do
			result = getsockname(fd, (struct sockaddr *)&address, &length);
		while (again(result));
		if (result)
			return failed("getsockname");
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	printf("connections %d signals %d interrupted %d\n", CONNECTIONS, (int)signals, interrupted);
	return 0;
}
