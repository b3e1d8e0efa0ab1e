/* SPDX-License-Identifier: MIT
 *
 * connect()'s own choice of a port skips one that was bound explicitly, whatever the destination: while such a socket
 * lives, and as long as it is in TIME_WAIT. A port that connect() itself had chosen is not skipped, nor one whose
 * explicit owners have gone without TIME_WAIT: with lo = hi the choice is of one port, and shows what it does.
 *
 * A bind by eBPF is such an explicit bind. Therefore "leave it to the kernel" is no way out in kernel mode where our
 * own sockets and what they leave behind hold the range; and therefore programs outside the cgroup have fewer ports.
 */
#include "tests/kernel/fact.h"

static int listener;

static void end_with_reset(int fd)
{
	const struct linger reset = { .l_onoff = 1 };

	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	close(fd);
}

/* Whether the kernel takes this port for a connection to another destination. */
static bool is_skipped(unsigned port)
{
	int fd = fact_socket(), error;

	if (fact_set_range(fd, port))
		fact_cannot_ask("IP_LOCAL_PORT_RANGE (Linux 6.3)");
	error = fact_connect(fd, 5002);
	if (error && error != EADDRNOTAVAIL)
		MUST(-error);
	end_with_reset(fd);
	return error == EADDRNOTAVAIL;
}

static int connection(unsigned port, bool bound, bool reuse)
{
	int fd = fact_socket();

	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, reuse));
	MUST(-(bound ? fact_bind(fd, port) : fact_set_range(fd, port)));
	MUST(-fact_connect(fd, 5001));
	return fd;
}

static void while_it_lives(unsigned port, bool bound, bool reuse)
{
	int fd = connection(port, bound, reuse);
	const char *what = bound ? "bound explicitly" : "chosen by connect()";
	const char *with = reuse ? "with SO_REUSEADDR" : "without";

	FACT(is_skipped(port) == bound, "%s, %s, connected: %s", what, with, bound ? "skipped" : "taken");
	fact_close_into_time_wait(fd, listener);
	FACT(is_skipped(port) == bound, "%s, %s, in TIME_WAIT: %s", what, with, bound ? "skipped" : "taken");
}

static void when_it_has_gone(void)
{
	int first = connection(40021, true, true), second = fact_socket();

	MUST(fact_set(second, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(-fact_bind(second, 40021));
	end_with_reset(first);
	FACT(is_skipped(40021), "one of two explicit owners has gone: skipped");
	close(second);
	FACT(!is_skipped(40021), "both have gone, without TIME_WAIT: taken");
}

int main(void)
{
	fact_enter_namespace();
	listener = fact_listener(5001);
	fact_listener(5002);
	for (unsigned i = 0; i < 4; i++)
		while_it_lives(40001 + i, i & 1, i & 2);
	when_it_has_gone();
	return fact_done();
}
