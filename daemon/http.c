/* SPDX-License-Identifier: MIT */
#include "daemon/http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/http_clients.h"
#include "host/address_text.h"

#define LONGEST_HOST 80u /* a numeric address with brackets and a port is shorter */

struct http {
	struct MHD_Daemon *daemon;
	struct http_clients clients;
	const struct http_route *routes;
	void *context;
	/* Padded with zeros, to be compared as a whole. */
	char token[HTTP_TOKEN_MAX];
	bool asks_token;
};

struct http_request {
	struct MHD_Connection *connection;
	const struct http_route *route;
};

const char *http_path(const struct http_request *request)
{
	return request->route->path;
}

const char *http_argument(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

void http_say(struct http_answer *ret_answer, unsigned status, const char *line)
{
	ret_answer->status = status;
	ret_answer->type = "text/plain; charset=utf-8";
	ret_answer->body = line;
	ret_answer->size = strlen(line);
	ret_answer->body_is_static = true;
}

/* ---- who may ask ---- */

static bool is_numeric(const char *text)
{
	struct berth_address address;

	return address_from_text(text, &address);
}

static bool is_port(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5;
}

/* "127.0.0.1", "[::1]", "localhost", each with or without ":port". The port may be any: one that is forwarded
 * (ssh -L) is another than ours. */
static bool is_host_without_name(const char *host)
{
	char name[LONGEST_HOST];
	size_t bracket = *host == '[', length = strcspn(host, bracket ? "]" : ":");
	const char *rest = host + length + (bracket && host[length] == ']');

	if (length >= sizeof(name) || (bracket && host[length] != ']'))
		return false;
	memcpy(name, host + bracket, length - bracket);
	name[length - bracket] = '\0';
	if (*rest != '\0' && (*rest != ':' || !is_port(rest + 1)))
		return false;
	if (bracket)
		return strchr(name, ':') && is_numeric(name);
	return strcasecmp(name, "localhost") == 0 || is_numeric(name);
}

struct headers {
	const char *host, *authorization;
	unsigned hosts;
	bool has_body;
};

static enum MHD_Result see_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct headers *seen = context;

	(void)kind;
	if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
		seen->host = value;
		seen->hosts++;
	} else if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
		seen->authorization = value;
	} else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0 ||
		   (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0 && strcmp(value, "0") != 0)) {
		seen->has_body = true;
	}
	return MHD_YES;
}

/* How long it takes says nothing about where they differ: every byte is looked at, whatever is found. */
static bool is_same_token(const char token[HTTP_TOKEN_MAX], const char *offered)
{
	char padded[HTTP_TOKEN_MAX] = { 0 };
	size_t length = strlen(offered);
	volatile unsigned char differ = length >= sizeof(padded);

	memcpy(padded, offered, differ ? 0 : length);
	for (size_t i = 0; i < sizeof(padded); i++)
		differ |= (unsigned char)(padded[i] ^ token[i]);
	return differ == 0;
}

static bool has_token(const struct http *http, const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (!http->asks_token)
		return true;
	return authorization && strncasecmp(authorization, scheme, sizeof(scheme) - 1) == 0 &&
	       is_same_token(http->token, authorization + sizeof(scheme) - 1);
}

/* ---- an answer ---- */

static const struct http_route *find_route(const struct http *http, const char *path)
{
	const struct http_route *route = http->routes;

	while (route->path && strcmp(route->path, path) != 0)
		route++;
	return route->path ? route : NULL;
}

static void answer(const struct http *http, struct MHD_Connection *connection, const char *path,
		   const char *method, struct http_answer *ret_answer)
{
	const struct http_route *route = find_route(http, path);
	struct http_request request = { connection, route };
	struct headers seen = { 0 };

	MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &seen);
	if (seen.hosts != 1)
		http_say(ret_answer, MHD_HTTP_BAD_REQUEST, "one Host header, please\n");
	else if (!http->asks_token && !is_host_without_name(seen.host))
		http_say(
			ret_answer, MHD_HTTP_MISDIRECTED_REQUEST,
			"ask for a numeric address or localhost; names are served where a token-file is set\n");
	else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		http_say(ret_answer, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
	else if (seen.has_body)
		http_say(ret_answer, MHD_HTTP_CONTENT_TOO_LARGE, "no body, please\n");
	else if (!route)
		http_say(ret_answer, MHD_HTTP_NOT_FOUND, "no such path: man berth-http has the list\n");
	else if (!route->is_open && !has_token(http, seen.authorization))
		http_say(ret_answer, MHD_HTTP_UNAUTHORIZED, "Authorization: Bearer TOKEN, please\n");
	else
		route->answer(http->context, &request, ret_answer);
}

static bool add_headers(struct MHD_Response *response, const struct http_answer *answer)
{
	static const char *const always[][2] = {
		{ "Content-Security-Policy",
		  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
		  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cache-Control", "no-store" },
	};
	bool done = MHD_add_response_header(response, "Content-Type", answer->type) == MHD_YES;

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		done &= MHD_add_response_header(response, always[i][0], always[i][1]) == MHD_YES;
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		done &= MHD_add_response_header(response, "Allow", "GET, HEAD") == MHD_YES;
	if (answer->status == MHD_HTTP_UNAUTHORIZED)
		done &= MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"berth\"") ==
			MHD_YES;
	return done;
}

/* MHD_NO ends the connection. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct http_answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->size, (void *)(uintptr_t)answer->body,
		answer->body_is_static ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
	enum MHD_Result sent;

	if (!response) {
		if (!answer->body_is_static)
			free((void *)(uintptr_t)answer->body);
		return MHD_NO;
	}
	sent = add_headers(response, answer) ? MHD_queue_response(connection, answer->status, response)
					     : MHD_NO;
	MHD_destroy_response(response);
	return sent;
}

static bool has_body(struct MHD_Connection *connection)
{
	struct headers seen = { 0 };

	MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &seen);
	return seen.has_body;
}

/* Called when the head of a request is there, and again when all of it is. Where a body is to come, the answer is given
 * before, and libmicrohttpd closes the connection; otherwise it stays open for the next request. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request_context)
{
	struct http_answer made = { .status = MHD_HTTP_OK };

	(void)version, (void)upload;
	if (!*request_context && !has_body(connection)) {
		*request_context = context;
		return MHD_YES;
	}
	*upload_size = 0; /* of a body that comes all the same nothing is kept */
	answer(context, connection, url, method, &made);
	return send_answer(connection, &made);
}

/* ---- serving ---- */

static struct http_connection *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void see_connection(void *context, struct MHD_Connection *connection, void **client,
			   enum MHD_ConnectionNotificationCode what)
{
	struct http *http = context;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (what == MHD_CONNECTION_NOTIFY_CLOSED)
		http_clients_remove(*client);
	else
		*client = info ? http_clients_add(&http->clients, info->connect_fd) : NULL;
}

static void see_answered(void *context, struct MHD_Connection *connection, void **request_context,
			 enum MHD_RequestTerminationCode how)
{
	(void)context, (void)request_context, (void)how;
	http_clients_answered(client_of(connection));
}

struct http *http_open(int listen_fd, const char *token, const struct http_route *routes, void *context)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->routes = routes;
	http->context = context;
	http->asks_token = *token != '\0';
	memcpy(http->token, token, strnlen(token, sizeof(http->token)));
	if (http_clients_open(&http->clients) < 0) {
		free(http);
		return NULL;
	}
	http->daemon = MHD_start_daemon(
		MHD_NO_FLAG, 0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, HTTP_REQUEST_S,
		MHD_OPTION_NOTIFY_CONNECTION, see_connection, http, MHD_OPTION_NOTIFY_COMPLETED, see_answered,
		http, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_MAX, MHD_OPTION_STRICT_FOR_CLIENT,
		1, MHD_OPTION_END);
	if (!http->daemon) {
		http_clients_close(&http->clients);
		free(http);
		return NULL;
	}
	return http;
}

void http_run(struct http *http)
{
	while (MHD_run_wait(http->daemon, http_clients_expire(&http->clients)) == MHD_YES)
		;
}
