/* SPDX-License-Identifier: MIT
 *
 * IP_LOCAL_PORT_RANGE (an option of SOL_IP) steers AF_INET6 sockets as well, towards IPv6 destinations
 * and towards IPv4 ones in their mapped form; and a mapped connection is the same 4-tuple as a plain one.
 */
#include "tests/kernel/fact.h"

static int connect6(int fd, const char *address, unsigned port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, address, &to.sin6_addr);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? errno : 0;
}

int main(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(5006) };
	int listener, fd, plain;

	fact_enter_namespace();
	fact_listener(5001);
	listener = socket(AF_INET6, SOCK_STREAM, 0);
	if (listener < 0)
		fact_cannot_ask("IPv6");
	MUST(bind(listener, (struct sockaddr *)&any, sizeof(any)));
	MUST(listen(listener, 16));

	fd = MUST(socket(AF_INET6, SOCK_STREAM, 0));
	if (fact_set_range(fd, 40500))
		fact_cannot_ask("IP_LOCAL_PORT_RANGE (Linux 6.3)");
	FACT(connect6(fd, "::1", 5006) == 0 && fact_local_port(fd) == 40500, "to ::1 from the one port");
	fd = MUST(socket(AF_INET6, SOCK_STREAM, 0));
	fact_set_range(fd, 40500);
	FACT(connect6(fd, "::1", 5006) == EADDRNOTAVAIL, "the same IPv6 tuple again: EADDRNOTAVAIL");
	FACT(connect6(fd, "::ffff:127.0.0.1", 5001) == 0 && fact_local_port(fd) == 40500,
	     "to a mapped IPv4 address from the same port");
	plain = fact_socket();
	fact_set_range(plain, 40500);
	FACT(fact_connect(plain, 5001) == EADDRNOTAVAIL, "an AF_INET socket finds that tuple taken");
	return fact_done();
}
