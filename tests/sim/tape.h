/* SPDX-License-Identifier: MIT
 *
 * Recordings made by hand, byte by byte, for what reads them: nothing here is the writer's (sim/recording_write.c).
 */
#ifndef BERTH_TESTS_SIM_TAPE_H
#define BERTH_TESTS_SIM_TAPE_H

#include "sim/recording.h"
#include "tests/sim/sim_test.h"

/* A recording in the making. */
struct tape {
	uint8_t byte[4096];
	size_t size;
};

static inline void put_byte(struct tape *tape, unsigned value)
{
	assert_true(tape->size < sizeof(tape->byte));
	tape->byte[tape->size++] = (uint8_t)value;
}

static inline void put_varint(struct tape *tape, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte(tape, (unsigned)(value & 0x7f) | 0x80);
	put_byte(tape, (unsigned)value);
}

static inline void put_record(struct tape *tape, enum sim_record_kind kind, uint64_t after_us)
{
	put_byte(tape, kind);
	put_varint(tape, after_us);
}

static inline void put_destination(struct tape *tape, uint32_t v4, unsigned port)
{
	struct berth_address address = berth_address_v4(v4);

	put_record(tape, SIM_RECORD_DESTINATION, 0);
	for (unsigned i = 0; i < sizeof(address.bytes); i++)
		put_byte(tape, address.bytes[i]);
	put_byte(tape, port & 0xff);
	put_byte(tape, port >> 8);
}

static inline void put_bind(struct tape *tape, uint64_t after_us, uint64_t socket, unsigned port)
{
	put_record(tape, SIM_RECORD_BIND, after_us);
	put_varint(tape, socket);
	put_byte(tape, port & 0xff);
	put_byte(tape, port >> 8);
}

static inline void put_connect(struct tape *tape, uint64_t after_us, uint64_t socket, uint64_t destination)
{
	put_record(tape, SIM_RECORD_CONNECT, after_us);
	put_varint(tape, socket);
	put_varint(tape, destination);
}

static inline void put_close(struct tape *tape, uint64_t after_us, uint64_t socket, unsigned closer)
{
	put_record(tape, SIM_RECORD_CLOSE, after_us);
	put_varint(tape, socket);
	put_byte(tape, closer);
}

static inline struct tape blank(void)
{
	struct tape tape = { .size = SIM_RECORDING_HEADER };

	memcpy(tape.byte, SIM_RECORDING_MAGIC, 8);
	tape.byte[8] = SIM_RECORDING_VERSION;
	return tape;
}

static inline struct tape whole(void)
{
	struct tape tape = blank();

	put_destination(&tape, 0x7f000001, 443);
	put_destination(&tape, 0xc0000201, 8080);
	put_bind(&tape, 5, 3, 0);
	put_connect(&tape, 7, 3, 1);
	put_bind(&tape, 1000000, 300, 40001);
	put_connect(&tape, 0, 4, 0);
	put_close(&tape, 300000000, 3, SIM_CLOSED_BY_PEER);
	put_close(&tape, 1, 300, SIM_RESET);
	put_connect(&tape, 2, 3, 0);
	return tape;
}

#endif
