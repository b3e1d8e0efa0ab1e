/* SPDX-License-Identifier: MIT
 *
 * What is left of a socket's port when its connect() has failed. Bound explicitly it keeps the port, and connects from
 * it when it is asked again. A port that connect() itself chose is given back: the socket can be bound anew.
 *
 * Kernel mode binds in the program's connect(), so its sockets are of the first kind where on stock Linux they are of
 * the second. The differential test leaves out exactly this.
 */
#include "tests/kernel/fact.h"

enum {
	NOBODY = 5099
};

int main(void)
{
	int bound, chosen;

	fact_enter_namespace();
	fact_listener(5001);
	bound = fact_socket();
	MUST(-fact_bind(bound, 40500));
	FACT(fact_connect(bound, NOBODY) == ECONNREFUSED && fact_local_port(bound) == 40500,
	     "bound explicitly: refused, and it has its port");
	FACT(fact_bind(bound, 0) == EINVAL, "another bind: EINVAL");
	FACT(fact_connect(bound, 5001) == 0 && fact_local_port(bound) == 40500, "connects from that port");

	chosen = fact_socket();
	FACT(fact_connect(chosen, NOBODY) == ECONNREFUSED, "not bound: refused");
	FACT(fact_bind(chosen, 40501) == 0 && fact_local_port(chosen) == 40501, "it can be bound");
	FACT(fact_connect(chosen, 5001) == 0, "and connects");
	return fact_done();
}
