/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/differential/slot.h"

/* Lets go of a slot. A connection to an own listener is closed from this side first, and both sides wait. */
static void release(struct slot *slot, bool reset)
{
	struct linger linger = { .l_onoff = 1 };
	struct pollfd gone = { .events = POLLIN };
	char byte;

	if (slot->fd >= 0 && slot->type == SOCK_STREAM && slot->family != AF_UNIX) {
		if (reset) {
			setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		} else if (slot->peer >= 0) {
			shutdown(slot->fd, SHUT_WR);
			gone.fd = slot->peer;
			poll(&gone, 1, LONG_ENOUGH);
			close(slot->peer);
			slot->peer = -1;
			gone.fd = slot->fd;
			poll(&gone, 1, LONG_ENOUGH);
		} else if (shutdown(slot->fd, SHUT_WR) == 0 && !slot->listens) {
			gone.fd = slot->fd;
			while (poll(&gone, 1, LONG_ENOUGH) == 1 && recv(slot->fd, &byte, 1, MSG_DONTWAIT) > 0)
				;
		}
	}
	if (slot->fd >= 0)
		close(slot->fd);
	if (slot->peer >= 0) {
		gone.fd = slot->peer;
		poll(&gone, 1, LONG_ENOUGH);
		close(slot->peer);
	}
	*slot = (struct slot){ .fd = -1, .peer = -1 };
}

void op_socket(struct slot *slot, const struct choice *choice)
{
	static const int families[] = { AF_INET, AF_INET6, AF_INET, AF_INET6, AF_UNIX };
	static const char *const names[] = { "IPv4", "IPv6", "IPv4", "IPv6", "unix" };
	bool nonblocking = choice->b % 3 == 0, datagram = choice->c % 8 == 0;
	int fd;

	release(slot, choice->c & 1);
	slot->family = families[choice->a % 5];
	slot->type = datagram ? SOCK_DGRAM : SOCK_STREAM;
	fd = socket(slot->family, slot->type | (nonblocking ? SOCK_NONBLOCK : 0), 0);
	printf("socket %s%s%s -> %s\n", names[choice->a % 5], datagram ? " datagram" : "",
	       nonblocking ? " nonblocking" : "", outcome(fd));
	/* a number that only this slot has, so that EBADF is never another slot's socket */
	slot->fd = dup2(fd, 100 + (int)(slot - slots));
	close(fd);
}

void op_set(struct slot *slot, const struct choice *choice)
{
	int value = choice->b % 4 != 0, result;
	unsigned range_first = 33000 + seed % 200 * 100;

	switch (choice->a % 6) {
	case 0:
		result = setsockopt(slot->fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
		printf("set SO_REUSEADDR %d -> %s\n", value, outcome(result));
		break;
	case 1:
		result = setsockopt(slot->fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
		printf("set SO_REUSEPORT %d -> %s\n", value, outcome(result));
		break;
	case 2:
		result = setsockopt(slot->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &value, sizeof(value));
		printf("set IP_BIND_ADDRESS_NO_PORT %d -> %s\n", value, outcome(result));
		break;
	case 3:
		value = value ? (int)((range_first + 99) << 16 | range_first) : 0;
		result = setsockopt(slot->fd, SOL_IP, IP_LOCAL_PORT_RANGE, &value, sizeof(value));
		printf("set IP_LOCAL_PORT_RANGE %#x -> %s\n", value, outcome(result));
		break;
	case 4:
		result = setsockopt(slot->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", value ? 3 : 0);
		printf("set SO_BINDTODEVICE %d -> %s\n", value, outcome(result));
		break;
	default:
		result = setsockopt(slot->fd, SOL_IPV6, IPV6_V6ONLY, &value, sizeof(value));
		printf("set IPV6_V6ONLY %d -> %s\n", value, outcome(result));
	}
}

/* The slot goes on with a duplicate; what is known of the socket must not hang on the number. */
void op_dup(struct slot *slot, const struct choice *choice)
{
	int fd = dup(slot->fd);

	(void)choice;
	printf("dup -> %s\n", outcome(fd));
	if (fd < 0)
		return;
	close(slot->fd);
	dup2(fd, 100 + (int)(slot - slots));
	close(fd);
}

void op_close(struct slot *slot, const struct choice *choice)
{
	release(slot, choice->a & 1);
	printf("close %s -> ok\n", choice->a & 1 ? "with a reset" : "in order");
}

void op_nonblocking(struct slot *slot, const struct choice *choice)
{
	int result = fcntl(slot->fd, F_SETFL, choice->a & 1 ? O_NONBLOCK : 0);

	printf("fcntl nonblocking %u -> %s\n", choice->a & 1, outcome(result));
}
