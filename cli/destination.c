/* SPDX-License-Identifier: MIT */
#include "cli/destination.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/command.h"
#include "host/address_text.h"
#include "host/socket_address.h"

#define LONGEST_HOST 1025 /* NI_MAXHOST */

/* getaddrinfo() takes every number, and of one that is too large what fits. */
static bool is_too_large(const char *port)
{
	char *end;
	unsigned long number = strtoul(port, &end, 10);

	return *end == '\0' && number > UINT16_MAX;
}

/* Splits "host:port" and "[address]:port": copies the host and returns the port, or NULL when it has said what is
 * wrong. */
static const char *split(const char *command, const char *text, char host[LONGEST_HOST])
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	bool is_bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';

	if (!is_bracketed && colon && strchr(text, ':') != colon) {
		usage_error(command, "'%s': an IPv6 address goes in brackets, as in [2001:db8::1]:443", text);
		return NULL;
	}
	if (length == 0 || colon[1] == '\0' || length >= LONGEST_HOST) {
		usage_error(command, "'%s' is not ADDRESS:PORT, such as 192.0.2.1:443", text);
		return NULL;
	}
	if (is_too_large(colon + 1)) {
		usage_error(command, "'%s': a port is at most 65535", text);
		return NULL;
	}
	if (is_bracketed) {
		text++;
		length -= 2;
	}
	memcpy(host, text, length);
	host[length] = '\0';
	return colon + 1;
}

static int resolve(const char *command, const char *host, const char *port, struct addrinfo **ret_list)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	int error = getaddrinfo(host, port, &hints, ret_list);

	if (error == EAI_SERVICE)
		return usage_error(command, "'%s' is no port and no service of TCP", port);
	if (error)
		return failure(command, "cannot resolve '%s': %s", host, gai_strerror(error));
	return EXIT_OK;
}

int destination_read(const char *command, const char *text, const char *from,
		     struct destination *ret_destination)
{
	struct destination destination = { 0 };
	struct sockaddr_storage address = { 0 };
	char host[LONGEST_HOST];
	const char *port = split(command, text, host);
	struct addrinfo *list;
	int status = port ? resolve(command, host, port, &list) : EXIT_USAGE;

	if (status != EXIT_OK)
		return status;
	memcpy(&address, list->ai_addr, list->ai_addrlen);
	for (const struct addrinfo *one = list; one; one = one->ai_next)
		destination.addresses++;
	endpoint_from_sockaddr(&address, list->ai_addrlen, &destination.pair.remote);
	if (from && !address_from_text(from, &destination.pair.local))
		status = usage_error(command, "--from=%s: a local address, in numbers", from);
	else if (!from)
		destination.route_error = route_source(&address, list->ai_addrlen, &destination.pair.local);
	freeaddrinfo(list);
	if (destination.pair.remote.port == 0)
		return usage_error(command, "'%s': port 0 is nobody's", text);
	if (destination.route_error == -EAGAIN)
		return failure(command, "no UDP port is free to ask for the route: say --from=ADDRESS");
	*ret_destination = destination;
	return status;
}
