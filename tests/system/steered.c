/* SPDX-License-Identifier: MIT
 *
 * Connects without bind, in several threads, as long as its standard input is open and once after, and looks at each socket whether kernel
 * mode gave it its port: it then has SO_REUSEADDR set, which stock Linux never does by itself. For what is done to the
 * hooks meanwhile, and must leave no gap.
 *
 *   steered           says "running" when the load runs, and at the end prints one line of JSON
 *
 *   {"connected": 16000, "failed": 0, "unsteered": 0}
 *
 * Connections are aborted, so that none is left in TIME_WAIT. The first one is not counted: while one processor reads the
 * ports of a network namespace that was not seen before, the others leave calls to the kernel.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SINK = 7001,
	SINKS = 4,
	THREADS = 3
};

static atomic_bool stop;
static atomic_ulong connected, failed, unsteered;

static bool was_steered(int fd)
{
	int reuse = 0;
	socklen_t size = sizeof(reuse);

	return getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &size) == 0 && reuse != 0;
}

static void connect_once(unsigned number)
{
	const struct linger reset = { .l_onoff = 1 };
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(SINK + number % SINKS)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		atomic_fetch_add(&connected, 1);
	else
		atomic_fetch_add(&failed, 1);
	if (!was_steered(fd))
		atomic_fetch_add(&unsteered, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void *work(void *unused)
{
	(void)unused;
	for (unsigned number = 0; !stop; number++)
		connect_once(number);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	connect_once(0);
	connected = failed = unsteered = 0;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	while (connected + failed < 200)
		poll(NULL, 0, 1);
	puts("running");
	fflush(stdout);
	while (getchar() != EOF)
		;
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	connect_once(0);
	printf("{\"connected\": %lu, \"failed\": %lu, \"unsteered\": %lu}\n", connected, failed, unsteered);
	return 0;
}
