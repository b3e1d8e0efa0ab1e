/* SPDX-License-Identifier: MIT
 *
 * A network namespace with up to 100,000 sockets in it, for what must not cost more with many sockets on the host. Whatever
 * fails ends the program.
 */
#ifndef BERTH_BENCH_MANY_SOCKETS_H
#define BERTH_BENCH_MANY_SOCKETS_H

#include "bench/bench.h"

enum {
	HOLDERS = 4,
	HELD = 12500, /* by each holder, at most, and as many wait in the queue of the listener */
};

/* Holds connections to an address of its own, which nobody accepts, until its parent is gone. */
static inline void hold_many(unsigned number, unsigned port, unsigned count, int ready)
{
	struct sockaddr_in address = loopback(2 + number, port);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	check(listen(listener, 65535), "listen");
	for (unsigned i = 0; i < count; i++) {
		int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

		check(connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	}
	check((int)write(ready, "", 1), "write");
	for (;;)
		pause();
}

/* With `held` connections in each of HOLDERS processes, to ports from `port` on. */
static inline void fill_host(unsigned port, unsigned held)
{
	int ready[2];
	char byte;

	check(pipe2(ready, O_CLOEXEC), "pipe");
	for (unsigned i = 0; i < HOLDERS; i++)
		if (fork_child(SIGKILL) == 0)
			hold_many(i, port, held, ready[1]);
	close(ready[1]);
	for (unsigned i = 0; i < HOLDERS; i++) {
		if (read(ready[0], &byte, 1) != 1) {
			fprintf(stderr, "%s: the many sockets could not be made\n", program_invocation_name);
			exit(1);
		}
	}
	close(ready[0]);
}

#endif
