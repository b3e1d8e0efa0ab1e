/* SPDX-License-Identifier: MIT
 *
 * Makes connections over loopback and closes them first, one after another, so that each is left in TIME_WAIT, in a known order.
 *
 *   close_first [-6] [-h] [-t] [-r RATE] [-l PORT] FIRST COUNT
 *
 * Both ends are here; the listener has port 7001, or PORT. The local ports are FIRST, FIRST + 1 ...; after PORTS of them they begin
 * anew, to the next address of the far end.
 *
 *   -6   IPv6; COUNT is then at most PORTS
 *   -h   the far end does not close: FIN_WAIT_2; on a line of input it closes, in the same order
 *   -t   the far end closes before this one lets go of the socket: the full socket goes through FIN_WAIT_2, and what
 *        is left is a TIME_WAIT from its first moment
 *   -r   no more than RATE a second
 *
 * Prints "done" when all are closed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS 20000u

static bool ipv6, half, orderly;
static unsigned listener_port = 7001;

static int check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static socklen_t name_end(struct sockaddr_storage *name, unsigned address, unsigned port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;
	struct sockaddr_in *in = (struct sockaddr_in *)name;

	memset(name, 0, sizeof(*name));
	if (ipv6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		in6->sin6_addr = in6addr_loopback;
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	in->sin_addr.s_addr = htonl(address);
	return sizeof(*in);
}

static int new_socket(unsigned address, unsigned port)
{
	struct sockaddr_storage name;
	socklen_t length = name_end(&name, address, port);
	int fd = check(socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0), "socket"), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(fd, (struct sockaddr *)&name, length), "bind");
	return fd;
}

/* Returns the far end's descriptor, which is open with -h only. */
static int one(int listener, unsigned address, unsigned port)
{
	struct sockaddr_storage to;
	socklen_t length = name_end(&to, address, listener_port);
	int client = new_socket(INADDR_LOOPBACK, port), server;
	char byte;

	check(connect(client, (struct sockaddr *)&to, length), "connect");
	server = check(accept(listener, NULL, NULL), "accept");
	if (orderly) {
		shutdown(client, SHUT_WR);
		close(server);
		check((int)read(client, &byte, 1), "read");
	}
	close(client);
	if (!half && !orderly)
		close(server);
	return server;
}

static void pace(unsigned done, unsigned rate, const struct timespec *start)
{
	struct timespec until = *start;

	until.tv_sec += done / rate;
	until.tv_nsec += (long)(done % rate * 1000000000ull / rate);
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct timespec start;
	unsigned first, count, rate = 0;
	int option, listener, server, servers = 0; /* with -h they follow each other */

	while ((option = getopt(argc, argv, "6htr:l:")) != -1) {
		ipv6 |= option == '6';
		half |= option == 'h';
		orderly |= option == 't';
		if (option == 'r')
			rate = (unsigned)strtoul(optarg, NULL, 10);
		if (option == 'l')
			listener_port = (unsigned)strtoul(optarg, NULL, 10);
	}
	if (argc - optind != 2) {
		fputs("usage: close_first [-6] [-h] [-t] [-r RATE] [-l PORT] FIRST COUNT\n", stderr);
		return 2;
	}
	first = (unsigned)strtoul(argv[optind], NULL, 10);
	count = (unsigned)strtoul(argv[optind + 1], NULL, 10);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	listener = new_socket(INADDR_ANY, listener_port);
	check(listen(listener, 128), "listen");
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < count; i++) {
		server = one(listener, INADDR_LOOPBACK + i / PORTS, first + i % PORTS);
		servers = i == 0 ? server : servers;
		if (rate)
			pace(i + 1, rate, &start);
	}
	puts("done");
	fflush(stdout);
	if (half && getchar() != '\n')
		return 1;
	for (unsigned i = 0; half && i < count; i++)
		close(servers + (int)i);
	return 0;
}
