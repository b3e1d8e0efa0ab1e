/* SPDX-License-Identifier: MIT */
#include "host/steered.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that keeps a port from others and does not listen. The descriptor, or -1. */
static int open_deaf(struct sockaddr_in *ret_name)
{
	struct sockaddr_in any_port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(*ret_name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&any_port, sizeof(any_port)) == 0 &&
	    getsockname(fd, (struct sockaddr *)ret_name, &size) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Whether the connection succeeds does not matter: the hook has run before. */
static bool connect_sets_reuse(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int reuse = 0;
	socklen_t size = sizeof(reuse);

	if (fd < 0)
		return false;
	connect(fd, (const struct sockaddr *)to, sizeof(*to));
	getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &size);
	close(fd);
	return reuse != 0;
}

bool steered_by_kernel(void)
{
	struct sockaddr_in deaf;
	bool steered;
	int fd = open_deaf(&deaf);

	if (fd < 0)
		return false;
	steered = connect_sets_reuse(&deaf);
	close(fd);
	return steered;
}
