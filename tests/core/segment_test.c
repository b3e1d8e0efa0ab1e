/* SPDX-License-Identifier: MIT
 *
 * Segments in TIME_WAIT: one row for each rule, and each row of RFC 6191's table.
 */
#include "core/segment.h"
#include "tests/core/test.h"

#define SYN BERTH_SEGMENT_SYN
#define ACK BERTH_SEGMENT_ACK
#define FIN BERTH_SEGMENT_FIN
#define RST BERTH_SEGMENT_RST

/* The peer's FIN had sequence number 4999, ours 8999; the last timestamp seen was 700. */
#define RCV_NXT 5000u
#define SND_NXT 9000u
#define TS	700u

struct row {
	const char *what;
	bool old_timestamps;
	struct berth_segment segment;
	enum berth_segment_action action;
};

static const struct row rows[] = {
	/* RFC 6191 section 2, row by row. */
	{ "ts, ts, TSval greater, SEQ greater", true, { SYN, 6000, 0, 0, true, 701 }, BERTH_SEGMENT_REOPEN },
	{ "ts, ts, TSval greater, SEQ less", true, { SYN, 100, 0, 0, true, 701 }, BERTH_SEGMENT_REOPEN },
	{ "ts, ts, TSval equal, SEQ greater", true, { SYN, 5000, 0, 0, true, 700 }, BERTH_SEGMENT_REOPEN },
	{ "ts, ts, TSval equal, SEQ equal", true, { SYN, 4999, 0, 0, true, 700 }, BERTH_SEGMENT_DROP },
	{ "ts, ts, TSval equal, SEQ less", true, { SYN, 100, 0, 0, true, 700 }, BERTH_SEGMENT_DROP },
	{ "ts, ts, TSval less, SEQ greater", true, { SYN, 6000, 0, 0, true, 699 }, BERTH_SEGMENT_DROP },
	{ "ts, ts, TSval less, SEQ less", true, { SYN, 100, 0, 0, true, 699 }, BERTH_SEGMENT_DROP },
	{ "ts, no ts, SEQ greater", true, { SYN, 5000, 0, 0, false, 0 }, BERTH_SEGMENT_REOPEN },
	{ "ts, no ts, SEQ equal", true, { SYN, 4999, 0, 0, false, 0 }, BERTH_SEGMENT_DROP },
	{ "ts, no ts, SEQ less", true, { SYN, 100, 0, 0, false, 0 }, BERTH_SEGMENT_DROP },
	{ "no ts, ts, SEQ greater", false, { SYN, 5000, 0, 0, true, 1 }, BERTH_SEGMENT_REOPEN },
	{ "no ts, ts, SEQ less", false, { SYN, 100, 0, 0, true, 1 }, BERTH_SEGMENT_REOPEN },
	{ "no ts, no ts, SEQ greater", false, { SYN, 5000, 0, 0, false, 0 }, BERTH_SEGMENT_REOPEN },
	{ "no ts, no ts, SEQ equal", false, { SYN, 4999, 0, 0, false, 0 }, BERTH_SEGMENT_DROP },
	{ "no ts, no ts, SEQ less", false, { SYN, 100, 0, 0, false, 0 }, BERTH_SEGMENT_DROP },

	/* A SYN that asks for nothing new: RFC 5961 section 4. */
	{ "SYN,ACK", true, { SYN | ACK, 6000, SND_NXT, 0, true, 701 }, BERTH_SEGMENT_SEND_ACK },
	{ "SYN,FIN", true, { SYN | FIN, 6000, 0, 0, true, 701 }, BERTH_SEGMENT_SEND_ACK },

	/* RFC 1337 F1: nothing with RST ends TIME_WAIT. */
	{ "RST at rcv_nxt", true, { RST, RCV_NXT, 0, 0, true, 701 }, BERTH_SEGMENT_DROP },
	{ "RST,ACK", false, { RST | ACK, RCV_NXT, SND_NXT, 0, false, 0 }, BERTH_SEGMENT_DROP },
	{ "RST elsewhere", false, { RST, 100, 0, 0, false, 0 }, BERTH_SEGMENT_DROP },
	{ "RST,SYN", true, { RST | SYN, 6000, 0, 0, true, 701 }, BERTH_SEGMENT_DROP },

	/* RFC 9293 section 3.10.7.4: the peer's FIN again. */
	{ "FIN again", false, { FIN | ACK, 4999, SND_NXT, 0, false, 0 }, BERTH_SEGMENT_SEND_ACK_RESTART },
	{ "FIN again with its data",
	  false,
	  { FIN | ACK, 4899, SND_NXT, 100, false, 0 },
	  BERTH_SEGMENT_SEND_ACK_RESTART },
	{ "FIN again, same timestamp",
	  true,
	  { FIN | ACK, 4999, SND_NXT, 0, true, 700 },
	  BERTH_SEGMENT_SEND_ACK_RESTART },
	{ "FIN again, sent before our FIN came",
	  true,
	  { FIN | ACK, 4999, SND_NXT - 1, 0, true, 701 },
	  BERTH_SEGMENT_SEND_ACK_RESTART },
	{ "FIN, old timestamp (PAWS)",
	  true,
	  { FIN | ACK, 4999, SND_NXT, 0, true, 699 },
	  BERTH_SEGMENT_SEND_ACK },
	{ "FIN without ACK", false, { FIN, 4999, 0, 0, false, 0 }, BERTH_SEGMENT_SEND_ACK },
	{ "another FIN, behind the last",
	  false,
	  { FIN | ACK, 5000, SND_NXT, 0, false, 0 },
	  BERTH_SEGMENT_SEND_ACK },
	{ "another FIN, long before",
	  false,
	  { FIN | ACK, 100, SND_NXT, 0, false, 0 },
	  BERTH_SEGMENT_SEND_ACK },

	/* Not acceptable: ACK. Acceptable: nothing, or two ends would answer each other for ever. */
	{ "old data", false, { ACK, 4000, SND_NXT, 500, false, 0 }, BERTH_SEGMENT_SEND_ACK },
	{ "data behind the FIN", false, { ACK, 5000, SND_NXT, 1, false, 0 }, BERTH_SEGMENT_SEND_ACK },
	{ "old ACK", false, { ACK, 4000, SND_NXT, 0, false, 0 }, BERTH_SEGMENT_SEND_ACK },
	{ "the last ACK again", false, { ACK, RCV_NXT, SND_NXT, 0, false, 0 }, BERTH_SEGMENT_DROP },
	{ "ACK of what was never sent",
	  false,
	  { ACK, RCV_NXT, SND_NXT + 1, 0, false, 0 },
	  BERTH_SEGMENT_SEND_ACK },
	{ "no flag at all", false, { 0, RCV_NXT, 0, 0, false, 0 }, BERTH_SEGMENT_DROP },
};

/* Each row at several places of the sequence and timestamp circles: only differences may count. */
static void test_rows(void **state)
{
	static const uint32_t shifts[] = { 0, 0xffffffff - 5000, 0xffffffff - 4998, 0x80000000, 0x7fffec78 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t k = 0; k < COUNT(shifts); k++) {
			struct berth_segment segment = rows[i].segment;
			struct berth_segment_state old = { SND_NXT + shifts[k], RCV_NXT + shifts[k],
							   TS + shifts[k], rows[i].old_timestamps };
			enum berth_segment_action action;

			segment.seq += shifts[k];
			segment.ack += shifts[k];
			segment.tsval += shifts[k];
			action = berth_segment_decide(&old, &segment);
			if (action != rows[i].action)
				fail_msg("%s (shift %u): %s, not %s", rows[i].what, shifts[k],
					 berth_segment_action_name(action),
					 berth_segment_action_name(rows[i].action));
		}
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(berth_segment_action_name(BERTH_SEGMENT_DROP), "drop");
	assert_string_equal(berth_segment_action_name(BERTH_SEGMENT_REOPEN), "reopen");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_names) };

	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
