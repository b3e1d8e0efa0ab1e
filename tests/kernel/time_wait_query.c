/* SPDX-License-Identifier: MIT
 *
 * A connection in TIME_WAIT can be asked for exactly: one sock_diag request with the 4-tuple and without
 * NLM_F_DUMP is one look-up in the kernel's hash, needs no privilege, and says how long the connection
 * still waits: idiag_timer is 3 and idiag_expires counts milliseconds. Supervise asks so before it trusts
 * what it remembers of a port.
 */
#include "tests/kernel/fact.h"

int main(void)
{
	struct inet_diag_msg message;
	int listener, fd;
	unsigned port;

	fact_enter_namespace();
	listener = fact_listener(5001);
	fd = fact_socket();
	MUST(-fact_connect(fd, 5001));
	port = fact_local_port(fd);
	FACT(fact_query(port, 5001, &message) && message.idiag_state == FACT_TCP_ESTABLISHED,
	     "a live connection is found, ESTABLISHED");
	fact_close_into_time_wait(fd, listener);
	FACT(fact_query(port, 5001, &message) && message.idiag_state == FACT_TCP_TIME_WAIT,
	     "then in TIME_WAIT");
	FACT(message.idiag_timer == 3, "idiag_timer is 3");
	FACT(message.idiag_expires > 50000 && message.idiag_expires <= 60000,
	     "idiag_expires is what remains of 60 s in milliseconds (%u)", message.idiag_expires);
	FACT(message.idiag_uid == 0 && message.idiag_inode == 0, "it belongs to nobody: uid and inode are 0");
	FACT(!fact_query(port, 5002, &message), "another destination from the same port: not found");
	return fact_done();
}
