/* SPDX-License-Identifier: MIT */
#include "cli/record_report.h"

#include <stdio.h>
#include <unistd.h>

#include "view/text.h"

static const char *const end_names[] = {
	[RECORD_ENDED_BY_SIGNAL] = "signal",
	[RECORD_ENDED_BY_TIME] = "duration",
	[RECORD_ENDED_BY_SIZE] = "max-size",
};

void record_report_begin(const struct record_report *report)
{
	fprintf(stderr, "berth record: recording into %s%s\n", report->file,
		isatty(STDERR_FILENO) ? "; Ctrl-C ends it" : "");
}

void record_report_progress(const struct tape *tape, uint64_t now_ns)
{
	const struct tape_sums *sums = &tape->sums;
	char connects[VIEW_NUMBER_TEXT], failed[VIEW_NUMBER_TEXT], size[VIEW_NUMBER_TEXT];

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%.0f s: %s connects, %s failed, %s bytes",
			(double)(now_ns - tape->start_ns) / 1e9, view_number_text(sums->connects, connects),
			view_number_text(sums->failed_connects + sums->failed_binds, failed),
			view_number_text(tape->size, size));
}

void record_report_end(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static uint64_t open_at_end(const struct tape_sums *sums)
{
	return sums->found + sums->connects - sums->failed_connects - sums->closed[SIM_CLOSED_HERE] -
	       sums->closed[SIM_CLOSED_BY_PEER] - sums->closed[SIM_RESET];
}

static void print_found(const struct tape_sums *sums)
{
	char a[VIEW_NUMBER_TEXT], b[VIEW_NUMBER_TEXT], c[VIEW_NUMBER_TEXT], d[VIEW_NUMBER_TEXT];

	printf("At the start  %s connections, %s in TIME_WAIT, %s sockets bound or listening, %s ports reserved\n",
	       view_number_text(sums->found, a), view_number_text(sums->found_waiting, b),
	       view_number_text(sums->found_held, c), view_number_text(sums->found_reserved, d));
}

static void print_losses(const struct record_report *report)
{
	char number[VIEW_NUMBER_TEXT];

	if (report->lost)
		printf("Lost          %s reports of the kernel's: they came faster than they were read\n",
		       view_number_text(report->lost, number));
	if (report->tape->sums.left_out)
		printf("Left out      %s binds and connects: a recording has at most 1,048,576 sockets at a time and "
		       "1,000,000 destinations\n",
		       view_number_text(report->tape->sums.left_out, number));
	if (report->end == RECORD_ENDED_BY_SIZE)
		puts("Ended by --max-size: what came then is not recorded.");
}

void record_report_print(const struct record_report *report)
{
	const struct tape_sums *sums = &report->tape->sums;
	char a[VIEW_NUMBER_TEXT], b[VIEW_NUMBER_TEXT], c[VIEW_NUMBER_TEXT], d[VIEW_NUMBER_TEXT];

	printf("%s: %.1f s, %s bytes%s\n", report->file, report->lasted_s,
	       view_number_text(report->tape->size, a), report->tape->hashed ? ", addresses hashed" : "");
	print_found(sums);
	printf("Connects      %s, to %s destinations; %s failed for want of a port\n",
	       view_number_text(sums->connects, a), view_number_text(report->tape->writer.destinations, b),
	       report->by_looks ? "not known how many" : view_number_text(sums->failed_connects, c));
	printf("Binds         %s", view_number_text(sums->binds, a));
	if (!report->by_looks)
		printf("; %s to port 0 failed", view_number_text(sums->failed_binds, b));
	printf("\nClosed        %s here first, %s by the peer, %s without TIME_WAIT; %s open at the end\n",
	       view_number_text(sums->closed[SIM_CLOSED_HERE], a),
	       view_number_text(sums->closed[SIM_CLOSED_BY_PEER], b),
	       view_number_text(sums->closed[SIM_RESET], c), view_number_text(open_at_end(sums), d));
	print_losses(report);
}

/* What looks do not see is null. */
static json_t *seen(const struct record_report *report, uint64_t count)
{
	return report->by_looks ? json_null() : json_integer((json_int_t)count);
}

json_t *record_report_json(const struct record_report *report)
{
	const struct tape_sums *sums = &report->tape->sums;

	return json_pack(
		"{s:s, s:s, s:b, s:s, s:f, s:I, s:I, s:I, s:o, s:I, s:o, s:{s:I, s:I, s:I}, s:I, s:{s:I, s:I, s:I, s:I}, "
		"s:o, s:I}",
		"file", report->file, "seen_by", report->by_looks ? "looks" : "kernel", "addresses_hashed",
		report->tape->hashed, "ended_by", end_names[report->end], "duration_s", report->lasted_s,
		"bytes", (json_int_t)report->tape->size, "destinations",
		(json_int_t)report->tape->writer.destinations, "connects", (json_int_t)sums->connects,
		"failed_connects", seen(report, sums->failed_connects), "binds", (json_int_t)sums->binds,
		"failed_binds", seen(report, sums->failed_binds), "closed", "here",
		(json_int_t)sums->closed[SIM_CLOSED_HERE], "by_peer",
		(json_int_t)sums->closed[SIM_CLOSED_BY_PEER], "without_time_wait",
		(json_int_t)sums->closed[SIM_RESET], "open", (json_int_t)open_at_end(sums), "at_start",
		"connections", (json_int_t)sums->found, "time_wait", (json_int_t)sums->found_waiting, "held",
		(json_int_t)sums->found_held, "reserved", (json_int_t)sums->found_reserved, "lost",
		seen(report, report->lost), "left_out", (json_int_t)sums->left_out);
}
