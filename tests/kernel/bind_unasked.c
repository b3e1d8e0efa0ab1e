/* SPDX-License-Identifier: MIT
 *
 * When a bind to a port with many owners asks none of them. With SO_REUSEADDR alone each is asked (bind_shares.c), and none
 * has been touched for long where ports are many. With SO_REUSEPORT as well the kernel asks nobody, if the last one to bind had it too,
 * was the same user's and bound to the same address (sk_reuseport_match()); whether that one and the others still have it, or
 * still share, is not looked at. Whoever binds without it ends that, until the next one that has it.
 *
 * Kernel mode sets SO_REUSEPORT for the instant of a bind to a port that is shared (bpf/give.h).
 */
#include "tests/kernel/fact.h"

#include <sys/wait.h>

#define PORT	   40001
#define OTHER_USER 65534

static int bind_to_any(bool reuse_port, unsigned port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = fact_socket(), error = 0;

	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEPORT, reuse_port));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		error = errno;
	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEPORT, 0));
	return error ? -error : fd;
}

/* 0, or the errno with which the next one is refused. It does not stay. */
static int next_one(bool reuse_port)
{
	int fd = bind_to_any(reuse_port, PORT);

	if (fd < 0)
		return -fd;
	close(fd);
	return 0;
}

static int next_one_of_another_user(void)
{
	pid_t child = fork();
	int status;

	MUST(child);
	if (child == 0)
		_exit(setuid(OTHER_USER) < 0 ? 255 : next_one(true));
	MUST(waitpid(child, &status, 0));
	return WEXITSTATUS(status);
}

int main(void)
{
	int first, second;

	fact_enter_namespace();
	first = bind_to_any(false, PORT);
	MUST(first);
	MUST(fact_set(first, SOL_SOCKET, SO_REUSEADDR, 0));
	FACT(next_one(true) == EADDRINUSE, "the first to come with SO_REUSEPORT has an owner asked");
	MUST(fact_set(first, SOL_SOCKET, SO_REUSEADDR, 1));
	second = bind_to_any(true, PORT);
	FACT(second >= 0, "and is let in if that one shares");
	MUST(fact_set(first, SOL_SOCKET, SO_REUSEADDR, 0));
	FACT(next_one(true) == 0, "the next one with SO_REUSEPORT has nobody asked");
	FACT(next_one(true) == 0, "nor has the one after");
	if (geteuid() == 0)
		FACT(next_one_of_another_user() == EADDRINUSE, "another user's has");
	FACT(next_one(false) == EADDRINUSE, "so has one without SO_REUSEPORT");
	FACT(next_one(true) == 0, "which is refused, and changes nothing");
	MUST(fact_set(first, SOL_SOCKET, SO_REUSEADDR, 1));
	FACT(next_one(false) == 0, "if it is let in");
	MUST(fact_set(first, SOL_SOCKET, SO_REUSEADDR, 0));
	FACT(next_one(true) == EADDRINUSE, "the next one has owners asked again");
	return fact_done();
}
