/* SPDX-License-Identifier: MIT
 *
 * A socket that is bound and neither connected nor listening is in no dump of sock_diag unless the state
 * TCP_BOUND_INACTIVE (6.8) is asked for by name, and then says of itself that it is TCP_CLOSE. Supervise finds
 * the ports so that other programs hold by an explicit bind.
 */
#include "tests/kernel/fact.h"

int main(void)
{
	struct inet_diag_msg message;
	int bound, lazy;

	fact_enter_namespace();
	bound = fact_socket();
	MUST(-fact_bind(bound, 40500));
	FACT(fact_dump(1 << FACT_TCP_BOUND_INACTIVE, 40500, &message) == 1 &&
		     message.idiag_state == FACT_TCP_CLOSE,
	     "TCP_BOUND_INACTIVE lists a bound socket");
	FACT(fact_dump(~(1u << FACT_TCP_BOUND_INACTIVE), 40500, &message) == 0, "no other state does");

	lazy = fact_socket();
	MUST(fact_set(lazy, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	MUST(-fact_bind(lazy, 0));
	FACT(fact_dump(~0u, 0, &message) == 0, "a lazily bound socket, without a port, is in no list");
	return fact_done();
}
