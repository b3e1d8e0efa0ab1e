/* SPDX-License-Identifier: MIT
 *
 * IP_LOCAL_PORT_RANGE is silently ignored where it lies outside ip_local_port_range: connect() succeeds
 * from some port of the sysctl's range. Supervise must therefore choose within the sysctl range, re-read
 * when it changes. The kernel reads the sysctl at each connect(), not when the option is set.
 * ip_local_reserved_ports is heeded.
 */
#include "tests/kernel/fact.h"

int main(void)
{
	unsigned port;
	int fd;

	fact_enter_namespace();
	fact_listener(5001);
	fd = fact_socket();
	if (fact_set_range(fd, 41000))
		fact_cannot_ask("IP_LOCAL_PORT_RANGE (Linux 6.3)");
	FACT(fact_connect(fd, 5001) == 0, "one port above the sysctl range: connect() does not fail");
	port = fact_local_port(fd);
	FACT(port >= FACT_RANGE_FIRST && port <= FACT_RANGE_LAST, "but takes a port of the sysctl range");

	fd = fact_socket();
	fact_set_range(fd, FACT_RANGE_LAST);
	FACT(fact_connect(fd, 5001) == 0 && fact_local_port(fd) == FACT_RANGE_LAST,
	     "the last port of the sysctl range is inside");

	fd = fact_socket();
	fact_set_range(fd, 40100);
	fact_sysctl("ip_local_port_range", "42000 42999");
	FACT(fact_connect(fd, 5001) == 0 && fact_local_port(fd) >= 42000,
	     "the sysctl counts as it is when connect() is called");

	fact_sysctl("ip_local_reserved_ports", "42500");
	fd = fact_socket();
	fact_set_range(fd, 42500);
	FACT(fact_connect(fd, 5001) == EADDRNOTAVAIL, "a reserved port is refused, not ignored");
	return fact_done();
}
