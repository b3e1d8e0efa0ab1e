/* SPDX-License-Identifier: MIT
 *
 * Makes COUNT connections, round robin to DESTINATIONS ports from PORT on, each after a bind to port 0, and
 * prints as one line of JSON how many succeeded and with which errors the others failed:
 *
 *   {"connected": 1654, "bind": {}, "connect": {"EADDRNOTAVAIL": 1346}, "ports": 987}
 *
 * ports is the number of different local ports. A connection that failed is not tried again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum bind_to {
	BIND_ADDRESS,
	BIND_WILDCARD,
	BIND_NOT
};

static struct {
	unsigned count, destinations, port;
	enum bind_to bind_to;
	bool ipv6, reuse, nonblocking, keep;
} option = { .count = 4000, .destinations = 4, .port = 7001 };

static unsigned connected, bind_errors[256], connect_errors[256];
static bool port_seen[65536];

static socklen_t make_address(struct sockaddr_storage *storage, bool wildcard, unsigned port)
{
	struct sockaddr_in6 *in6 = (void *)storage;
	struct sockaddr_in *in = (void *)storage;

	memset(storage, 0, sizeof(*storage));
	if (option.ipv6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_addr = wildcard ? in6addr_any : in6addr_loopback;
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(wildcard ? INADDR_ANY : INADDR_LOOPBACK);
	return sizeof(*in);
}

/* Returns 0 or the errno with which the connection failed. */
static int connect_to(int fd, unsigned port)
{
	struct sockaddr_storage address;
	socklen_t length = make_address(&address, false, port);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error;

	if (connect(fd, (struct sockaddr *)&address, length) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&ready, 1, 10000) != 1)
		return ETIMEDOUT;
	length = sizeof(error);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

static void note_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &length);
	/* sin_port and sin6_port lie at the same place */
	port_seen[ntohs(((struct sockaddr_in *)&address)->sin_port)] = true;
}

static void connect_one(unsigned number)
{
	struct sockaddr_storage address;
	socklen_t length = make_address(&address, option.bind_to == BIND_WILDCARD, 0);
	int on = 1, error;
	int fd = socket(option.ipv6 ? AF_INET6 : AF_INET,
			SOCK_STREAM | (option.nonblocking ? SOCK_NONBLOCK : 0), 0);

	if (fd < 0) {
		perror("capacity: socket");
		exit(1);
	}
	if (option.reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (option.bind_to != BIND_NOT && bind(fd, (struct sockaddr *)&address, length)) {
		bind_errors[errno & 255]++;
		close(fd);
		return;
	}
	error = connect_to(fd, option.port + number % option.destinations);
	if (error) {
		connect_errors[error & 255]++;
		close(fd);
		return;
	}
	connected++;
	note_port(fd);
	if (!option.keep)
		close(fd);
}

static void print_errors(const char *name, const unsigned *errors)
{
	const char *separator = "";

	printf(", \"%s\": {", name);
	for (int i = 0; i < 256; i++) {
		if (errors[i]) {
			printf("%s\"%s\": %u", separator, strerrorname_np(i), errors[i]);
			separator = ", ";
		}
	}
	putchar('}');
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "destinations", required_argument, NULL, 'd' },
		{ "port", required_argument, NULL, 'p' },
		{ "bind", required_argument, NULL, 'b' },
		{ "ipv6", no_argument, NULL, '6' },
		{ "reuse", no_argument, NULL, 'r' },
		{ "nonblocking", no_argument, NULL, 'n' },
		{ "keep", no_argument, NULL, 'k' },
		{ 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (letter) {
		case 'c':
			option.count = atoi(optarg);
			break;
		case 'd':
			option.destinations = atoi(optarg);
			break;
		case 'p':
			option.port = atoi(optarg);
			break;
		case 'b':
			option.bind_to = *optarg == 'a'	  ? BIND_ADDRESS
					 : *optarg == 'w' ? BIND_WILDCARD
							  : BIND_NOT;
			break;
		case '6':
			option.ipv6 = true;
			break;
		case 'r':
			option.reuse = true;
			break;
		case 'n':
			option.nonblocking = true;
			break;
		case 'k':
			option.keep = true;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	unsigned ports = 0;

	parse_options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < option.count; i++)
		connect_one(i);
	for (unsigned i = 0; i < 65536; i++)
		ports += port_seen[i];
	printf("{\"connected\": %u", connected);
	print_errors("bind", bind_errors);
	print_errors("connect", connect_errors);
	printf(", \"ports\": %u}\n", ports);
	return 0;
}
