/* SPDX-License-Identifier: MIT
 *
 * Who may share a port that is bound explicitly. The kernel asks each owner of the port as it is now: all must have
 * SO_REUSEADDR set, whenever they set it, and none may listen; then a socket that has it too is let in, also
 * when owners are connected or in TIME_WAIT. One owner without it refuses everybody on the same address, and so does
 * an owner on any address; an owner on another address does not count.
 *
 * Kernel mode leans on this twice: `shared` binds to a port whose owners are all of this kind, and it sets SO_REUSEADDR
 * on a socket that was bound before, so that nobody is refused because of it for a minute after it has gone.
 */
#include "tests/kernel/fact.h"

static int listener;

static int owner(const char *address, unsigned port, bool reuse)
{
	struct sockaddr_in at = fact_loopback(port);
	int fd = fact_socket();

	inet_pton(AF_INET, address, &at.sin_addr);
	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, reuse));
	MUST(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

/* 0 or the errno with which the next socket is refused on 127.0.0.1:port. */
static int next_one(unsigned port)
{
	int fd = fact_socket(), error;

	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	error = fact_bind(fd, port);
	close(fd);
	return error;
}

static void owners_that_share(void)
{
	int connected, waiting, later;

	owner("127.0.0.1", 40001, true);
	FACT(next_one(40001) == 0, "an owner that is only bound shares");
	connected = owner("127.0.0.1", 40002, true);
	MUST(-fact_connect(connected, 5001));
	MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	FACT(next_one(40002) == 0, "an owner that is connected shares");
	waiting = owner("127.0.0.1", 40003, true);
	MUST(-fact_connect(waiting, 5001));
	fact_close_into_time_wait(waiting, listener);
	FACT(next_one(40003) == 0, "an owner in TIME_WAIT shares");
	later = owner("127.0.0.1", 40004, false);
	FACT(next_one(40004) == EADDRINUSE, "an owner without SO_REUSEADDR does not");
	MUST(fact_set(later, SOL_SOCKET, SO_REUSEADDR, 1));
	FACT(next_one(40004) == 0, "it shares once it has set it");
	MUST(-fact_connect(later, 5001));
	fact_close_into_time_wait(later, listener);
	FACT(next_one(40004) == 0, "so does its TIME_WAIT");
}

static void owners_that_do_not(void)
{
	int unlike, first, listening;

	first = owner("127.0.0.1", 40011, true);
	unlike = owner("127.0.0.1", 40011, true);
	MUST(fact_set(unlike, SOL_SOCKET, SO_REUSEADDR, 0));
	FACT(next_one(40011) == EADDRINUSE, "one of two owners that took it back refuses");
	close(unlike);
	FACT(next_one(40011) == 0, "when that one has gone the other shares");
	close(first);
	listening = owner("127.0.0.1", 40012, true);
	MUST(listen(listening, 1));
	FACT(next_one(40012) == EADDRINUSE, "an owner that listens refuses");
	owner("0.0.0.0", 40013, false);
	FACT(next_one(40013) == EADDRINUSE, "an owner on any address refuses");
	owner("127.0.0.2", 40014, false);
	FACT(next_one(40014) == 0, "an owner on another address does not");
}

int main(void)
{
	fact_enter_namespace();
	listener = fact_listener(5001);
	owners_that_share();
	owners_that_do_not();
	return fact_done();
}
