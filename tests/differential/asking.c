/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/differential/slot.h"

enum {
	EPHEMERAL_FIRST = 32768,
	EPHEMERAL_LAST = 60999
};

static void show_name(const struct sockaddr_storage *name, socklen_t length, struct slot *slot)
{
	char text[INET6_ADDRSTRLEN] = "unix";
	unsigned port = port_in(name);

	if (name->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)name)->sin_addr, text, sizeof(text));
	else if (name->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)name)->sin6_addr, text, sizeof(text));
	printf("length %u %s ", length, text);
	if (port < EPHEMERAL_FIRST || port > EPHEMERAL_LAST)
		printf("port %u\n", port);
	else
		printf("port ephemeral%s\n", slot && slot->port && slot->port != port ? "-changed" : "");
	if (slot)
		slot->port = port;
}

void op_getsockname(struct slot *slot, const struct choice *choice)
{
	static const socklen_t lengths[] = { sizeof(struct sockaddr_storage), 28, 16, 4, 0 };
	struct sockaddr_storage name = { 0 };
	socklen_t length = lengths[choice->a % 16 < 12 ? 0 : choice->a % 5];
	bool whole = length >= 8, bad = choice->b % 32 == 0;
	int result = getsockname(slot->fd, bad ? (void *)8 : (void *)&name, &length);

	if (result < 0 || !whole) {
		printf("getsockname%s -> %s length %u\n", bad ? " bad" : "", outcome(result), length);
		return;
	}
	printf("getsockname -> ");
	show_name(&name, length, slot);
}

void op_getpeername(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage name = { 0 };
	socklen_t length = sizeof(name);

	(void)choice;
	printf("getpeername -> ");
	if (getpeername(slot->fd, (struct sockaddr *)&name, &length))
		puts(strerrorname_np(errno));
	else
		show_name(&name, length, NULL);
}

/* Everything that can be asked of a socket but SO_REUSEADDR, which Berth may set. */
void op_get(struct slot *slot, const struct choice *choice)
{
	static const struct {
		int level, name;
	} options[] = {
		{ SOL_SOCKET, SO_REUSEPORT },	 { SOL_IP, IP_BIND_ADDRESS_NO_PORT },
		{ SOL_IP, IP_LOCAL_PORT_RANGE }, { SOL_SOCKET, SO_BINDTOIFINDEX },
		{ SOL_SOCKET, SO_ERROR },	 { SOL_SOCKET, SO_ACCEPTCONN },
		{ SOL_SOCKET, SO_TYPE },	 { SOL_SOCKET, SO_PROTOCOL },
	};
	(void)choice;
	printf("get -> flags %#x", fcntl(slot->fd, F_GETFL));
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = 0;
		socklen_t length = sizeof(value);
		int result = getsockopt(slot->fd, options[i].level, options[i].name, &value, &length);

		printf(result < 0 ? " %s" : " %.0s%#x", outcome(result), value);
	}
	putchar('\n');
}
