/* SPDX-License-Identifier: MIT */
#include "sim/recording.h"

#include <string.h>

static enum sim_record_kind bad(struct sim_recording *recording, const char *fault)
{
	recording->fault = fault;
	return SIM_RECORD_BAD;
}

static uint16_t two_bytes(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

bool sim_recording_open(struct sim_recording *recording, const uint8_t *data, size_t size)
{
	struct sim_recorded_host *host = &recording->host;

	*recording = (struct sim_recording){ .data = data, .size = size };
	if (size < SIM_RECORDING_HEADER || memcmp(data, SIM_RECORDING_MAGIC, 8) != 0) {
		recording->fault = "this is no recording of berth's";
		return false;
	}
	*host = (struct sim_recorded_host){ .hashed = data[9] & SIM_RECORDING_HASHED,
					    .first = two_bytes(data + 10),
					    .last = two_bytes(data + 12),
					    .time_wait_s = two_bytes(data + 14) };
	if (data[8] != SIM_RECORDING_VERSION)
		recording->fault = "a version of the format that is not known here";
	else if ((data[9] & ~SIM_RECORDING_HASHED) != 0)
		recording->fault = "a flag that is not known here";
	else if (host->first > host->last || (host->first == 0 && host->last != 0))
		recording->fault = "a range of ports that is none";
	recording->offset = recording->fault != NULL ? 8 : SIM_RECORDING_HEADER;
	return recording->fault == NULL;
}

/* What is left of the file while a record is read. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool short_of; /* something was missing */
};

static const uint8_t *take_bytes(struct cursor *cursor, size_t count)
{
	const uint8_t *bytes = cursor->at;

	if ((size_t)(cursor->end - cursor->at) < count) {
		cursor->short_of = true;
		return NULL;
	}
	cursor->at += count;
	return bytes;
}

static unsigned take_byte(struct cursor *cursor)
{
	const uint8_t *byte = take_bytes(cursor, 1);

	return byte == NULL ? 0 : *byte;
}

static uint16_t take_port(struct cursor *cursor)
{
	unsigned low = take_byte(cursor);

	return (uint16_t)(low | take_byte(cursor) << 8);
}

/* UINT64_MAX if it is larger than 63 bits: larger than all that is allowed. */
static uint64_t take_varint(struct cursor *cursor)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		unsigned byte = take_byte(cursor);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	return UINT64_MAX;
}

static const char *read_destination(const struct sim_recording *recording, struct cursor *cursor,
				    struct sim_record *record)
{
	const uint8_t *bytes = take_bytes(cursor, sizeof(record->named.address.bytes));

	if (bytes != NULL)
		memcpy(record->named.address.bytes, bytes, sizeof(record->named.address.bytes));
	record->named.port = take_port(cursor);
	return recording->destinations < SIM_DESTINATIONS_MAX ? NULL : "more than 1,000,000 destinations";
}

static const char *read_connect(const struct sim_recording *recording, struct cursor *cursor,
				struct sim_record *record)
{
	uint64_t destination = take_varint(cursor);

	record->destination = (uint32_t)destination;
	return destination < recording->destinations ? NULL : "a destination that was not named before";
}

static const char *read_close(struct cursor *cursor, struct sim_record *record)
{
	unsigned closer = take_byte(cursor);

	record->no_port = closer == SIM_RECORDING_NO_PORT;
	record->closer = record->no_port ? SIM_RESET : (enum sim_closer)closer;
	return closer <= SIM_RECORDING_NO_PORT ? NULL : "a way to close that is not known";
}

/* Everything behind kind and time. NULL or the fault. */
static const char *read_body(const struct sim_recording *recording, struct cursor *cursor,
			     enum sim_record_kind kind, struct sim_record *record)
{
	uint64_t number;

	if (kind == SIM_RECORD_DESTINATION)
		return read_destination(recording, cursor, record);
	number = take_varint(cursor);
	record->socket = (uint32_t)number;
	if (number >= SIM_SOCKETS_MAX)
		return "a socket's number is too large";
	if (kind == SIM_RECORD_CONNECT)
		return read_connect(recording, cursor, record);
	if (kind == SIM_RECORD_CLOSE)
		return read_close(cursor, record);
	record->port = take_port(cursor);
	return NULL;
}

enum sim_record_kind sim_recording_next(struct sim_recording *recording, struct sim_record *ret_record)
{
	struct cursor cursor = { recording->data + recording->offset, recording->data + recording->size,
				 false };
	struct sim_record record = { 0 };
	unsigned kind;
	uint64_t step;
	const char *fault;

	if (recording->fault != NULL)
		return SIM_RECORD_BAD;
	if (cursor.at == cursor.end)
		return SIM_RECORD_END;
	kind = take_byte(&cursor);
	if (kind < SIM_RECORD_DESTINATION || kind > SIM_RECORD_CLOSE)
		return bad(recording, "a kind of record that is not known");
	step = take_varint(&cursor);
	if (step > SIM_RECORDING_MAX_US - recording->now_us)
		return bad(recording, "longer than a year");
	fault = read_body(recording, &cursor, (enum sim_record_kind)kind, &record);
	recording->cut = cursor.short_of;
	if (recording->cut)
		return bad(recording, "the last record is cut short");
	if (fault != NULL)
		return bad(recording, fault);
	recording->now_us += step;
	recording->destinations += kind == SIM_RECORD_DESTINATION;
	recording->offset = (size_t)(cursor.at - recording->data);
	record.at_ns = recording->now_us * 1000;
	*ret_record = record;
	return (enum sim_record_kind)kind;
}
