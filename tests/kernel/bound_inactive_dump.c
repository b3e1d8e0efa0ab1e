/* SPDX-License-Identifier: MIT
 *
 * A socket that is bound and neither connected nor listening is in no dump of sock_diag unless the state
 * TCP_BOUND_INACTIVE (6.8) is asked for by name, and then says of itself that it is TCP_CLOSE. Supervise finds
 * the ports so that other programs hold by an explicit bind.
 */
#include "tests/kernel/fact.h"

#include <netinet/tcp.h>

/* Counts the closed sockets of this namespace on local port that a dump of these states lists. */
static int count_in_dump(uint32_t states, unsigned port)
{
	char buffer[16384];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;
	struct mnl_socket *netlink = mnl_socket_open(NETLINK_SOCK_DIAG);
	int count = 0, length;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = states;
	if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(netlink, header, header->nlmsg_len) < 0)
		fact_cannot_ask("sock_diag");
	while ((length = (int)mnl_socket_recvfrom(netlink, buffer, sizeof(buffer))) > 0) {
		for (header = (void *)buffer; mnl_nlmsg_ok(header, length);
		     header = mnl_nlmsg_next(header, &length)) {
			struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

			if (header->nlmsg_type == NLMSG_DONE) {
				mnl_socket_close(netlink);
				return count;
			}
			count += header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
				 ntohs(message->id.idiag_sport) == port && message->idiag_state == TCP_CLOSE;
		}
	}
	mnl_socket_close(netlink);
	return -1;
}

int main(void)
{
	int bound, lazy;

	fact_enter_namespace();
	bound = fact_socket();
	MUST(-fact_bind(bound, 40500));
	FACT(count_in_dump(1 << FACT_TCP_BOUND_INACTIVE, 40500) == 1,
	     "TCP_BOUND_INACTIVE lists a bound socket");
	FACT(count_in_dump(~(1u << FACT_TCP_BOUND_INACTIVE), 40500) == 0, "no other state does");

	lazy = fact_socket();
	MUST(fact_set(lazy, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	MUST(-fact_bind(lazy, 0));
	FACT(count_in_dump(~0u, 0) == 0, "a lazily bound socket, without a port, is in no list");
	return fact_done();
}
