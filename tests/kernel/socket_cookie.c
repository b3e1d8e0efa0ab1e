/* SPDX-License-Identifier: MIT
 *
 * SO_COOKIE names a socket for the life of the kernel: it is the same through every duplicate of the
 * descriptor and in every process, and no later socket gets it again. Supervise recognises by it, in its
 * own copy of a descriptor, the socket it has met before.
 */
#include <sys/syscall.h>

#include "tests/kernel/fact.h"

static uint64_t cookie(int fd)
{
	uint64_t value = 0;
	socklen_t length = sizeof(value);

	MUST(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &length));
	return value;
}

int main(void)
{
	enum {
		SOCKETS = 1000
	};
	uint64_t seen[SOCKETS];
	bool unique = true;
	int fd, copy;

	fact_enter_namespace();
	for (int i = 0; i < SOCKETS; i++) {
		fd = fact_socket();
		seen[i] = cookie(fd);
		for (int k = 0; k < i; k++)
			unique = unique && seen[k] != seen[i];
		close(fd);
	}
	FACT(unique, "%d sockets on one descriptor number: %d cookies", SOCKETS, SOCKETS);

	fd = fact_socket();
	copy = MUST(dup(fd));
	FACT(cookie(copy) == cookie(fd), "a duplicate has the same cookie");
	copy = (int)syscall(SYS_pidfd_getfd, MUST(syscall(SYS_pidfd_open, getpid(), 0)), fd, 0);
	if (copy < 0)
		fact_cannot_ask("pidfd_getfd");
	FACT(cookie(copy) == cookie(fd), "so has a copy by pidfd_getfd");
	return fact_done();
}
