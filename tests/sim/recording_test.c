/* SPDX-License-Identifier: MIT
 *
 * Recordings: read as written, written as read, refused when wrong.
 */
#include "sim/recording.h"
#include "tests/sim/tape.h"

static void test_read(void **state)
{
	const struct tape tape = whole();
	struct sim_recording recording;
	struct sim_record record;

	(void)state;
	assert_true(sim_recording_open(&recording, tape.byte, tape.size));
	assert_false(recording.host.hashed);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_DESTINATION);
	assert_int_equal(berth_address_to_v4(&record.named.address), 0x7f000001);
	assert_int_equal(record.named.port, 443);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_DESTINATION);
	assert_int_equal(record.named.port, 8080);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_BIND);
	assert_int_equal(record.at_ns, 5000);
	assert_int_equal(record.port, 0);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CONNECT);
	assert_int_equal(record.at_ns, 12000);
	assert_int_equal(record.socket, 3);
	assert_int_equal(record.destination, 1);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_BIND);
	assert_int_equal(record.socket, 300);
	assert_int_equal(record.port, 40001);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CONNECT);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CLOSE);
	assert_int_equal(record.at_ns, 301000012000ull);
	assert_int_equal(record.closer, SIM_CLOSED_BY_PEER);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CLOSE);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_CONNECT);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_END);
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_END);
}

/* Cut anywhere, it is whole records and then either the end or a fault. */
static void test_cut(void **state)
{
	const struct tape tape = whole();
	unsigned ends = 0;

	(void)state;
	for (size_t size = 0; size < tape.size; size++) {
		/* A copy of that size, for the sanitizer to guard its end. */
		uint8_t *copy = malloc(size + 1);
		struct sim_recording recording;
		struct sim_record record;
		enum sim_record_kind kind = SIM_RECORD_BAD;

		memcpy(copy, tape.byte, size);
		if (sim_recording_open(&recording, copy, size))
			while ((kind = sim_recording_next(&recording, &record)) != SIM_RECORD_END &&
			       kind != SIM_RECORD_BAD)
				;
		assert_true((kind == SIM_RECORD_BAD) == (recording.fault != NULL));
		assert_true(recording.cut == (kind == SIM_RECORD_BAD && size >= SIM_RECORDING_HEADER));
		ends += kind == SIM_RECORD_END;
		free(copy);
	}
	assert_int_equal(ends, 9);
}

static void must_be_bad(const struct tape *tape, const char *fault)
{
	struct sim_recording recording;
	struct sim_record record;
	enum sim_record_kind kind = SIM_RECORD_BAD;

	if (sim_recording_open(&recording, tape->byte, tape->size))
		while ((kind = sim_recording_next(&recording, &record)) < SIM_RECORD_BAD &&
		       kind != SIM_RECORD_END)
			;
	assert_int_equal(kind, SIM_RECORD_BAD);
	assert_string_equal(recording.fault, fault);
	/* And stays so. */
	assert_int_equal(sim_recording_next(&recording, &record), SIM_RECORD_BAD);
}

static void test_bad(void **state)
{
	struct tape tape = blank();

	(void)state;
	tape.byte[0] = 'B';
	must_be_bad(&tape, "this is no recording of berth's");
	tape = blank();
	tape.byte[8] = 2;
	must_be_bad(&tape, "a version of the format that is not known here");
	tape = blank();
	tape.byte[9] = 2;
	must_be_bad(&tape, "a flag that is not known here");
	tape = blank();
	tape.byte[12] = 1; /* a last port, and no first */
	must_be_bad(&tape, "a range of ports that is none");
	tape = blank();
	tape.byte[10] = 2;
	tape.byte[12] = 1;
	must_be_bad(&tape, "a range of ports that is none");
	tape = blank();
	put_record(&tape, SIM_RECORD_BAD, 0);
	must_be_bad(&tape, "a kind of record that is not known");
	tape = blank();
	put_bind(&tape, SIM_RECORDING_MAX_US, 0, 0);
	put_bind(&tape, 1, 0, 0);
	must_be_bad(&tape, "longer than a year");
	tape = blank();
	put_byte(&tape, SIM_RECORD_BIND);
	for (unsigned i = 0; i < 12; i++)
		put_byte(&tape, 0xff);
	must_be_bad(&tape, "longer than a year");
	tape = blank();
	put_bind(&tape, 0, SIM_SOCKETS_MAX, 0);
	must_be_bad(&tape, "a socket's number is too large");
	tape = blank();
	put_destination(&tape, 1, 1);
	put_connect(&tape, 0, 0, 1);
	must_be_bad(&tape, "a destination that was not named before");
	tape = blank();
	put_close(&tape, 0, 0, 4);
	must_be_bad(&tape, "a way to close that is not known");
	tape = blank();
	put_byte(&tape, SIM_RECORD_CLOSE);
	must_be_bad(&tape, "the last record is cut short");
}

/* ---- writing ---- */

static void write_record(struct tape *tape, struct sim_recording_writer *writer, enum sim_record_kind kind,
			 const struct sim_record *record)
{
	size_t size;

	assert_true(tape->size + SIM_RECORD_BYTES <= sizeof(tape->byte));
	size = sim_recording_put(writer, kind, record, tape->byte + tape->size);
	assert_in_range(size, 1, SIM_RECORD_BYTES);
	tape->size += size;
}

/* What was read of a recording and is written again is the same, byte by byte. */
static void test_write(void **state)
{
	struct tape tape = whole(), again = { .size = SIM_RECORDING_HEADER };
	struct sim_recording_writer writer;
	struct sim_recording recording;
	struct sim_record record;
	enum sim_record_kind kind;

	(void)state;
	memcpy(tape.byte + 9, "\1\0\4\377\377\54\1", 7);
	put_close(&tape, 3, 4, SIM_RECORDING_NO_PORT);
	assert_true(sim_recording_open(&recording, tape.byte, tape.size));
	assert_true(recording.host.hashed);
	assert_int_equal(recording.host.first, 1024);
	assert_int_equal(recording.host.last, 65535);
	assert_int_equal(recording.host.time_wait_s, 300);
	sim_recording_begin(&writer, &recording.host, again.byte);
	while ((kind = sim_recording_next(&recording, &record)) != SIM_RECORD_END) {
		assert_int_not_equal(kind, SIM_RECORD_BAD);
		write_record(&again, &writer, kind, &record);
	}
	assert_true(record.no_port && record.closer == SIM_RESET);
	assert_int_equal(again.size, tape.size);
	assert_memory_equal(again.byte, tape.byte, tape.size);
}

static struct sim_record random_record(struct dice *dice, enum sim_record_kind kind, uint32_t destinations,
				       uint64_t *now_us)
{
	struct sim_record record = { 0 };

	*now_us += roll(dice) >> (26 + roll_below(dice, 38)); /* up to three days */
	record.at_ns = *now_us * 1000;
	if (kind == SIM_RECORD_DESTINATION) {
		record.named.address = berth_address_v4((uint32_t)roll(dice));
		record.named.port = (uint16_t)roll(dice);
		return record;
	}
	record.socket = roll_below(dice, SIM_SOCKETS_MAX) >> roll_below(dice, 20);
	if (kind == SIM_RECORD_BIND)
		record.port = (uint16_t)roll(dice);
	if (kind == SIM_RECORD_CONNECT)
		record.destination = roll_below(dice, destinations);
	if (kind == SIM_RECORD_CLOSE) {
		record.no_port = roll_below(dice, 4) == 0;
		record.closer = record.no_port ? SIM_RESET : (enum sim_closer)roll_below(dice, 3);
	}
	return record;
}

static bool equal(const struct sim_record *a, const struct sim_record *b)
{
	return a->at_ns == b->at_ns && berth_endpoint_equal(&a->named, &b->named) && a->socket == b->socket &&
	       a->destination == b->destination && a->port == b->port && a->closer == b->closer &&
	       a->no_port == b->no_port;
}

static void write_and_read(struct run *run)
{
	struct sim_record wanted[60], record;
	enum sim_record_kind kind[60];
	struct sim_recording_writer writer = { 0 };
	struct sim_recording recording;
	struct tape tape = blank();
	uint64_t now_us = 0;

	for (unsigned i = 0; i < COUNT(kind); i++) {
		kind[i] = i == 0 ? SIM_RECORD_DESTINATION
				 : (enum sim_record_kind)(SIM_RECORD_DESTINATION + roll_below(&run->dice, 4));
		wanted[i] = random_record(&run->dice, kind[i], writer.destinations, &now_us);
		write_record(&tape, &writer, kind[i], &wanted[i]);
	}
	AGREE(run, sim_recording_open(&recording, tape.byte, tape.size));
	for (unsigned i = 0; i < COUNT(kind) && run->wrong == NULL; i++) {
		AGREE(run, sim_recording_next(&recording, &record) == kind[i]);
		AGREE(run, equal(&record, &wanted[i]));
	}
	AGREE(run, sim_recording_next(&recording, &record) == SIM_RECORD_END);
}

/* Whatever is written is read. */
static void test_round_trip(void **state)
{
	uint64_t seed = test_seed();
	struct run run = { .dice = { seed }, .seed = seed };

	(void)state;
	for (; run.step < 500 && run.wrong == NULL; run.step++)
		write_and_read(&run);
	assert_agreed(&run);
}

/* What no reader would take is not written, and time does not go back. */
static void test_bounds(void **state)
{
	struct sim_recording_writer writer = { 0 };
	struct sim_record record = { .named.port = 1 };
	uint8_t byte[SIM_RECORD_BYTES];

	(void)state;
	assert_int_equal(sim_recording_put(&writer, SIM_RECORD_CONNECT, &record, byte), 0);
	assert_int_equal(sim_recording_put(&writer, SIM_RECORD_END, &record, byte), 0);
	record.at_ns = (SIM_RECORDING_MAX_US + 1) * 1000;
	assert_int_equal(sim_recording_put(&writer, SIM_RECORD_DESTINATION, &record, byte), 0);
	record.at_ns = 5000999;
	assert_int_equal(sim_recording_put(&writer, SIM_RECORD_DESTINATION, &record, byte), 21);
	assert_int_equal(writer.now_us, 5000);
	record.at_ns = 4000000;
	assert_int_equal(sim_recording_put(&writer, SIM_RECORD_CONNECT, &record, byte), 4);
	assert_int_equal(byte[1], 0);
	record.socket = SIM_SOCKETS_MAX;
	for (unsigned kind = SIM_RECORD_BIND; kind <= SIM_RECORD_CLOSE; kind++)
		assert_int_equal(sim_recording_put(&writer, kind, &record, byte), 0);
	writer.destinations = SIM_DESTINATIONS_MAX;
	assert_int_equal(sim_recording_put(&writer, SIM_RECORD_DESTINATION, &record, byte), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad),	   cmocka_unit_test(test_write),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("recordings", tests, NULL, NULL);
}
