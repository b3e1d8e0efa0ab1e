/* SPDX-License-Identifier: MIT
 *
 * The port selection of connect() refuses a port that a live socket has bound explicitly, for every
 * destination and whatever SO_REUSEADDR says. On such a port supervise has to bind explicitly too, which
 * succeeds when both sockets set SO_REUSEADDR.
 */
#include "tests/kernel/fact.h"

int main(void)
{
	int holder, ranged, binder;

	fact_enter_namespace();
	fact_listener(5001);
	fact_listener(5002);
	holder = fact_socket();
	fact_set(holder, SOL_SOCKET, SO_REUSEADDR, 1);
	FACT(fact_bind(holder, 40500) == 0 && fact_connect(holder, 5001) == 0,
	     "a socket binds 40500 explicitly and connects to one destination");

	ranged = fact_socket();
	fact_set(ranged, SOL_SOCKET, SO_REUSEADDR, 1);
	if (fact_set_range(ranged, 40500))
		fact_cannot_ask("IP_LOCAL_PORT_RANGE (Linux 6.3)");
	FACT(fact_connect(ranged, 5002) == EADDRNOTAVAIL,
	     "lo = hi = 40500 to another destination: EADDRNOTAVAIL");

	binder = fact_socket();
	fact_set(binder, SOL_SOCKET, SO_REUSEADDR, 1);
	FACT(fact_bind(binder, 40500) == 0 && fact_connect(binder, 5002) == 0,
	     "an explicit bind shares it when both set SO_REUSEADDR");
	return fact_done();
}
