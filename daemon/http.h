/* SPDX-License-Identifier: MIT
 *
 * The HTTP side of the daemon: who may ask, how much, and which headers go with an answer.
 *
 * Theory of operation
 *
 * Nothing here is for writing: GET and HEAD, of a fixed table of paths, no body. What a browser could be made to do by
 * a page from elsewhere is prevented three times over: no answer may be read by another origin
 * (Cross-Origin-Resource-Policy, and no Access-Control-Allow-Origin); the page loads nothing from elsewhere and is in
 * nobody's frame (Content-Security-Policy); and a name in the Host header is refused, for a name is what DNS rebinding
 * needs: the attacker's name made to resolve to 127.0.0.1. A numeric address or "localhost" cannot be rebound. Where a
 * token is asked for, any name will do: the attacker's page does not know the token.
 *
 * libmicrohttpd runs in the caller's thread (http_run()), so answers need no locks.
 */
#ifndef BERTH_DAEMON_HTTP_H
#define BERTH_DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct http;
struct http_request;

/* Limits: bytes of a request's head; bytes of a token. Those of connections: http_clients.h. */
#define HTTP_HEAD_MAX  16384u
#define HTTP_TOKEN_MAX 128u
#define HTTP_TOKEN_MIN 16u

struct http_answer {
	unsigned status;  /* 200 unless set */
	const char *type; /* Content-Type, static */
	const void *body;
	size_t size;
	bool body_is_static; /* otherwise it is freed with the answer */
};

struct http_route {
	const char *path; /* NULL ends the table */
	bool is_open;	  /* needs no token: says nothing about this host */
	void (*answer)(void *context, const struct http_request *request, struct http_answer *ret_answer);
};

/* The path that was asked for: its route's. */
const char *http_path(const struct http_request *request);

/* The value of an argument behind '?', as sent but for its %-encoding; NULL: not there. Valid while answering. */
const char *http_argument(const struct http_request *request, const char *name);

/* An answer of one line. */
void http_say(struct http_answer *ret_answer, unsigned status, const char *line);

/* Serves the routes on a listening socket, which it takes. token: "" or what is asked for. NULL if there is no memory
 * or no descriptor left. */
struct http *http_open(int listen_fd, const char *token, const struct http_route *routes, void *context);

/* Serves until it fails, which it does not as long as memory lasts. */
void http_run(struct http *http);

#endif
