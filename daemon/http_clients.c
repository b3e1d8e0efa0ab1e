/* SPDX-License-Identifier: MIT */
#include "daemon/http_clients.h"

#include <string.h>
#include <sys/socket.h>

#include "host/clock.h"
#include "host/socket_address.h"

#define LOOK_EVERY_MS 500

int http_clients_open(struct http_clients *clients)
{
	memset(clients, 0, sizeof(*clients));
	return socket_table_open(&clients->table);
}

void http_clients_close(struct http_clients *clients)
{
	socket_table_close(&clients->table);
}

/* Whose socket the far end is, if it is on this host. */
static uint64_t uid_of(struct http_clients *clients, const struct berth_endpoint *near,
		       const struct berth_endpoint *far)
{
	struct socket_entry entry;

	/* One that is closed has no owner any more. */
	if (socket_table_find(&clients->table, far, near, &entry) || entry.state != SOCKET_CONNECTED ||
	    entry.inode == 0)
		return UINT64_MAX;
	return entry.uid;
}

static struct http_client identify(struct http_clients *clients, int fd)
{
	struct http_client client = { .uid = UINT64_MAX };
	struct sockaddr_storage address = { 0 };
	struct berth_endpoint near, far;
	socklen_t size = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &size) < 0 ||
	    !endpoint_from_sockaddr(&address, size, &far) || local_endpoint(fd, &address, &size, &near) < 0)
		return client;
	client.address = far.address;
	client.uid = uid_of(clients, &near, &far);
	if (!berth_address_is_v4(&client.address))
		memset(client.address.bytes + 8, 0, 8);
	return client;
}

static bool is_same(const struct http_client *a, const struct http_client *b)
{
	return a->uid == b->uid && berth_address_equal(&a->address, &b->address);
}

static bool is_live(const struct http_connection *connection)
{
	return connection->fd > 0 && !connection->ends;
}

/* The client's live connections; the oldest is *ret_oldest. */
static unsigned count_of(struct http_clients *clients, const struct http_client *client,
			 struct http_connection **ret_oldest)
{
	unsigned count = 0;

	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		struct http_connection *connection = &clients->connection[i];

		if (!is_live(connection) || !is_same(&connection->client, client))
			continue;
		if (count++ == 0 || connection->begun_ns < (*ret_oldest)->begun_ns)
			*ret_oldest = connection;
	}
	return count;
}

static void end(struct http_connection *connection)
{
	connection->ends = true;
	shutdown(connection->fd, SHUT_RDWR);
}

/* Makes room for one more of the client's. */
static void make_room(struct http_clients *clients, const struct http_client *client)
{
	struct http_connection *oldest = NULL, *of_most = NULL;
	unsigned most = 0, all = 0;

	if (count_of(clients, client, &oldest) >= HTTP_CLIENT_CONNECTIONS) {
		end(oldest);
		return;
	}
	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		unsigned count;

		if (!is_live(&clients->connection[i]))
			continue;
		all++;
		count = count_of(clients, &clients->connection[i].client, &oldest);
		if (count > most) {
			most = count;
			of_most = oldest;
		}
	}
	if (all >= HTTP_KEPT_CONNECTIONS)
		end(of_most);
}

struct http_connection *http_clients_add(struct http_clients *clients, int fd)
{
	struct http_client client = identify(clients, fd);

	make_room(clients, &client);
	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		struct http_connection *connection = &clients->connection[i];

		if (connection->fd > 0)
			continue;
		*connection = (struct http_connection){ client, fd, clock_ns(), false };
		return connection;
	}
	return NULL;
}

void http_clients_answered(struct http_connection *connection)
{
	if (connection)
		connection->begun_ns = clock_ns();
}

void http_clients_remove(struct http_connection *connection)
{
	if (connection)
		*connection = (struct http_connection){ 0 };
}

int http_clients_expire(struct http_clients *clients)
{
	uint64_t now_ns = clock_ns();
	int next_ms = -1;

	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		struct http_connection *connection = &clients->connection[i];

		if (connection->fd == 0)
			continue;
		next_ms = LOOK_EVERY_MS;
		if (!connection->ends && now_ns - connection->begun_ns > HTTP_REQUEST_S * 1000000000ull)
			end(connection);
	}
	return next_ms;
}
