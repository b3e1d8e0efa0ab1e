/* SPDX-License-Identifier: MIT
 *
 * Whether a port in TIME_WAIT can be bound again is decided by what its *first* socket did: it must have
 * set SO_REUSEADDR before its connection (before or after its bind), and so must the second. Whether the
 * same destination can then be reached again is decided by timestamps: with them the kernel takes the
 * waiting connection over at once, even with tcp_tw_reuse = 0; without them connect() gives EADDRNOTAVAIL.
 *
 * That is why supervise sets SO_REUSEADDR on the sockets it steers, and why its last rank (waiting) is
 * only tried where timestamps are in use.
 */
#include "tests/kernel/fact.h"

enum reuse {
	NEVER,
	BEFORE_BIND,
	AFTER_BIND
};

static const char *const reuse_names[] = { "never set", "set before bind", "set after bind, before connect" };

/* Leaves 127.0.0.1:port -> 127.0.0.1:5001 in TIME_WAIT. */
static void first_socket(int listener, unsigned port, enum reuse reuse)
{
	int fd = fact_socket();

	if (reuse == BEFORE_BIND)
		MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(-fact_bind(fd, port));
	if (reuse == AFTER_BIND)
		MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(-fact_connect(fd, 5001));
	fact_close_into_time_wait(fd, listener);
}

/* Binds port again; then, if that works, connects to the same destination. */
static void second_socket(int listener, unsigned port, bool reuse, int *ret_bind, int *ret_connect)
{
	int fd = fact_socket();

	if (reuse)
		MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	*ret_bind = fact_bind(fd, port);
	*ret_connect = *ret_bind ? -1 : fact_connect(fd, 5001);
	if (*ret_connect == 0)
		fact_close_into_time_wait(fd, listener);
	else
		close(fd);
}

int main(void)
{
	int listener, bound, connected;
	unsigned port = FACT_RANGE_FIRST;

	fact_enter_namespace();
	listener = fact_listener(5001);
	fact_sysctl("tcp_tw_reuse", "0");
	for (int timestamps = 1; timestamps >= 0; timestamps--) {
		fact_sysctl("tcp_timestamps", timestamps ? "1" : "0");
		for (enum reuse reuse = NEVER; reuse <= AFTER_BIND; reuse++, port += 2) {
			first_socket(listener, port, reuse);
			second_socket(listener, port, true, &bound, &connected);
			if (reuse == NEVER)
				FACT(bound == EADDRINUSE, "timestamps %d, first %s: bind: EADDRINUSE",
				     timestamps, reuse_names[reuse]);
			else if (timestamps)
				FACT(bound == 0 && connected == 0, "timestamps 1, first %s: taken over",
				     reuse_names[reuse]);
			else
				FACT(bound == 0 && connected == EADDRNOTAVAIL,
				     "timestamps 0, first %s: bind ok, connect: EADDRNOTAVAIL",
				     reuse_names[reuse]);
			first_socket(listener, port + 1, reuse);
			second_socket(listener, port + 1, false, &bound, &connected);
			FACT(bound == EADDRINUSE, "timestamps %d, first %s, second not: bind: EADDRINUSE",
			     timestamps, reuse_names[reuse]);
		}
	}
	return fact_done();
}
