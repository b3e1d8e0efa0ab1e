/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/differential/slot.h"

void op_bind(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	enum host host = host_for(slot, choice->a);
	unsigned port = choice->b % 8 < 5 ? 0 : first_port + choice->b % EXPLICIT_PORTS;
	int family = choice->c % 16 == 0 ? AF_INET : slot->family;
	socklen_t length;
	int result;

	if (slot->family == AF_UNIX) {
		length = choice->b % 4 == 0 ? sizeof(sa_family_t) : unix_address(&address, choice->b % 6);
		address.ss_family = AF_UNIX;
		result = bind(slot->fd, (struct sockaddr *)&address, length);
		printf("bind unix name %u length %u -> %s\n", choice->b % 6, length, outcome(result));
		return;
	}
	length = inet_address(&address, family, host, port);
	if (choice->c % 32 == 1)
		length = 12;
	else if (choice->c % 32 == 2)
		length = sizeof(address);
	else if (choice->c % 32 == 3)
		address.ss_family = AF_UNSPEC;
	result = bind(slot->fd, choice->c % 64 == 5 ? (void *)8 : (void *)&address, length);
	if (result == 0)
		slot->bound = true;
	printf("bind family %d %s port %u length %u variant %u -> %s\n", family, host_names[host], port,
	       length, choice->c % 64, outcome(result));
}

/* A socket has a name also when a connection that failed has let go of its port, which anybody may have now. */
static bool holds_port(const struct slot *slot)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return slot->bound || getpeername(slot->fd, (struct sockaddr *)&peer, &length) == 0;
}

/* bind to the address and port that another slot has: whether it may share them is a matter of SO_REUSEADDR and
 * SO_REUSEPORT of both. Only within a family, as in the other one a third socket may have the port. */
void op_bind_like(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	struct slot *other = &slots[choice->other];
	socklen_t length = sizeof(address);
	int result;

	if (slot->family == AF_UNIX || slot->family != other->family || slot->type != other->type ||
	    !holds_port(other)) {
		printf("bind like %u, no pair -> ok\n", choice->other);
		return;
	}
	getsockname(other->fd, (struct sockaddr *)&address, &length);
	result = bind(slot->fd, (struct sockaddr *)&address, length);
	printf("bind like %u -> %s\n", choice->other, outcome(result));
}

void op_listen(struct slot *slot, const struct choice *choice)
{
	int result = listen(slot->fd, 16 + (int)(choice->a % 16));

	if (result == 0)
		slot->listens = slot->bound = true;
	printf("listen -> %s\n", outcome(result));
}
