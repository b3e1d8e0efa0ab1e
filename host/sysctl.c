/* SPDX-License-Identifier: MIT */
#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel prints a list of all 65,536 ports, if every other one is reserved, in less than this. */
#define LONGEST ((size_t)65536 * 6)

/* The whole file as a string. Its length or negative errno. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	return (ssize_t)length;
}

/* "1433-1434,4000\n", as the kernel prints it. */
static void parse_port_list(const char *text, struct berth_port_set *set)
{
	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		for (unsigned long port = first; port <= last && port < BERTH_PORTS; port++)
			berth_port_set_add(set, (unsigned)port);
		text = *end == ',' ? end + 1 : end;
	}
}

static int read_reserved(struct berth_port_set *set)
{
	char *text = malloc(LONGEST);
	ssize_t length;

	if (!text)
		return -ENOMEM;
	length = read_file("/proc/sys/net/ipv4/ip_local_reserved_ports", text, LONGEST);
	if (length > 0)
		parse_port_list(text, set);
	free(text);
	return length < 0 ? (int)length : 0;
}

int port_sysctls_read(struct port_sysctls *ret_sysctls)
{
	struct port_sysctls read = { 0 };
	char text[64];
	ssize_t length = read_file("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text));
	int error;

	if (length < 0)
		return (int)length;
	if (sscanf(text, "%u %u", &read.first, &read.last) != 2 || read.first > read.last ||
	    read.last >= BERTH_PORTS)
		return -EPROTO;
	error = read_reserved(&read.reserved);
	if (error)
		return error;
	length = read_file("/proc/sys/net/ipv4/tcp_timestamps", text, sizeof(text));
	if (length < 0)
		return (int)length;
	read.timestamps = text[0] != '0';
	*ret_sysctls = read;
	return 0;
}

bool port_sysctls_equal(const struct port_sysctls *left, const struct port_sysctls *right)
{
	return left->first == right->first && left->last == right->last &&
	       left->timestamps == right->timestamps &&
	       memcmp(left->reserved.word, right->reserved.word, sizeof(left->reserved.word)) == 0;
}
