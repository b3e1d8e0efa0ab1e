/* SPDX-License-Identifier: MIT
 *
 * A program that forbids itself all TCP (Landlock, Linux 6.7) and then tries: it prints what each call did.
 * Exit status 77 where the kernel has no such rules.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NET_BIND_AND_CONNECT 3u /* LANDLOCK_ACCESS_NET_BIND_TCP | _CONNECT_TCP */

/* struct landlock_ruleset_attr, as of ABI 4 */
struct ruleset {
	uint64_t handled_access_fs, handled_access_net;
};

static int forbid_tcp(void)
{
	const struct ruleset nothing_allowed = { .handled_access_net = NET_BIND_AND_CONNECT };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &nothing_allowed, sizeof(nothing_allowed), 0);

	return ruleset >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

static const char *outcome(int result)
{
	return result == 0 ? "ok" : strerrorname_np(errno);
}

static void try_connect(uint16_t port, int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0);
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	printf("connect %s", outcome(connect(fd, (struct sockaddr *)&address, sizeof(address))));
	poll(&writable, 1, 100);
	printf(", send %s\n", outcome(send(fd, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : -1));
	close(fd);
}

static void try_bind(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	printf("bind %s\n", outcome(bind(fd, (struct sockaddr *)&address, sizeof(address))));
	close(fd);
}

int main(void)
{
	if (!forbid_tcp()) {
		puts("no Landlock rules for TCP here");
		return 77;
	}
	try_connect(7001, SOCK_STREAM);
	try_connect(7001, SOCK_STREAM | SOCK_NONBLOCK);
	try_bind();
	return 0;
}
