/* SPDX-License-Identifier: MIT
 *
 * The kernel's socket table, with sockets of our own in it: what the dump and the look-up say of them.
 */
#include "host/socket_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/socket_address.h"

/* A listener, a connection to it, another one that the client has closed first, and a socket that is only bound. */
struct scene {
	int listener, client, server, old_server, bound;
	struct berth_endpoint server_end, client_end, waiting_end, bound_end;
};

static int listen_on_loopback(struct berth_endpoint *ret_end)
{
	struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_storage address;
	socklen_t size;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0 &&
		    listen(fd, 8) == 0);
	assert_int_equal(local_endpoint(fd, &address, &size, ret_end), 0);
	return fd;
}

static int bind_on_loopback(struct berth_endpoint *ret_end)
{
	struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_storage address;
	socklen_t size;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0);
	assert_int_equal(local_endpoint(fd, &address, &size, ret_end), 0);
	return fd;
}

static int connect_to(const struct berth_endpoint *server, int listener, int *ret_server,
		      struct berth_endpoint *ret_end)
{
	struct sockaddr_storage address;
	socklen_t size = sockaddr_from_endpoint(server, AF_INET, &address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0);
	*ret_server = accept(listener, NULL, NULL);
	assert_true(*ret_server >= 0);
	assert_int_equal(local_endpoint(fd, &address, &size, ret_end), 0);
	return fd;
}

static struct scene set_up(void)
{
	struct scene scene;
	int closing;

	scene.listener = listen_on_loopback(&scene.server_end);
	scene.client = connect_to(&scene.server_end, scene.listener, &scene.server, &scene.client_end);
	closing = connect_to(&scene.server_end, scene.listener, &scene.old_server, &scene.waiting_end);
	close(closing);
	close(scene.old_server);
	scene.bound = bind_on_loopback(&scene.bound_end);
	return scene;
}

static void tear_down(const struct scene *scene)
{
	close(scene->client);
	close(scene->server);
	close(scene->listener);
	close(scene->bound);
}

/* How often the dump named each of them in the right state, and how often anything outside the range. */
struct tally {
	const struct scene *scene;
	unsigned first, last;
	unsigned listeners, clients, waiting, bound, outside;
};

static void count_entry(void *context, const struct socket_entry *entry)
{
	struct tally *tally = context;
	bool to_server = berth_endpoint_equal(&entry->remote, &tally->scene->server_end);

	tally->outside += entry->local.port < tally->first || entry->local.port > tally->last;
	tally->listeners +=
		entry->state == SOCKET_HELD && berth_endpoint_equal(&entry->local, &tally->scene->server_end);
	tally->bound += entry->state == SOCKET_HELD && entry->tcp_state == TCP_STATE_BOUND_INACTIVE &&
			berth_endpoint_equal(&entry->local, &tally->scene->bound_end);
	tally->clients += entry->state == SOCKET_CONNECTED && to_server &&
			  berth_endpoint_equal(&entry->local, &tally->scene->client_end);
	tally->waiting += entry->state == SOCKET_TIME_WAIT && to_server && entry->remaining_ms > 50000 &&
			  entry->remaining_ms <= 60000 &&
			  berth_endpoint_equal(&entry->local, &tally->scene->waiting_end);
}

static struct tally dump(const struct scene *scene, int family, unsigned first, unsigned last)
{
	struct tally tally = { .scene = scene, .first = first, .last = last };
	struct socket_table table = { 0 };
	char piece[SOCKET_TABLE_PIECE] __attribute__((aligned(8)));
	int size, status;

	assert_int_equal(socket_table_open(&table), 0);
	assert_int_equal(socket_table_dump(&table, family, first, last), 0);
	do {
		size = socket_table_receive(&table, piece, sizeof(piece));
		assert_true(size > 0);
		status = socket_table_read(piece, (size_t)size, count_entry, &tally);
	} while (status > 0);
	assert_int_equal(status, 0);
	socket_table_close(&table);
	return tally;
}

static void every_state_is_shown(int family)
{
	struct scene scene = set_up();
	struct tally tally = dump(&scene, family, 1, 65535);

	assert_int_equal(tally.listeners, 1);
	assert_int_equal(tally.clients, 1);
	assert_int_equal(tally.waiting, 1);
	assert_int_equal(tally.bound, 1);
	tear_down(&scene);
}

static void dump_shows_every_state(void **state)
{
	(void)state;
	every_state_is_shown(AF_INET);
}

static void dump_of_both_families_does(void **state)
{
	(void)state;
	every_state_is_shown(AF_UNSPEC);
}

static void see_order(void *context, const struct socket_entry *entry)
{
	bool *connections_began = context;

	if (entry->state != SOCKET_HELD)
		*connections_began = true;
	else
		assert_false(*connections_began);
}

/* What is made from it relies on this: whoever sees a connection knows already who listens. */
static void dump_of_both_families_has_listeners_first(void **state)
{
	struct scene scene = set_up();
	int listener_v6 = socket(AF_INET6, SOCK_STREAM, 0), status = 1;
	char piece[SOCKET_TABLE_LARGEST_PIECE] __attribute__((aligned(8)));
	struct socket_table table = { 0 };
	bool connections_began = false;

	(void)state;
	assert_int_equal(listen(listener_v6, 1), 0);
	assert_int_equal(socket_table_open(&table), 0);
	assert_int_equal(socket_table_dump(&table, AF_UNSPEC, 1, 65535), 0);
	while (status > 0) {
		int size = socket_table_receive(&table, piece, sizeof(piece));

		assert_true(size > 0);
		status = socket_table_read(piece, (size_t)size, see_order, &connections_began);
	}
	assert_int_equal(status, 0);
	assert_true(connections_began);
	socket_table_close(&table);
	close(listener_v6);
	tear_down(&scene);
}

static void dump_keeps_to_the_range(void **state)
{
	struct scene scene = set_up();
	unsigned port = scene.client_end.port;
	struct tally only = dump(&scene, AF_INET, port, port), below = dump(&scene, AF_INET, 1, port - 1u);

	(void)state;
	assert_int_equal(only.clients, 1);
	assert_int_equal(only.outside, 0);
	assert_int_equal(below.clients, 0);
	assert_int_equal(below.outside, 0);
	tear_down(&scene);
}

static void find_tells_state_and_timestamps(void **state)
{
	struct scene scene = set_up();
	struct socket_table table = { 0 };
	struct socket_entry entry;

	(void)state;
	assert_int_equal(socket_table_open(&table), 0);
	assert_int_equal(socket_table_find(&table, &scene.client_end, &scene.server_end, &entry), 0);
	assert_int_equal(entry.state, SOCKET_CONNECTED);
	assert_true(entry.established);
	assert_int_equal(socket_table_find(&table, &scene.waiting_end, &scene.server_end, &entry), 0);
	assert_int_equal(entry.state, SOCKET_TIME_WAIT);
	assert_false(entry.established);
	scene.client_end.port = 1;
	assert_int_equal(socket_table_find(&table, &scene.client_end, &scene.server_end, &entry), -ENOENT);
	socket_table_close(&table);
	socket_table_close(&table);
	tear_down(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dump_shows_every_state),
		cmocka_unit_test(dump_of_both_families_does),
		cmocka_unit_test(dump_of_both_families_has_listeners_first),
		cmocka_unit_test(dump_keeps_to_the_range),
		cmocka_unit_test(find_tells_state_and_timestamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
