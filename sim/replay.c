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

		if (capacity <= UINT32_MAX)
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

	if (at == 0)
		return;
	request = &replay->request[at - 1];
	request->hold_ns = record->at_ns - request->at_ns;
	request->closer = closer;
	sockets->request[record->socket] = 0;
}

static int read_all(struct sim_replay *replay, struct sim_recording *recording, struct sockets *sockets)
{
	struct sim_record record;
	enum sim_record_kind kind;
	int err = 0;

	while (err == 0 && (kind = sim_recording_next(recording, &record)) != SIM_RECORD_END) {
		if (kind == SIM_RECORD_BAD)
			return -EBADMSG;
		replay->end_ns = record.at_ns;
		if (!make_room(sockets, record.socket))
			return -ENOMEM;
		if (kind == SIM_RECORD_CLOSE) {
			finish(replay, sockets, &record, record.closer);
		} else if (kind == SIM_RECORD_CONNECT || (kind == SIM_RECORD_BIND && record.port != 0)) {
			/* A second attempt on one socket: the first has come to nothing. */
			finish(replay, sockets, &record, SIM_RESET);
			err = append(replay, sockets, &record);
		}
	}
	return err;
}

int sim_replay_start(struct sim_replay *replay, struct sim_recording *recording)
{
	struct sockets sockets = { 0 };
	int err;

	*replay = (struct sim_replay){ .source.next = next_request };
	err = read_all(replay, recording, &sockets);
	free(sockets.request);
	replay->destinations = recording->destinations;
	return err;
}

void sim_replay_rewind(struct sim_replay *replay)
{
	replay->given = 0;
}

void sim_replay_end(struct sim_replay *replay)
{
	free(replay->request);
	memset(replay, 0, sizeof(*replay));
}
