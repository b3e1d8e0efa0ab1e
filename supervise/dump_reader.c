/* SPDX-License-Identifier: MIT */
#include "supervise/dump_reader.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

struct order {
	unsigned first, last;
};

/* A message of this size ends a dump; pieces of a dump are larger. */
struct end {
	int error; /* 0 or negative errno */
};

static void see_nothing(void *context, const struct socket_entry *entry)
{
	(void)context;
	(void)entry;
}

/* Passes one family's sockets on. 0 or negative errno. */
static int pass_on_family(struct socket_table *table, int fd, int family, const struct order *order)
{
	char piece[SOCKET_TABLE_PIECE] __attribute__((aligned(8)));
	int status = socket_table_dump(table, family, order->first, order->last);

	while (status >= 0) {
		int size = socket_table_receive(table, piece, sizeof(piece));

		if (size < 0)
			return size;
		status = socket_table_read(piece, (size_t)size, see_nothing, NULL);
		if (status >= 0 && send(fd, piece, (size_t)size, MSG_NOSIGNAL) < 0)
			return -errno;
		if (status == 0)
			return 0;
	}
	return status;
}

static int pass_on_dump(int fd, const struct order *order)
{
	struct socket_table table = { 0 };
	int error = socket_table_open(&table);

	if (!error)
		error = pass_on_family(&table, fd, AF_INET, order);
	if (!error)
		error = pass_on_family(&table, fd, AF_INET6, order);
	socket_table_close(&table);
	return error;
}

static void *reader_main(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct order order;

	while (recv(fd, &order, sizeof(order), 0) == sizeof(order)) {
		struct end end = { pass_on_dump(fd, &order) };

		if (send(fd, &end, sizeof(end), MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

int dump_reader_start(struct dump_reader *reader)
{
	int pair[2];
	pthread_t thread;
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	error = -pthread_create(&thread, NULL, reader_main, (void *)(intptr_t)pair[1]);
	if (error) {
		close(pair[0]);
		close(pair[1]);
		return error;
	}
	pthread_detach(thread);
	*reader = (struct dump_reader){ .fd = pair[0] };
	return 0;
}

void dump_reader_order(struct dump_reader *reader, unsigned first, unsigned last)
{
	const struct order order = { first, last };

	reader->reading = send(reader->fd, &order, sizeof(order), MSG_NOSIGNAL) == sizeof(order);
}

int dump_reader_take(struct dump_reader *reader, int wait_ms,
		     void (*see)(void *context, const struct socket_entry *entry), void *context)
{
	union {
		char piece[SOCKET_TABLE_PIECE];
		struct end end;
		uint64_t alignment;
	} message;
	struct pollfd there = { .fd = reader->fd, .events = POLLIN };
	ssize_t size;

	if (poll(&there, 1, wait_ms) <= 0)
		return 1;
	size = recv(reader->fd, &message, sizeof(message), 0);
	if (size > (ssize_t)sizeof(message.end)) {
		socket_table_read(message.piece, (size_t)size, see, context);
		return 1;
	}
	reader->reading = false;
	return size == sizeof(message.end) ? message.end.error : -EPIPE;
}
