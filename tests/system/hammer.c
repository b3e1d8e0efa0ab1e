/* SPDX-License-Identifier: MIT
 *
 * Several processes that connect without bind, at once and as fast as they can, to one of a few destinations, hold some
 * connections and close the others. Prints as one line of JSON how many calls succeeded and how many failed:
 *
 *   hammer PROCESSES CONNECTIONS DESTINATIONS HELD
 *
 *   {"connected": 16000, "failed": 0}
 *
 * Each process has at most HELD connections open: the oldest is closed, with a reset, so that no TIME_WAIT is left.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_DESTINATION 7001

struct tally {
	unsigned connected, failed;
};

static void hammer(struct tally *tally, unsigned connections, unsigned destinations, unsigned held)
{
	const struct linger reset = { .l_onoff = 1 };
	int *sockets = calloc(held, sizeof(*sockets));

	for (unsigned i = 0; i < connections; i++) {
		struct sockaddr_in to = {
			.sin_family = AF_INET,
			.sin_port = htons((uint16_t)(FIRST_DESTINATION + i % destinations)),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i >= held)
			close(sockets[i % held]);
		if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
			__atomic_add_fetch(&tally->connected, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&tally->failed, 1, __ATOMIC_RELAXED);
		sockets[i % held] = fd;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct tally *tally =
		mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (argc != 5 || tally == MAP_FAILED) {
		fputs("usage: hammer PROCESSES CONNECTIONS DESTINATIONS HELD\n", stderr);
		return 2;
	}
	for (int i = 0; i < atoi(argv[1]); i++)
		if (fork() == 0)
			hammer(tally, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]),
			       (unsigned)atoi(argv[4]));
	while (wait(NULL) > 0)
		;
	printf("{\"connected\": %u, \"failed\": %u}\n", tally->connected, tally->failed);
	return 0;
}
