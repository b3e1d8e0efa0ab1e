/* SPDX-License-Identifier: MIT */
#include "cli/record_tape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define NO_DESTINATION UINT32_MAX

/* ---- the file ---- */

/* All of it, or none. */
void tape_flush(struct tape *tape)
{
	uint64_t before = tape->size - tape->used;
	size_t done = 0;

	while (done < tape->used && tape->error == 0) {
		ssize_t written = write(tape->fd, tape->buffer + done, tape->used - done);

		if (written > 0)
			done += (size_t)written;
		else if (written < 0 && errno != EINTR)
			tape->error = -errno;
	}
	if (tape->error != 0 && done > 0 && ftruncate(tape->fd, (off_t)before) < 0)
		return; /* then it ends in a part of a record, which readers notice */
	if (tape->error != 0)
		tape->size = before;
	tape->used = 0;
}

static void append(struct tape *tape, const uint8_t *bytes, size_t size)
{
	if (tape->used + size > sizeof(tape->buffer))
		tape_flush(tape);
	if (tape->error != 0)
		return;
	memcpy(tape->buffer + tape->used, bytes, size);
	tape->used += size;
	tape->size += size;
}

/* Whether it was taken. */
static bool put(struct tape *tape, enum sim_record_kind kind, uint64_t at_ns, struct sim_record *record)
{
	uint8_t bytes[SIM_RECORD_BYTES];
	size_t size;

	if (tape->is_full || tape->error != 0)
		return false;
	record->at_ns = at_ns > tape->start_ns ? at_ns - tape->start_ns : 0;
	if (tape->size + sizeof(bytes) > tape->max_size) {
		tape->is_full = true;
		return false;
	}
	size = sim_recording_put(&tape->writer, kind, record, bytes);
	append(tape, bytes, size);
	return size > 0;
}

int tape_open(struct tape *tape, const char *path, const struct sim_recorded_host *host, uint64_t max_size)
{
	uint8_t header[SIM_RECORDING_HEADER];
	int error;

	*tape = (struct tape){ .max_size = max_size, .hashed = host->hashed };
	if (getrandom(&tape->key, sizeof(tape->key), 0) != sizeof(tape->key))
		return -errno;
	error = view_pair_index_init(&tape->pairs);
	if (error)
		return error;
	tape->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (tape->fd < 0) {
		error = -errno;
		view_pair_index_free(&tape->pairs);
		return error;
	}
	sim_recording_begin(&tape->writer, host, header);
	append(tape, header, sizeof(header));
	tape_flush(tape);
	return 0;
}

void tape_close(struct tape *tape)
{
	tape_flush(tape);
	if (close(tape->fd) < 0 && tape->error == 0)
		tape->error = -errno;
	record_sockets_free(&tape->sockets);
	view_pair_index_free(&tape->pairs);
	free(tape->destination);
	explicit_bzero(&tape->key, sizeof(tape->key));
}

/* ---- destinations ---- */

static void hash_address(const struct tape *tape, struct berth_address *address)
{
	uint64_t word[3] = { 0 }, hash[2];

	memcpy(word, address->bytes, sizeof(address->bytes));
	for (unsigned i = 0; i < 2; i++) {
		word[2] = i;
		hash[i] = berth_siphash(&tape->key, word, 3);
	}
	memcpy(address->bytes, hash, sizeof(address->bytes));
}

/* Where the number of a pair is kept, NO_DESTINATION if it is new; NULL: no memory. */
static uint32_t *destination_of(struct tape *tape, const struct view_pair *pair)
{
	uint32_t index = view_pair_index_add(&tape->pairs, &pair->local, &pair->remote);

	if (index == VIEW_NO_PAIR)
		return NULL;
	if (index >= tape->destinations_room) {
		uint32_t room = index * 2 + 64;
		uint32_t *more = realloc(tape->destination, room * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + tape->destinations_room, 0xff,
		       (room - tape->destinations_room) * sizeof(*more));
		tape->destination = more;
		tape->destinations_room = room;
	}
	return &tape->destination[index];
}

/* The number of a destination, which is named if it was not. NO_DESTINATION: there is no room for it. */
static uint32_t name_destination(struct tape *tape, uint64_t at_ns, const struct view_pair *pair)
{
	const struct view_pair anywhere = { .remote = pair->remote };
	uint32_t *number = destination_of(tape, pair), *last, found;

	if (!number)
		return NO_DESTINATION;
	if (*number == NO_DESTINATION) {
		struct sim_record record = { .named = pair->remote };

		if (tape->hashed)
			hash_address(tape, &record.named.address);
		found = tape->writer.destinations;
		if (!put(tape, SIM_RECORD_DESTINATION, at_ns, &record))
			return NO_DESTINATION;
		*number = found;
	}
	found = *number;
	last = destination_of(tape, &anywhere);
	if (last)
		*last = found;
	return found;
}

/* ---- what happens ---- */

/* What reports say of a socket may be older than that it was found connected at the start. */
static bool is_connected(const struct tape *tape, uint64_t cookie)
{
	uint32_t number = record_sockets_find(&tape->sockets, cookie);

	return number != RECORD_NO_SOCKET && tape->sockets.socket[number].what == RECORD_CONNECTED;
}

/* The number of the socket, a new one if it is not known. */
static uint32_t number_of(struct tape *tape, uint64_t cookie, enum record_what what)
{
	uint32_t number = record_sockets_find(&tape->sockets, cookie);

	if (number == RECORD_NO_SOCKET)
		number = record_sockets_add(&tape->sockets, cookie, what);
	if (number == RECORD_NO_SOCKET)
		tape->sums.left_out++;
	else
		tape->sockets.socket[number].what = (uint8_t)what;
	return number;
}

void tape_bind(struct tape *tape, uint64_t at_ns, uint64_t cookie, uint16_t port)
{
	struct sim_record record = { .port = port };

	if (is_connected(tape, cookie))
		return;
	record.socket = number_of(tape, cookie, port == 0 ? RECORD_BOUND_ANY : RECORD_BOUND);
	if (record.socket == RECORD_NO_SOCKET || !put(tape, SIM_RECORD_BIND, at_ns, &record))
		return;
	if (tape->finding)
		tape->sums.found_held++;
	else
		tape->sums.binds++;
}

void tape_listen(struct tape *tape, uint64_t at_ns, uint64_t cookie, uint16_t port)
{
	uint32_t number = record_sockets_find(&tape->sockets, cookie);
	uint64_t binds = tape->sums.binds;

	if (number != RECORD_NO_SOCKET && tape->sockets.socket[number].what == RECORD_BOUND)
		return;
	tape_bind(tape, at_ns, cookie, port);
	if (number != RECORD_NO_SOCKET)
		tape->sums.binds = binds; /* it is the same one */
}

void tape_connect(struct tape *tape, uint64_t at_ns, uint64_t cookie, const struct view_pair *pair)
{
	struct sim_record record = { 0 };

	if (tape->only && !berth_endpoint_equal(tape->only, &pair->remote))
		return;
	if (is_connected(tape, cookie)) { /* or it is the next try */
		tape->sockets.socket[record_sockets_find(&tape->sockets, cookie)].tried = false;
		return;
	}
	record.destination = name_destination(tape, at_ns, pair);
	if (record.destination == NO_DESTINATION) {
		tape->sums.left_out++;
		return;
	}
	record.socket = number_of(tape, cookie, RECORD_CONNECTED);
	if (record.socket == RECORD_NO_SOCKET || !put(tape, SIM_RECORD_CONNECT, at_ns, &record))
		return;
	if (tape->finding)
		tape->sums.found++;
	else
		tape->sums.connects++;
}

static void end(struct tape *tape, uint64_t at_ns, uint32_t number, struct sim_record *record)
{
	enum record_what what = (enum record_what)tape->sockets.socket[number].what;

	record->socket = number;
	record_sockets_remove(&tape->sockets, number);
	if (!put(tape, SIM_RECORD_CLOSE, at_ns, record))
		return;
	if (record->no_port && what == RECORD_CONNECTED)
		tape->sums.failed_connects++;
	else if (record->no_port)
		tape->sums.failed_binds++;
	else if (what == RECORD_CONNECTED)
		tape->sums.closed[record->closer]++;
}

void tape_end(struct tape *tape, uint64_t at_ns, uint64_t cookie, enum sim_closer closer)
{
	struct sim_record record = { .closer = closer };
	uint32_t number = record_sockets_find(&tape->sockets, cookie);

	if (number == RECORD_NO_SOCKET)
		return;
	record.no_port = tape->sockets.socket[number].tried;
	if (record.no_port)
		record.closer = SIM_RESET;
	end(tape, at_ns, number, &record);
}

void tape_try(struct tape *tape, uint64_t cookie)
{
	uint32_t number = record_sockets_find(&tape->sockets, cookie);

	if (number != RECORD_NO_SOCKET)
		tape->sockets.socket[number].tried = true;
}

void tape_fail(struct tape *tape, uint64_t at_ns, uint64_t cookie)
{
	struct sim_record record = { .closer = SIM_RESET, .no_port = true };
	uint32_t number = record_sockets_find(&tape->sockets, cookie);

	if (number != RECORD_NO_SOCKET)
		end(tape, at_ns, number, &record);
}

/* ---- the start ---- */

/* Cookies that no socket has: the kernel counts up from 1. */
#define RESERVED_COOKIE(port) (UINT64_MAX - (port))

void tape_begin_finding(struct tape *tape, const struct berth_port_set *reserved)
{
	unsigned port = 0;

	tape->finding = true;
	for (; port < BERTH_PORTS && berth_port_set_next(reserved, port, &port); port++)
		tape_bind(tape, tape->start_ns, RESERVED_COOKIE(port), (uint16_t)port);
	tape->sums.found_reserved = tape->sums.found_held;
	tape->sums.found_held = 0;
}

void tape_end_finding(struct tape *tape)
{
	tape->finding = false;
	tape->sums.found_waiting = tape->sums.closed[SIM_CLOSED_HERE];
	tape->sums.found -= tape->sums.found_waiting;
	memset(tape->sums.closed, 0, sizeof(tape->sums.closed));
}
