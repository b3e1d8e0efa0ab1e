/* SPDX-License-Identifier: MIT
 *
 * A port that any socket is bound to or listens on is none for connect()'s own choice, whatever local address and
 * family that socket has. A port where another destination has a connection is. The view counts usable ports by this.
 */
#include "tests/kernel/fact.h"

/* A socket of that family bound to port at address; it listens if it is told to. */
static int hold(const char *address, unsigned port, bool listens)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is_v6 = inet_pton(AF_INET, address, &v4.sin_addr) != 1;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		fact_cannot_ask("IPv6");
	if (is_v6) {
		inet_pton(AF_INET6, address, &v6.sin6_addr);
		fact_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		MUST(bind(fd, (struct sockaddr *)&v6, sizeof(v6)));
	} else {
		MUST(bind(fd, (struct sockaddr *)&v4, sizeof(v4)));
	}
	if (listens)
		MUST(listen(fd, 1));
	return fd;
}

int main(void)
{
	static const char *const addresses[] = { "127.0.0.1", "127.0.0.9", "0.0.0.0", "::1" };
	int fd, other;

	fact_enter_namespace();
	fact_listener(5001);
	fact_listener(5002);
	fact_sysctl("ip_local_port_range", "40500 40500");
	for (unsigned i = 0; i < 8; i++) {
		other = hold(addresses[i / 2], 40500, i % 2);
		fd = fact_socket();
		FACT(fact_connect(fd, 5001) == EADDRNOTAVAIL, "%s is %s: EADDRNOTAVAIL", addresses[i / 2],
		     i % 2 ? "listened on" : "bound");
		close(fd);
		close(other);
	}
	other = fact_socket();
	MUST(-fact_connect(other, 5002));
	fd = fact_socket();
	FACT(fact_connect(fd, 5001) == 0 && fact_local_port(fd) == 40500,
	     "a connection from the port to another destination does not matter");
	return fact_done();
}
