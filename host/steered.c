/* SPDX-License-Identifier: MIT */
#include "host/steered.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

bool steered_by_kernel(void)
{
	const struct sockaddr_in everybody = {
		.sin_family = AF_INET,
		.sin_port = htons(7), /* any will do */
		.sin_addr.s_addr = htonl(INADDR_BROADCAST),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int reuse = 0;
	socklen_t size = sizeof(reuse);

	if (fd < 0)
		return false;
	(void)connect(fd, (const struct sockaddr *)&everybody, sizeof(everybody));
	getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &size);
	close(fd);
	return reuse != 0;
}
