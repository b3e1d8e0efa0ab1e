/* SPDX-License-Identifier: MIT */
#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* The number in a file; absent where the kernel does not have the file. 0 or negative errno. */
static int read_number(const char *path, unsigned absent, unsigned *ret_number)
{
	char text[32];
	ssize_t length = read_file(path, text, sizeof(text));

	if (length == -ENOENT)
		*ret_number = absent;
	else if (length < 0)
		return (int)length;
	else if (sscanf(text, "%u", ret_number) != 1)
		return -EPROTO;
	return 0;
}

int reuse_sysctls_read(struct reuse_sysctls *ret_sysctls)
{
	struct reuse_sysctls read = { 0 };
	unsigned tw_reuse, autobind_reuse;
	int error = read_number("/proc/sys/net/ipv4/tcp_tw_reuse", TW_REUSE_NEVER, &tw_reuse);

	if (!error)
		error = read_number("/proc/sys/net/ipv4/tcp_tw_reuse_delay", 1000, &read.reuse_delay_ms);
	if (!error)
		error = read_number("/proc/sys/net/ipv4/tcp_max_tw_buckets", UINT_MAX, &read.max_tw_buckets);
	if (!error)
		error = read_number("/proc/sys/net/ipv4/ip_autobind_reuse", 0, &autobind_reuse);
	if (error)
		return error;
	read.tw_reuse = tw_reuse > TW_REUSE_LOOPBACK ? TW_REUSE_ALWAYS : (enum tw_reuse)tw_reuse;
	read.autobind_reuse = autobind_reuse;
	*ret_sysctls = read;
	return 0;
}

/* The number after a word of the line that starts with a label: "TCP: inuse 5 orphan 0 tw 3 ...". 0 if there
 * is none, as a kernel without IPv6 has no line for it. */
static unsigned stat_of(const char *text, const char *label, const char *word)
{
	const char *line = strstr(text, label);
	const char *end = line ? strchr(line, '\n') : NULL;
	const char *found = line ? strstr(line, word) : NULL;

	return found && (!end || found < end) ? (unsigned)strtoul(found + strlen(word), NULL, 10) : 0;
}

static int read_totals(const char *sockstat, const char *sockstat6, struct socket_totals *ret_totals)
{
	char text[1024], text6[1024];
	ssize_t length = read_file(sockstat, text, sizeof(text));
	ssize_t length6 = read_file(sockstat6, text6, sizeof(text6));

	if (length < 0)
		return (int)length;
	if (length6 < 0)
		text6[0] = '\0';
	ret_totals->in_use = stat_of(text, "TCP:", " inuse ") + stat_of(text6, "TCP6:", " inuse ");
	ret_totals->time_wait = stat_of(text, "TCP:", " tw ");
	ret_totals->existing = stat_of(text, "TCP:", " alloc ");
	return 0;
}

int socket_totals_read(struct socket_totals *ret_totals)
{
	return read_totals("/proc/net/sockstat", "/proc/net/sockstat6", ret_totals);
}

/* Each namespace has a file of its own. */
static bool is_beside_first_process(void)
{
	struct stat here, first;

	return stat("/proc/net/sockstat", &here) == 0 && stat("/proc/1/net/sockstat", &first) == 0 &&
	       here.st_ino != first.st_ino;
}

bool bound_sockets_are_possible(void)
{
	struct socket_totals here, first = { 0 };

	if (is_beside_first_process() && read_totals("/proc/1/net/sockstat", "/proc/1/net/sockstat6", &first))
		return true;
	if (socket_totals_read(&here))
		return true;
	/* One that the first count had in use may be gone from the second. */
	return here.existing > here.in_use + first.in_use || first.existing > here.in_use + first.in_use;
}
