/* SPDX-License-Identifier: MIT
 *
 * IP_LOCAL_PORT_RANGE with lo = hi makes connect() try exactly one port, under the kernel's own atomic
 * check that the 4-tuple is free. A refusal (EADDRNOTAVAIL) leaves the socket as it was, so the same
 * descriptor can be tried with another port. Writing 0 takes the option back.
 *
 * This is how supervise steers a connect(): it never has to be right about a port, only the kernel has.
 */
#include "tests/kernel/fact.h"

int main(void)
{
	int first, second, third;
	uint32_t range = 1;
	socklen_t length = sizeof(range);

	fact_enter_namespace();
	fact_listener(5001);
	fact_listener(5002);
	first = fact_socket();
	if (fact_set_range(first, 40500))
		fact_cannot_ask("IP_LOCAL_PORT_RANGE (Linux 6.3)");
	FACT(fact_connect(first, 5001) == 0 && fact_local_port(first) == 40500,
	     "lo = hi: that port is taken");

	second = fact_socket();
	fact_set_range(second, 40500);
	FACT(fact_connect(second, 5001) == EADDRNOTAVAIL, "the same tuple again: EADDRNOTAVAIL");
	FACT(fact_local_port(second) == 0, "the refused socket has no port");
	fact_set_range(second, 40501);
	FACT(fact_connect(second, 5001) == 0 && fact_local_port(second) == 40501,
	     "the refused descriptor connects from another port");

	third = fact_socket();
	fact_set_range(third, 40500);
	FACT(fact_connect(third, 5002) == 0 && fact_local_port(third) == 40500,
	     "the same port to another destination: ok");
	FACT(fact_set_range(third, 0) == 0 &&
		     getsockopt(third, SOL_IP, IP_LOCAL_PORT_RANGE, &range, &length) == 0 && range == 0,
	     "writing 0 takes the option back");
	return fact_done();
}
