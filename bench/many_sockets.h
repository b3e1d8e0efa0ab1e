/* SPDX-License-Identifier: MIT
 *
 * A network namespace with 100,000 sockets in it, for what must not cost more with many sockets on the host. Whatever
 * fails ends the program.
 */
#ifndef BERTH_BENCH_MANY_SOCKETS_H
#define BERTH_BENCH_MANY_SOCKETS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HOLDERS = 4,
	HELD = 12500, /* by each holder, and as many wait in the queue of the listener */
};

static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_name, what, strerror(errno));
	exit(1);
}

static inline int check(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static inline struct sockaddr_in loopback(unsigned last_byte, unsigned port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last_byte),
	};

	return address;
}

static inline void write_file(const char *path, const char *text)
{
	int fd = check(open(path, O_WRONLY | O_CLOEXEC), path);

	check((int)write(fd, text, strlen(text)), path);
	close(fd);
}

static inline void enter_namespace(void)
{
	unsigned uid = getuid();
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	char map[32];
	int fd;

	check(unshare(CLONE_NEWNET | (uid ? CLONE_NEWUSER : 0)), "unshare");
	if (uid) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
	}
	fd = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	check(ioctl(fd, SIOCSIFFLAGS, &lo), "lo");
	close(fd);
	write_file("/proc/sys/net/core/somaxconn", "65535");
}

/* Holds connections to an address of its own, which nobody accepts, until its parent is gone. */
static inline void hold(unsigned number, unsigned port, int ready)
{
	struct sockaddr_in address = loopback(2 + number, port);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	struct rlimit files;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	check(listen(listener, 65535), "listen");
	for (int i = 0; i < HELD; i++) {
		int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

		check(connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	}
	check((int)write(ready, "", 1), "write");
	for (;;)
		pause();
}

static inline void fill_host(unsigned port)
{
	int ready[2];
	char byte;

	check(pipe2(ready, O_CLOEXEC), "pipe");
	for (unsigned i = 0; i < HOLDERS; i++)
		if (check(fork(), "fork") == 0)
			hold(i, port, ready[1]);
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
