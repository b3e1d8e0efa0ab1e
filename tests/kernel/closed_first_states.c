/* SPDX-License-Identifier: MIT
 *
 * The entry into TIME_WAIT has no event. What tracepoint sock:inet_sock_set_state shows of a socket that closes first is the
 * end of the full socket: to FIN_WAIT1, and at last from FIN_WAIT2 to CLOSE, or from CLOSING to CLOSE where both sides close
 * at a time; never TIME_WAIT. If the far end has not closed yet, that is when it acknowledges our FIN, and the TIME_WAIT that
 * comes later is not shown at all. A socket that closes second goes from LAST_ACK to CLOSE.
 *
 * Kernel mode learns from it which connections leave a TIME_WAIT behind (bpf/closed.h).
 */
#include "tests/kernel/trace.h"

static int listener;
static unsigned far_port;

/* What was shown since, one change a line: "sport OLD NEW". */
static void read_states(char *ret_text, size_t size)
{
	char *line, *rest = trace_read();
	size_t length = strlen(ret_text);

	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *fields = strstr(line, "sport=");
		char before[32], now[32];
		unsigned sport;

		if (fields &&
		    sscanf(fields, "sport=%u %*s %*s %*s %*s %*s oldstate=TCP_%31s newstate=TCP_%31s", &sport,
			   before, now) == 3)
			length += (size_t)snprintf(ret_text + length, size - length, "%u %s %s\n", sport,
						   before, now);
	}
}

/* Waits until the last of these changes is shown, and says whether there were no others. */
static bool shown(unsigned port, const char *const *changes, size_t count)
{
	char seen[4096] = "", wanted[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += (size_t)snprintf(wanted + length, sizeof(wanted) - length, "%u %s\n", port,
					   changes[i]);
	for (int tries = 0; tries < 1000 && strlen(seen) < length; tries++) {
		if (tries)
			poll(NULL, 0, 1);
		read_states(seen, sizeof(seen));
	}
	read_states(seen, sizeof(seen));
	if (strcmp(seen, wanted) == 0)
		return true;
	printf("wanted:\n%sseen:\n%s", wanted, seen);
	return false;
}

#define SHOWN(port, ...)                                  \
	shown(port, (const char *const[]){ __VA_ARGS__ }, \
	      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static int connected(unsigned port, int *ret_peer)
{
	int fd = fact_socket();

	MUST(-fact_bind(fd, port));
	MUST(-fact_connect(fd, far_port));
	*ret_peer = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	trace_read();
	return fd;
}

static bool is_in(unsigned port, unsigned state)
{
	struct inet_diag_msg message;

	return fact_query(port, far_port, &message) && message.idiag_state == state;
}

static bool comes_to(unsigned port, unsigned state)
{
	for (int tries = 0; tries < 1000; tries++) {
		if (is_in(port, state))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void closed_first(void)
{
	int peer, fd = connected(40600, &peer);
	char none[64] = "";

	close(fd);
	FACT(SHOWN(40600, "ESTABLISHED FIN_WAIT1", "FIN_WAIT1 FIN_WAIT2", "FIN_WAIT2 CLOSE"),
	     "closed first: FIN_WAIT2 to CLOSE");
	FACT(is_in(40600, FACT_TCP_FIN_WAIT2),
	     "the rest is in FIN_WAIT_2, as the far end has not closed yet");
	close(peer);
	FACT(comes_to(40600, FACT_TCP_TIME_WAIT), "then in TIME_WAIT");
	read_states(none, sizeof(none));
	FACT(none[0] == '\0', "of which nothing is shown");
}

static void shut_down_first(void)
{
	int peer, fd = connected(40601, &peer);

	MUST(shutdown(fd, SHUT_WR));
	FACT(SHOWN(40601, "ESTABLISHED FIN_WAIT1", "FIN_WAIT1 FIN_WAIT2"), "shut down: FIN_WAIT2");
	close(peer);
	FACT(SHOWN(40601, "FIN_WAIT2 CLOSE"), "when the far end closes: FIN_WAIT2 to CLOSE");
	FACT(comes_to(40601, FACT_TCP_TIME_WAIT), "the rest is in TIME_WAIT");
	close(fd);
}

/* Our FIN waits behind data that the far end does not take, until its own is here. */
static void closed_at_a_time(void)
{
	static char data[65536];
	int peer, fd = connected(40602, &peer);

	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	while (write(fd, data, sizeof(data)) > 0)
		;
	MUST(shutdown(fd, SHUT_WR));
	MUST(shutdown(peer, SHUT_WR));
	FACT(SHOWN(40602, "ESTABLISHED FIN_WAIT1", "FIN_WAIT1 CLOSING"), "both at a time: CLOSING");
	while (read(peer, data, sizeof(data)) > 0)
		;
	FACT(SHOWN(40602, "CLOSING CLOSE"), "CLOSING to CLOSE");
	FACT(comes_to(40602, FACT_TCP_TIME_WAIT), "the rest is in TIME_WAIT");
	close(fd);
	close(peer);
}

static void closed_second(void)
{
	int peer, fd = connected(40603, &peer);
	char byte;

	close(peer);
	MUST(read(fd, &byte, 1));
	close(fd);
	FACT(SHOWN(40603, "ESTABLISHED CLOSE_WAIT", "CLOSE_WAIT LAST_ACK", "LAST_ACK CLOSE"),
	     "closed second: LAST_ACK to CLOSE");
	FACT(!is_in(40603, FACT_TCP_TIME_WAIT), "no TIME_WAIT on this side");
}

int main(void)
{
	fact_enter_namespace();
	far_port = trace_far_port();
	listener = fact_listener(far_port);
	trace_begin();
	/* Only the clients' side. */
	trace_event("sock/inet_sock_set_state", "protocol == %d && dport == %u", IPPROTO_TCP, far_port);
	closed_first();
	shut_down_first();
	closed_at_a_time();
	closed_second();
	return fact_done();
}
