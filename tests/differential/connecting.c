/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/differential/slot.h"

/* Waits for the end of a connection that has begun; returns "ok" or its error. */
static const char *finish_connect(struct slot *slot)
{
	struct pollfd ready = { .fd = slot->fd, .events = POLLOUT };
	int error = 0;
	socklen_t length = sizeof(error);

	if (poll(&ready, 1, 5000) != 1)
		return "hangs";
	getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error ? strerrorname_np(error) : "ok";
}

/* Takes the connection that slot has made to an own listener out of its queue; the two must agree on its
 * name. */
static const char *accept_peer(struct slot *slot, struct slot *listener)
{
	struct sockaddr_storage name, peer;
	socklen_t name_length = sizeof(name), peer_length = sizeof(peer);
	struct pollfd ready = { .fd = listener->fd, .events = POLLIN };
	int fd;

	if (poll(&ready, 1, LONG_ENOUGH) != 1)
		return "nothing to accept";
	fd = accept(listener->fd, (struct sockaddr *)&peer, &peer_length);
	if (fd < 0)
		return strerrorname_np(errno);
	if (slot->peer >= 0)
		close(slot->peer);
	slot->peer = dup2(fd, 200 + (int)(slot - slots));
	close(fd);
	getsockname(slot->fd, (struct sockaddr *)&name, &name_length);
	return port_in(&name) == port_in(&peer) ? "accepted" : "accepted from another port";
}

static void connect_and_show(struct slot *slot, const struct sockaddr_storage *address, socklen_t length,
			     struct slot *listener)
{
	int flags = fcntl(slot->fd, F_GETFL), result, error;

	slot->bound = false;
	result = connect(slot->fd, (const struct sockaddr *)address, length);
	error = errno;
	printf("-> %s", outcome(result));
	if (result < 0 && error == EINPROGRESS) {
		const char *end = finish_connect(slot);

		printf(" then %s", end);
		result = strcmp(end, "ok") == 0 ? 0 : -1;
	}
	if (fcntl(slot->fd, F_GETFL) != flags)
		printf(" FLAGS CHANGED");
	if (result == 0 && listener && slot->type == SOCK_STREAM)
		printf(" %s", accept_peer(slot, listener));
	putchar('\n');
}

void op_connect(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	/* not FOREIGN, and on even slots not WILDCARD, which an IPv6 socket takes for ::1 */
	enum host host = host_for(slot, choice->a % ((slot - slots) % 2 ? 7 : 5));
	unsigned port = choice->b % 8 == 0 ? NOBODY : SINK + choice->b % 4;
	socklen_t length;

	if (slot->family == AF_UNIX) {
		length = unix_address(&address, choice->b % 6);
		printf("connect unix name %u length %u ", choice->b % 6, length);
	} else if (choice->c % 16 == 0) {
		length = sizeof(address.ss_family) + 14 * (choice->c % 32 == 0);
		memset(&address, 0, sizeof(address));
		printf("connect to AF_UNSPEC length %u ", length);
		slot->port = 0;
	} else {
		length = inet_address(&address, choice->c % 16 == 1 ? AF_INET : slot->family, host, port);
		/* of a datagram it hangs on cgroup programs of the host whether this leaves the socket with a port */
		if (choice->c % 32 == 2 && slot->type == SOCK_STREAM)
			length = 8;
		printf("connect %s port %u length %u ", host_names[host], port, length);
	}
	connect_and_show(slot, &address, length, NULL);
}

/* connect to a socket of this program that listens */
void op_connect_own(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	struct slot *listener = &slots[choice->other];
	socklen_t length = sizeof(address);
	unsigned port;

	if (slot->family == AF_UNIX || listener->family == AF_UNIX || !listener->listens ||
	    slot == listener || slot->type != SOCK_STREAM) {
		printf("connect to %u, no pair -> ok\n", choice->other);
		return;
	}
	getsockname(listener->fd, (struct sockaddr *)&address, &length);
	port = port_in(&address);
	length = inet_address(&address, slot->family, host_for(slot, 0), port);
	printf("connect to %u ", choice->other);
	connect_and_show(slot, &address, length, listener);
}

/* The sink closes when it sees the end; an own peer does not. */
static void wait_until_closed(struct slot *slot)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	for (int tries = 0; tries < 2000 && slot->peer < 0; tries++) {
		if (getsockopt(slot->fd, SOL_TCP, TCP_INFO, &info, &length) || info.tcpi_state == TCP_CLOSE)
			return;
		poll(NULL, 0, 1);
	}
}

void op_shutdown(struct slot *slot, const struct choice *choice)
{
	int result = shutdown(slot->fd, (int)(choice->a % 3));

	printf("shutdown %u -> %s\n", choice->a % 3, outcome(result));
	if (result == 0 && choice->a % 3 != SHUT_RD && !slot->listens)
		wait_until_closed(slot);
	if (result == 0)
		slot->listens = slot->bound = false;
}
