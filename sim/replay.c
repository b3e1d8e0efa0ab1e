/* SPDX-License-Identifier: MIT */
#include "sim/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool next_request(struct sim_source *source, struct sim_request *ret_request)
{
	struct sim_replay *replay = (struct sim_replay *)source;

	if (replay->given == replay->requests)
		return false;
	*ret_request = replay->request[replay->given++];
	return true;
}

/* Which request each socket is at: its index and 1; 0: none. As many as the largest number seen needs. */
#define BOUND_TO_ANY UINT32_MAX
struct sockets {
	uint32_t *request;
	size_t count;
};

static bool make_room(struct sockets *sockets, uint32_t socket)
{
	size_t count = 2 * (size_t)socket + 16;
	uint32_t *more;

	if (socket < sockets->count)
		return true;
	more = realloc(sockets->request, count * sizeof(*more));
	if (more == NULL)
		return false;
	memset(more + sockets->count, 0, (count - sockets->count) * sizeof(*more));
	sockets->request = more;
	sockets->count = count;
	return true;
}

/* Appends the request that a record makes, and notes that its socket is at it. */
static int append(struct sim_replay *replay, struct sockets *sockets, const struct sim_record *record)
{
	if (replay->requests == replay->capacity) {
		size_t capacity = replay->capacity == 0 ? 1024 : replay->capacity * 2;
		struct sim_request *more = NULL;

		if (capacity < BOUND_TO_ANY)
			more = realloc(replay->request, capacity * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		replay->request = more;
		replay->capacity = capacity;
	}
	replay->request[replay->requests++] = (struct sim_request){ .at_ns = record->at_ns,
								    .hold_ns = SIM_FOR_EVER,
								    .destination = record->destination,
								    .port = record->port,
								    .closer = SIM_RESET };
	replay->connects += record->port == 0;
	sockets->request[record->socket] = (uint32_t)replay->requests;
	return 0;
}

/* The socket's request, if it has one, lasts until now. */
static void finish(struct sim_replay *replay, struct sockets *sockets, const struct sim_record *record,
		   enum sim_closer closer)
{
	uint32_t at = sockets->request[record->socket];
	struct sim_request *request;

	sockets->request[record->socket] = 0;
	if (at == 0 || at == BOUND_TO_ANY)
		return;
	request = &replay->request[at - 1];
	request->hold_ns = record->at_ns - request->at_ns;
	request->closer = closer;
}

/* What the socket asked for last failed for want of a port. */
static void fail(struct sim_replay *replay, struct sockets *sockets, const struct sim_record *record)
{
	uint32_t at = sockets->request[record->socket];
	uint64_t asked_ns = record->at_ns;

	finish(replay, sockets, record, SIM_RESET);
	if (at != 0 && at != BOUND_TO_ANY && replay->request[at - 1].port == 0) {
		replay->request[at - 1].hold_ns = 0;
		asked_ns = replay->request[at - 1].at_ns;
		replay->failed_connects++;
	} else {
		replay->failed_binds++;
	}
	if (replay->first_failed_ns == SIM_FOR_EVER)
		replay->first_failed_ns = asked_ns;
}

static int name(struct sim_replay *replay, const struct berth_endpoint *named)
{
	if (replay->destinations == replay->named_capacity) {
		uint32_t capacity = replay->named_capacity == 0 ? 64 : replay->named_capacity * 2;
		struct berth_endpoint *more = realloc(replay->named, capacity * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		replay->named = more;
		replay->named_capacity = capacity;
	}
	replay->named[replay->destinations++] = *named;
	return 0;
}

/* Takes one record. 0 or -ENOMEM. */
static int take(struct sim_replay *replay, struct sockets *sockets, enum sim_record_kind kind,
		const struct sim_record *record)
{
	if (kind == SIM_RECORD_DESTINATION)
		return name(replay, &record->named);
	if (!make_room(sockets, record->socket))
		return -ENOMEM;
	if (kind == SIM_RECORD_CLOSE) {
		if (record->no_port)
			fail(replay, sockets, record);
		else
			finish(replay, sockets, record, record->closer);
		return 0;
	}
	if (kind == SIM_RECORD_BIND && sockets->request[record->socket] != BOUND_TO_ANY)
		replay->binds++;
	/* A second attempt on one socket: the first has come to nothing. */
	finish(replay, sockets, record, SIM_RESET);
	if (kind == SIM_RECORD_CONNECT || record->port != 0)
		return append(replay, sockets, record);
	sockets->request[record->socket] = BOUND_TO_ANY;
	return 0;
}

static int read_all(struct sim_replay *replay, struct sim_recording *recording, struct sockets *sockets)
{
	struct sim_record record;
	enum sim_record_kind kind;
	int err = 0;

	while (err == 0 && (kind = sim_recording_next(recording, &record)) != SIM_RECORD_END) {
		if (kind == SIM_RECORD_BAD)
			return recording->cut ? 0 : -EBADMSG;
		replay->end_ns = record.at_ns;
		err = take(replay, sockets, kind, &record);
	}
	return err;
}

int sim_replay_start(struct sim_replay *replay, struct sim_recording *recording)
{
	struct sockets sockets = { 0 };
	int err;

	*replay = (struct sim_replay){ .source.next = next_request, .first_failed_ns = SIM_FOR_EVER };
	err = read_all(replay, recording, &sockets);
	free(sockets.request);
	return err;
}

void sim_replay_rewind(struct sim_replay *replay)
{
	replay->given = 0;
}

void sim_replay_end(struct sim_replay *replay)
{
	free(replay->request);
	free(replay->named);
	memset(replay, 0, sizeof(*replay));
}
