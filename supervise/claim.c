/* SPDX-License-Identifier: MIT */
#include "supervise/claim.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/address_text.h"

/* @berth 40123 127.0.0.1:7001, as ss(8) shows it. Its length. */
static socklen_t claim_name(uint16_t port, const struct berth_endpoint *remote, struct sockaddr_un *ret_name)
{
	char text[ENDPOINT_TEXT];
	int length;

	*ret_name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	length = snprintf(ret_name->sun_path + 1, sizeof(ret_name->sun_path) - 1, "berth %u %s", port,
			  endpoint_text(remote, text));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

int claim_take(uint16_t port, const struct berth_endpoint *remote)
{
	struct sockaddr_un name;
	socklen_t size = claim_name(port, remote, &name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, size) == 0)
		return fd < 0 ? -errno : fd;
	error = -errno;
	close(fd);
	return error;
}
