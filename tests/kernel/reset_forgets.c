/* SPDX-License-Identifier: MIT
 *
 * A socket that is disconnected (tcp_disconnect(): close() with SO_LINGER 0, connect() to AF_UNSPEC, and the kernel itself when
 * a blocking connect() has failed) has no destination any more when its end is shown (socket_end.c). If the connection stood,
 * tcp:tcp_send_reset was shown before, of the socket in CLOSE, with both ends still there. Of a connect() that was refused
 * nothing tells the destination afterwards.
 *
 * Kernel mode learns from these resets what has become free (bpf/berth.bpf.c, `reset`).
 */
#include "tests/kernel/trace.h"

static unsigned far_port;
static int listener;

static void follow(int fd)
{
	trace_event("tcp/tcp_destroy_sock", "sock_cookie == %llu", (unsigned long long)trace_cookie(fd));
	trace_read();
}

/* The resets that were sent from the port to the far port, and the ends of the socket that is followed, as they came. */
static void read_events(unsigned port, char *ret_text, size_t size)
{
	char *line, *rest = trace_read(), state[32];
	unsigned sport, dport;
	size_t length = 0;

	ret_text[0] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *end = strstr(line, "tcp_destroy_sock: "), *reset = strstr(line, " src=");

		if (end && sscanf(end, "%*s %*s sport=%u dport=%u", &sport, &dport) == 2)
			length += (size_t)snprintf(ret_text + length, size - length, "end %u %u\n", sport,
						   dport);
		else if (reset &&
			 sscanf(reset, " src=127.0.0.1:%u dest=127.0.0.1:%u state=TCP_%31s", &sport, &dport,
				state) == 3 &&
			 sport == port && dport == far_port)
			length += (size_t)snprintf(ret_text + length, size - length, "reset %u %u %s\n",
						   sport, dport, state);
	}
}

/* Whether this is what was shown since, and nothing else. */
static bool shown(unsigned port, bool reset, bool end, unsigned end_dport)
{
	char wanted[128] = "", seen[1024];
	size_t length = 0;

	if (reset)
		length = (size_t)snprintf(wanted, sizeof(wanted), "reset %u %u CLOSE\n", port, far_port);
	if (end)
		snprintf(wanted + length, sizeof(wanted) - length, "end %u %u\n", port, end_dport);
	read_events(port, seen, sizeof(seen));
	if (strcmp(seen, wanted) == 0)
		return true;
	printf("wanted:\n%sseen:\n%s", wanted, seen);
	return false;
}

/* Bound to the port, or to none if 0. */
static int connected(unsigned port, int *ret_peer)
{
	int fd = fact_socket();

	if (port)
		MUST(-fact_bind(fd, port));
	follow(fd);
	MUST(-fact_connect(fd, far_port));
	*ret_peer = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	return fd;
}

static void closed_at_once(unsigned bind_port)
{
	struct linger at_once = { .l_onoff = 1 };
	int peer, fd = connected(bind_port, &peer);
	unsigned port = fact_local_port(fd);

	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	FACT(shown(port, false, false, 0), "connected: nothing yet");
	close(fd);
	FACT(shown(port, true, true, 0),
	     "SO_LINGER 0, port %s: the reset tells the destination, then the end does not",
	     bind_port ? "of its own" : "chosen by the kernel");
	close(peer);
}

static void disconnected(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int peer, fd = connected(40610, &peer);

	MUST(connect(fd, &nobody, sizeof(nobody)));
	FACT(shown(40610, true, false, 0), "connect() to AF_UNSPEC: the reset");
	close(fd);
	FACT(shown(40610, false, true, 0), "its end without the destination");
	close(peer);
}

static void closed_with_data_unread(void)
{
	struct pollfd readable = { .events = POLLIN };
	int peer, fd = connected(40620, &peer);

	MUST(write(peer, "x", 1));
	readable.fd = fd;
	MUST(poll(&readable, 1, 1000));
	close(fd);
	FACT(shown(40620, true, true, far_port),
	     "closed with data unread: reset and end tell the destination");
	close(peer);
}

static void refused(void)
{
	int fd = fact_socket();

	MUST(-fact_bind(fd, 40630));
	follow(fd);
	close(listener);
	FACT(fact_connect(fd, far_port) == ECONNREFUSED && shown(40630, false, false, 0),
	     "refused: nobody resets");
	close(fd);
	FACT(shown(40630, false, true, 0), "and its end is without the destination");
}

int main(void)
{
	fact_enter_namespace();
	far_port = trace_far_port();
	listener = fact_listener(far_port);
	trace_begin();
	trace_event("tcp/tcp_send_reset", "state == %d", FACT_TCP_CLOSE);
	closed_at_once(40600);
	closed_at_once(0);
	disconnected();
	closed_with_data_unread();
	refused();
	return fact_done();
}
