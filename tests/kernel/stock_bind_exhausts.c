/* SPDX-License-Identifier: MIT
 *
 * What README.md says of stock Linux: a program that asks for any port by bind(addr, 0) and then connects
 * gets EADDRINUSE after one range of connections, whatever their destinations and with SO_REUSEADDR or
 * without, while four destinations would have room for four ranges. Should a kernel ever do better, Berth's
 * documentation is wrong and this says so.
 */
#include "tests/kernel/fact.h"

enum {
	PORTS = 100,
	DESTINATIONS = 4
};

/* Opens connections round robin to the destinations until bind() refuses; closes them again. */
static int connections_before_refusal(bool reuse, int *ret_error)
{
	int fds[PORTS * DESTINATIONS], count = 0, error = 0;

	while (count < PORTS * DESTINATIONS && !error) {
		int fd = fact_socket();

		if (reuse)
			MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
		error = fact_bind(fd, 0);
		if (!error)
			MUST(-fact_connect(fd, 5001 + count % DESTINATIONS));
		fds[count++] = fd;
	}
	for (int i = 0; i < count; i++) {
		struct linger abort = { .l_onoff = 1 };

		MUST(setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)));
		close(fds[i]);
	}
	*ret_error = error;
	return count - !!error;
}

int main(void)
{
	int error, count;

	fact_enter_namespace();
	fact_sysctl("ip_local_port_range", "40000 40099");
	for (unsigned i = 0; i < DESTINATIONS; i++)
		fact_listener(5001 + i);
	for (int reuse = 0; reuse <= 1; reuse++) {
		count = connections_before_refusal(reuse, &error);
		FACT(count == PORTS && error == EADDRINUSE,
		     "%s SO_REUSEADDR: EADDRINUSE after %d connections to %d destinations from %d ports",
		     reuse ? "with" : "without", count, DESTINATIONS, PORTS);
	}
	return fact_done();
}
