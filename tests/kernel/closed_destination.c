/* SPDX-License-Identifier: MIT
 *
 * What a bound socket in CLOSE still has of a connect(): one that failed for want of a port, of an IPv4 socket, leaves the
 * destination's address without its port; one that was ever made, refused or not, leaves a sequence number. A socket that was
 * bound and never connected has none of them. (The number is read by TCP_REPAIR; it is 0 once in 2^32.)
 *
 * Kernel mode tells by it who may be about to connect (bpf/bind_table.h, may_begin()). Not to be seen from here, as the
 * socket is locked meanwhile: that port, address and SYN_SENT are set in this order.
 */
#include "tests/kernel/fact.h"

#include <netinet/tcp.h>

enum {
	FAR = 5001,
	NOBODY = 5099,
};

static int listener;

static int bound(unsigned port)
{
	int fd = fact_socket();

	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(-fact_bind(fd, port));
	return fd;
}

/* As sock_diag has it, of the one socket in CLOSE on the port. */
static bool has_destination(unsigned port, uint32_t address, unsigned far_port)
{
	struct inet_diag_msg message;

	if (fact_dump(1 << FACT_TCP_BOUND_INACTIVE, port, &message) != 1) {
		printf("port %u: not one socket in CLOSE\n", port);
		return false;
	}
	if (message.id.idiag_dst[0] == htonl(address) && message.id.idiag_dport == htons(far_port))
		return true;
	printf("destination: %08x:%u\n", ntohl(message.id.idiag_dst[0]), ntohs(message.id.idiag_dport));
	return false;
}

/* tp->write_seq. Changes SO_REUSEADDR of the socket. */
static unsigned sequence(int fd)
{
	unsigned value;
	socklen_t length = sizeof(value);

	if (fact_set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON))
		fact_cannot_ask("TCP_REPAIR");
	MUST(fact_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE));
	MUST(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &value, &length));
	MUST(fact_set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP));
	return value;
}

static void never_connected(void)
{
	int fd = bound(40500);

	FACT(has_destination(40500, 0, 0), "bound only: no address, no port");
	FACT(sequence(fd) == 0, "bound only: no sequence number");
}

static void no_port(void)
{
	int first = bound(40501), second = bound(40501);

	MUST(-fact_connect(first, FAR));
	MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	FACT(fact_connect(second, FAR) == EADDRNOTAVAIL, "the connection exists: EADDRNOTAVAIL");
	FACT(has_destination(40501, INADDR_LOOPBACK, 0), "the address stays, its port does not");
	FACT(sequence(second) == 0, "no sequence number");
}

static void refused(void)
{
	int fd = bound(40502);

	FACT(fact_connect(fd, NOBODY) == ECONNREFUSED, "refused");
	FACT(has_destination(40502, INADDR_LOOPBACK, 0), "the address stays, its port does not");
	FACT(sequence(fd) != 0, "refused: a sequence number");
}

/* Both ends of the address stay, so it is the sequence number that tells this one from a socket that begins. */
static void reset(void)
{
	struct linger at_once = { .l_onoff = 1 };
	struct pollfd ended = { .fd = bound(40503) };
	int peer;

	MUST(-fact_connect(ended.fd, FAR));
	peer = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	MUST(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(peer);
	MUST(poll(&ended, 1, 1000));
	FACT(has_destination(40503, INADDR_LOOPBACK, FAR), "reset by the far end: address and port stay");
	FACT(sequence(ended.fd) != 0, "reset: a sequence number");
}

static void disconnected(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int fd = bound(40504);

	MUST(-fact_connect(fd, FAR));
	MUST(connect(fd, &nobody, sizeof(nobody)));
	FACT(sequence(fd) != 0, "disconnected: a sequence number");
}

int main(void)
{
	fact_enter_namespace();
	listener = fact_listener(FAR);
	never_connected();
	no_port();
	refused();
	reset();
	disconnected();
	return fact_done();
}
