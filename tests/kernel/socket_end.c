/* SPDX-License-Identifier: MIT
 *
 * Tracepoint tcp:tcp_destroy_sock shows the end of every TCP socket, once, with its local port, also where it has given the
 * port back before: of one that was only bound, or listened; at the close() of one whose connection had ended; and when it
 * goes to FIN_WAIT_2 or TIME_WAIT after close(), of which another little structure is left. It is never within connect(). The
 * two addresses and the far port are there, too, if it was connected and has not been disconnected (reset_forgets.c).
 *
 * Kernel mode takes its marks off there, and learns what has become free (bpf/berth.bpf.c, `ended`).
 */
#include "tests/kernel/trace.h"

static unsigned far_port;
static int listener;
static const char *address = "::ffff:127.0.0.1"; /* of both sides */
/* Each end that was shown of the socket that is followed, a line "sport dport saddr daddr"; "-" where dport is 0. */
static char ends[1024];

static void follow(int fd)
{
	trace_event("tcp/tcp_destroy_sock", "sock_cookie == %llu", (unsigned long long)trace_cookie(fd));
	trace_read();
	ends[0] = '\0';
}

static void read_ends(void)
{
	char *line, *rest = trace_read(), saddr[64], daddr[64];

	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *fields = strstr(line, "tcp_destroy_sock: ");
		size_t length = strlen(ends);
		unsigned sport, dport;

		if (!fields ||
		    sscanf(fields, "%*s %*s sport=%u dport=%u saddr=%*s daddr=%*s saddrv6=%63s daddrv6=%63s",
			   &sport, &dport, saddr, daddr) != 4)
			continue;
		snprintf(ends + length, sizeof(ends) - length, "%u %u %s %s\n", sport, dport,
			 dport ? saddr : "-", dport ? daddr : "-");
	}
}

static bool lives(void)
{
	read_ends();
	if (ends[0])
		printf("seen:\n%s", ends);
	return !ends[0];
}

/* Exactly once since follow(). The end of a connection is the work of a softirq, and may be on another CPU. */
static bool has_ended(unsigned sport, unsigned dport)
{
	char wanted[128];

	for (int tries = 0; tries < 1000 && !ends[0]; tries++) {
		if (tries)
			poll(NULL, 0, 1);
		read_ends();
	}
	snprintf(wanted, sizeof(wanted), "%u %u %s %s\n", sport, dport, dport ? address : "-",
		 dport ? address : "-");
	if (strcmp(ends, wanted) == 0)
		return true;
	printf("wanted:\n%sseen:\n%s", wanted, ends);
	return false;
}

static int bound(unsigned port)
{
	int fd = fact_socket();

	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(-fact_bind(fd, port));
	follow(fd);
	return fd;
}

static int peer_of(int fd)
{
	MUST(-fact_connect(fd, far_port));
	return MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static void reset_by(int peer)
{
	struct linger at_once = { .l_onoff = 1 };

	MUST(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(peer);
}

static void never_connected(void)
{
	int fd = bound(40500);

	FACT(lives(), "bound: not yet");
	close(fd);
	FACT(has_ended(40500, 0), "bound only: at its close()");
	fd = bound(40501);
	MUST(listen(fd, 1));
	close(fd);
	FACT(has_ended(40501, 0), "listened: at its close()");
	fd = bound(40502);
	peer_of(fd);
	fd = bound(40502);
	FACT(fact_connect(fd, far_port) == EADDRNOTAVAIL && lives(), "connect() fails, no port: not yet");
	close(fd);
	FACT(has_ended(40502, 0), "at its close(), without a destination");
}

static void ended_by_the_far_end(unsigned port)
{
	const char *whose = port ? "its own port" : "the kernel's";
	struct pollfd ends_now = { 0 };
	int fd = port ? bound(port) : fact_socket();
	int peer;

	follow(fd);
	peer = peer_of(fd);
	port = fact_local_port(fd);
	FACT(lives(), "%s: not within connect()", whose);
	reset_by(peer);
	ends_now.fd = fd;
	MUST(poll(&ends_now, 1, 1000));
	FACT((ends_now.revents & POLLHUP) && lives(), "%s: nor when the far end resets the connection",
	     whose);
	close(fd);
	FACT(has_ended(port, far_port), "%s: at its close(), with port and destination", whose);
}

static void closed_first(void)
{
	struct inet_diag_msg message;
	int fd = bound(40510), peer = peer_of(fd);

	FACT(lives(), "connected: not yet");
	close(fd);
	FACT(has_ended(40510, far_port), "closed first: when the far end has acknowledged that");
	FACT(fact_query(40510, far_port, &message) && message.idiag_state == FACT_TCP_FIN_WAIT2,
	     "the rest is in FIN_WAIT_2");
	close(peer);
	fd = bound(40511);
	MUST(-fact_connect(fd, far_port));
	MUST(shutdown(fd, SHUT_WR));
	/* The socket itself stays open. */
	fact_close_into_time_wait(dup(fd), listener);
	FACT(lives(), "shut down, and the rest is in TIME_WAIT: not before close()");
	close(fd);
	FACT(has_ended(40511, far_port), "at its close()");
}

static void closed_second(void)
{
	int fd = bound(40520), peer = peer_of(fd);
	char byte;

	close(peer);
	MUST(read(fd, &byte, 1));
	FACT(lives(), "the far end has closed: not yet");
	close(fd);
	FACT(has_ended(40520, far_port), "closed second");
}

static void accepted(void)
{
	int fd = fact_socket(), peer = peer_of(fd);
	unsigned port = fact_local_port(fd);

	follow(peer);
	reset_by(fd);
	FACT(lives(), "accepted, and reset: not yet");
	close(peer);
	FACT(has_ended(far_port, port), "accepted: at its close()");
}

static void over_ipv6(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_port = htons(far_port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int passive = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	unsigned port;

	if (passive < 0)
		fact_cannot_ask("IPv6");
	MUST(bind(passive, (struct sockaddr *)&to, sizeof(to)));
	MUST(listen(passive, 1));
	fd = MUST(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	follow(fd);
	address = "::1";
	MUST(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	port = fact_local_port(fd);
	FACT(lives(), "IPv6: not within connect()");
	close(fd);
	FACT(has_ended(port, far_port), "IPv6: after close()");
}

int main(void)
{
	fact_enter_namespace();
	far_port = trace_far_port();
	listener = fact_listener(far_port);
	trace_begin();
	never_connected();
	ended_by_the_far_end(40505);
	ended_by_the_far_end(0);
	closed_first();
	closed_second();
	accepted();
	over_ipv6();
	return fact_done();
}
