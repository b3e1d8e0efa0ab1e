/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "sim/recording.h"

static uint8_t *put_two(uint8_t *at, unsigned value)
{
	*at++ = (uint8_t)value;
	*at++ = (uint8_t)(value >> 8);
	return at;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

void sim_recording_begin(struct sim_recording_writer *writer, const struct sim_recorded_host *host,
			 uint8_t ret_bytes[SIM_RECORDING_HEADER])
{
	static const char magic[] = SIM_RECORDING_MAGIC;
	uint8_t *at = ret_bytes;

	*writer = (struct sim_recording_writer){ 0 };
	for (const char *letter = magic; *letter != '\0'; letter++)
		*at++ = (uint8_t)*letter;
	*at++ = SIM_RECORDING_VERSION;
	*at++ = host->hashed ? SIM_RECORDING_HASHED : 0;
	at = put_two(at, host->first);
	at = put_two(at, host->last);
	put_two(at, host->time_wait_s);
}

static bool is_within_bounds(const struct sim_recording_writer *writer, enum sim_record_kind kind,
			     const struct sim_record *record)
{
	if (record->at_ns / 1000 > SIM_RECORDING_MAX_US)
		return false;
	switch (kind) {
	case SIM_RECORD_DESTINATION:
		return writer->destinations < SIM_DESTINATIONS_MAX;
	case SIM_RECORD_CONNECT:
		return record->socket < SIM_SOCKETS_MAX && record->destination < writer->destinations;
	case SIM_RECORD_BIND:
	case SIM_RECORD_CLOSE:
		return record->socket < SIM_SOCKETS_MAX;
	default:
		return false;
	}
}

size_t sim_recording_put(struct sim_recording_writer *writer, enum sim_record_kind kind,
			 const struct sim_record *record, uint8_t ret_bytes[SIM_RECORD_BYTES])
{
	uint64_t at_us = record->at_ns / 1000;
	uint8_t *at = ret_bytes;

	if (!is_within_bounds(writer, kind, record))
		return 0;
	if (at_us < writer->now_us)
		at_us = writer->now_us;
	*at++ = (uint8_t)kind;
	at = put_varint(at, at_us - writer->now_us);
	if (kind == SIM_RECORD_DESTINATION) {
		memcpy(at, record->named.address.bytes, sizeof(record->named.address.bytes));
		at = put_two(at + sizeof(record->named.address.bytes), record->named.port);
		writer->destinations++;
	} else {
		at = put_varint(at, record->socket);
	}
	if (kind == SIM_RECORD_BIND)
		at = put_two(at, record->port);
	else if (kind == SIM_RECORD_CONNECT)
		at = put_varint(at, record->destination);
	else if (kind == SIM_RECORD_CLOSE)
		*at++ = record->no_port ? SIM_RECORDING_NO_PORT : (uint8_t)record->closer;
	writer->now_us = at_us;
	return (size_t)(at - ret_bytes);
}
