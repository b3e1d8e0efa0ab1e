/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/private_net.h"

/* One write() and no more: the kernel takes a map or a setting whole or not at all. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int map_self(const char *path, unsigned id)
{
	char line[64];

	snprintf(line, sizeof(line), "%u %u 1", id, id);
	return write_file(path, line);
}

static int enter_user_and_net(void)
{
	unsigned uid = geteuid(), gid = getegid();
	int err;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	/* Without CAP_SETGID outside, a gid map is only taken once setgroups() is off
	 * (user_namespaces(7)). */
	err = write_file("/proc/self/setgroups", "deny");
	if (err == 0)
		err = map_self("/proc/self/gid_map", gid);
	if (err == 0)
		err = map_self("/proc/self/uid_map", uid);
	return err;
}

static int loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		err = -errno;
	close(fd);
	return err;
}

int private_net_enter(void)
{
	int err = 0;

	if (unshare(CLONE_NEWNET) < 0)
		err = errno == EPERM ? enter_user_and_net() : -errno;
	return err < 0 ? err : loopback_up();
}

int private_net_set(const char *name, const char *value)
{
	char path[256];

	if (snprintf(path, sizeof(path), "/proc/sys/net/%s", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return write_file(path, value);
}
