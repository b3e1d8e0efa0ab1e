/* SPDX-License-Identifier: MIT
 *
 * Who has which connection to the HTTP side of the daemon, so that nobody keeps others out.
 *
 * Theory of operation
 *
 * A new connection is always taken; if there are too many, an older one goes: the client's own oldest, if it has
 * HTTP_CLIENT_CONNECTIONS, or otherwise, if there are HTTP_KEPT_CONNECTIONS in all, the oldest of the client that has most. So who
 * opens many, or is slow, is in its own way. A client is a network address, of IPv6 the first 64 bits; and on this host, where
 * everybody has the same address, the user who made the socket, as sock_diag tells.
 *
 * From one answer to the end of the next no more than HTTP_REQUEST_S pass, however many bytes trickle.
 *
 * A connection ends by shutdown(), which the server's loop notices by itself.
 */
#ifndef BERTH_DAEMON_HTTP_CLIENTS_H
#define BERTH_DAEMON_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "host/socket_table.h"

#define HTTP_CONNECTIONS	64u /* that the server takes, with those that are ending */
#define HTTP_KEPT_CONNECTIONS	48u
#define HTTP_CLIENT_CONNECTIONS 16u
#define HTTP_REQUEST_S		10u

struct http_client {
	struct berth_address address;
	uint64_t uid; /* on this host; otherwise, or where it is not known, UINT64_MAX */
};

struct http_clients {
	struct socket_table table;
	struct http_connection {
		struct http_client client;
		int fd;		   /* of the server's; 0: no connection */
		uint64_t begun_ns; /* or when the last answer was sent */
		bool ends;
	} connection[HTTP_CONNECTIONS];
};

/* 0 or negative errno. */
int http_clients_open(struct http_clients *clients);
void http_clients_close(struct http_clients *clients);

/* A connection was taken. NULL: there are HTTP_CONNECTIONS, and it is not watched. */
struct http_connection *http_clients_add(struct http_clients *clients, int fd);

/* A request of it was answered; it was closed. NULL is allowed. */
void http_clients_answered(struct http_connection *connection);
void http_clients_remove(struct http_connection *connection);

/* Ends those whose time is over. In how many milliseconds there may be more; -1: there are no connections. */
int http_clients_expire(struct http_clients *clients);

#endif
