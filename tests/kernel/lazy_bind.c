/* SPDX-License-Identifier: MIT
 *
 * bind(addr, 0) under IP_BIND_ADDRESS_NO_PORT sets the address and leaves the port open. After that the
 * choice can be made by another bind(), by listen() or by connect(), also when the option has been taken
 * back in between. A bind() that has set a port is final. This is lazy binding: supervise answers the
 * program's bind(addr, 0) so, and chooses when the destination is known.
 */
#include "tests/kernel/fact.h"

static bool in_range(unsigned port)
{
	return port >= FACT_RANGE_FIRST && port <= FACT_RANGE_LAST;
}

static int lazily_bound(void)
{
	int fd = fact_socket();

	MUST(fact_set(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	MUST(-fact_bind(fd, 0));
	return fd;
}

int main(void)
{
	struct sockaddr_in local;
	socklen_t length = sizeof(local);
	int fd;

	fact_enter_namespace();
	fact_listener(5001);
	fd = lazily_bound();
	MUST(getsockname(fd, (struct sockaddr *)&local, &length));
	FACT(local.sin_port == 0 && local.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	     "the address is set, the port is 0");
	FACT(fact_bind(fd, 40500) == 0 && fact_local_port(fd) == 40500,
	     "then bind(addr, port) sets the port");
	FACT(fact_bind(fd, 40501) == EINVAL, "a bind() that has set a port is final: EINVAL");

	fd = lazily_bound();
	fact_set(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0);
	FACT(fact_local_port(fd) == 0, "taking the option back does not choose a port");
	FACT(fact_connect(fd, 5001) == 0 && in_range(fact_local_port(fd)), "then connect() chooses");

	fd = lazily_bound();
	fact_set(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0);
	FACT(fact_bind(fd, 0) == 0 && in_range(fact_local_port(fd)), "or bind(addr, 0) chooses");

	fd = lazily_bound();
	FACT(listen(fd, 1) == 0 && in_range(fact_local_port(fd)), "or listen() chooses");

	fd = lazily_bound();
	if (fact_set_range(fd, 40600))
		fact_cannot_ask("IP_LOCAL_PORT_RANGE (Linux 6.3)");
	FACT(fact_connect(fd, 5001) == 0 && fact_local_port(fd) == 40600,
	     "or connect() in a range of one port");
	return fact_done();
}
