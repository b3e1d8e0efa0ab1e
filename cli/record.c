/* SPDX-License-Identifier: MIT
 *
 * berth record: what connects and closes on this host, into a file.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/destination.h"
#include "cli/look.h"
#include "cli/record_kernel.h"
#include "cli/record_looks.h"
#include "cli/record_report.h"
#include "cli/record_tape.h"
#include "cli/sim_options.h"
#include "host/clock.h"
#include "host/sysctl.h"
#include "view/snapshot.h"

#define SECOND_NS      1000000000ull
#define READ_EVERY_NS  25000000ull
#define SIZE_DEFAULT   (256ull << 20)
#define SIZE_MIN       4096u
#define SIZE_MAX_TAKEN (1ull << 40)
#define SHORTEST_S     0.05

static const char help[] =
	"Usage: berth record [OPTION...] FILE\n"
	"Records which TCP sockets of this network namespace bind, connect and close, and when, until it is\n"
	"interrupted (SIGINT, SIGTERM). 'berth replay' says what the policies would have made of it. As root each call\n"
	"is seen, by eBPF, with the daemon or without it. Otherwise the kernel's socket table is looked at again and\n"
	"again, and what is missing then is said.\n\n"
	"  -d, --duration=T          end after a time, in seconds, or with s, m, h or d behind it\n"
	"      --destination=ADDRESS:PORT\n"
	"                            only connections to there, and what holds ports\n"
	"      --hash-addresses      a keyed hash in place of each address, and nobody keeps the key\n"
	"      --max-size=N[K|M|G]   end when the file is so large (256M); a connection is ten bytes or so\n"
	"  -i, --interval=SECONDS    between two looks, where eBPF cannot be had (1)\n"
	"      --json                print one object instead of a text, when it ends\n"
	"  -h, --help                this text\n"
	"FILE must not be there yet; it is made for its owner only, and a recording at any time.\n\n"
	"The object:\n"
	"  file, bytes, addresses_hashed, duration_s\n"
	"  seen_by           kernel, or looks, which do not see what is null then\n"
	"  ended_by          signal, duration or max-size\n"
	"  destinations      pairs of local address and destination\n"
	"  connects, binds   that were made; failed_connects and failed_binds: of these, for want of a port\n"
	"  closed            connections: here first, by_peer, without_time_wait; open: at the end\n"
	"  at_start          what there was: connections, time_wait, held (sockets bound or listening), reserved\n"
	"  lost              reports of the kernel's that came too fast; left_out: binds and connects beyond what\n"
	"                    a recording can have\n";

struct request {
	const char *file;
	const char *destination; /* NULL: all */
	double duration_s, interval_s;
	uint64_t max_size;
	bool hash, json;
};

enum {
	OPTION_DESTINATION = OPTION_OWN,
	OPTION_HASH,
	OPTION_MAX_SIZE,
};

static const struct option long_options[] = {
	{ "duration", required_argument, NULL, 'd' },
	{ "destination", required_argument, NULL, OPTION_DESTINATION },
	{ "hash-addresses", no_argument, NULL, OPTION_HASH },
	{ "max-size", required_argument, NULL, OPTION_MAX_SIZE },
	{ "interval", required_argument, NULL, 'i' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* ---- the command line ---- */

static int take_size(uint64_t *ret_size)
{
	static const char units[] = "KMG";
	unsigned long long number;
	const char *unit;
	unsigned shift;
	char *end;

	number = *optarg >= '0' && *optarg <= '9' ? strtoull(optarg, &end, 10) : SIZE_MAX_TAKEN + 1;
	if (number <= SIZE_MAX_TAKEN) {
		unit = *end == '\0' ? NULL : strchr(units, *end);
		shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
		if ((*end == '\0' || (unit && end[1] == '\0')) && number <= SIZE_MAX_TAKEN >> shift &&
		    number << shift >= SIZE_MIN) {
			*ret_size = number << shift;
			return -1;
		}
	}
	return usage_error("record", "--max-size=%s: bytes, or with K, M or G behind them, from 4K to 1024G",
			   optarg);
}

static int take_option(int option, void *context)
{
	struct request *request = context;
	const char *rest;

	switch (option) {
	case 'd':
		if (sim_read_time(optarg, &request->duration_s, &rest) && *rest == '\0' &&
		    request->duration_s > 0)
			return -1;
		return usage_error(
			"record",
			"--duration=%s: a time is a number and s, m, h or d, at most 366d, and not 0",
			optarg);
	case 'i':
		if (read_number(optarg, "s", SHORTEST_S, LONGEST_INTERVAL_S, &request->interval_s))
			return -1;
		return usage_error("record", "--interval=%s: from 0.05 to 3600 seconds", optarg);
	case OPTION_DESTINATION:
		request->destination = optarg;
		return -1;
	case OPTION_HASH:
		request->hash = true;
		return -1;
	case OPTION_MAX_SIZE:
		return take_size(&request->max_size);
	default:
		request->json = true;
		return -1;
	}
}

static const struct command_options command_options = { "record",     help, ":d:i:h",
							long_options, NULL, take_option };

/* ---- the recording ---- */

/* Where it comes from: one of the two. */
struct source {
	struct record_kernel *kernel; /* NULL: looks */
	struct record_looks looks;
	uint64_t next_ns; /* the next look */
	uint64_t interval_ns;
};

static void fill_host(const struct request *request, const struct port_sysctls *ports,
		      struct sim_recorded_host *ret_host)
{
	*ret_host = (struct sim_recorded_host){ .hashed = request->hash,
						.first = (uint16_t)ports->first,
						.last = (uint16_t)ports->last,
						.time_wait_s = VIEW_TIME_WAIT_MS / 1000 };
}

/* Reserved ports beyond the range are nobody's to give. */
static void find_reserved(const struct port_sysctls *ports, struct berth_port_set *ret_reserved)
{
	*ret_reserved = (struct berth_port_set){ 0 };
	for (unsigned port = ports->first; port <= ports->last; port++)
		if (berth_port_set_contains(&ports->reserved, port))
			berth_port_set_add(ret_reserved, port);
}

/* What there is at the start. 0 or negative errno. */
static int find(struct source *source, struct tape *tape, const struct port_sysctls *ports)
{
	struct berth_port_set reserved;
	int error;

	find_reserved(ports, &reserved);
	source->looks.tape = tape;
	tape_begin_finding(tape, &reserved);
	error = record_looks_take(&source->looks);
	tape_end_finding(tape);
	source->next_ns = clock_ns() + source->interval_ns;
	return error;
}

/* Takes what has happened. 0 or negative errno. */
static int take(struct source *source, uint64_t now_ns)
{
	if (source->kernel) {
		record_kernel_read(source->kernel);
		return 0;
	}
	if (now_ns < source->next_ns)
		return 0;
	source->next_ns = now_ns + source->interval_ns;
	return record_looks_take(&source->looks);
}

/* Until it is to end: 0 or negative errno. */
static int run(const struct request *request, struct source *source, struct tape *tape, const sigset_t *ends,
	       enum record_end *ret_end)
{
	const struct timespec nap = { .tv_nsec = READ_EVERY_NS };
	uint64_t end_ns =
		request->duration_s > 0 ? tape->start_ns + (uint64_t)(request->duration_s * 1e9) : UINT64_MAX;
	uint64_t told_ns = 0, now_ns;
	int error = 0;

	*ret_end = RECORD_ENDED_BY_SIGNAL;
	while (error == 0 && sigtimedwait(ends, NULL, &nap) < 0) {
		now_ns = clock_ns();
		error = take(source, now_ns);
		if (now_ns - told_ns >= SECOND_NS) {
			told_ns = now_ns;
			tape_flush(tape);
			record_report_progress(tape, now_ns);
		}
		if (tape->is_full || tape->error != 0) {
			*ret_end = RECORD_ENDED_BY_SIZE;
			return error;
		}
		if (now_ns >= end_ns) {
			*ret_end = RECORD_ENDED_BY_TIME;
			break;
		}
	}
	source->next_ns = 0;
	return error ? error : take(source, clock_ns());
}

static int print(const struct request *request, const struct record_report *report)
{
	if (request->json)
		return print_json(record_report_json(report), JSON_INDENT(2))
			       ? failure("record", "%s", strerror(ENOMEM))
			       : EXIT_OK;
	record_report_print(report);
	return EXIT_OK;
}

/* With a tape and a source. Exit status. */
static int record(const struct request *request, struct source *source, struct tape *tape,
		  const struct port_sysctls *ports, const sigset_t *ends)
{
	struct record_report report = { .file = request->file, .tape = tape, .by_looks = !source->kernel };
	int error = find(source, tape, ports);

	record_report_begin(&report);
	if (!error)
		error = run(request, source, tape, ends, &report.end);
	report.lasted_s = (double)(clock_ns() - tape->start_ns) / 1e9;
	report.lost = record_kernel_lost(source->kernel);
	tape_close(tape);
	record_report_end();
	if (error)
		return failure("record", "cannot read the kernel's socket table: %s", strerror(-error));
	if (tape->error)
		return failure("record", "%s: %s; what is in it, %llu bytes, is a recording", request->file,
			       strerror(-tape->error), (unsigned long long)tape->size);
	return print(request, &report);
}

static int start(const struct request *request, const struct berth_endpoint *only)
{
	static struct tape tape;
	static struct source source;
	struct sim_recorded_host host;
	struct port_sysctls ports;
	struct trouble trouble = { "" };
	sigset_t ends;
	int error = port_sysctls_read(&ports), status;

	if (error)
		return failure("record", "cannot read the settings of the kernel: %s", strerror(-error));
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	fill_host(request, &ports, &host);
	error = tape_open(&tape, request->file, &host, request->max_size);
	if (error)
		return failure("record", "%s: %s", request->file,
			       error == -EEXIST ? "it is there already; say another name, or remove it"
						: strerror(-error));
	tape.only = only;
	source.interval_ns = (uint64_t)(request->interval_s * 1e9);
	source.kernel = record_kernel_open(&tape, &source.looks.waiting, &trouble);
	if (!source.kernel)
		fprintf(stderr,
			"berth record: looking every %g s: what the peer closes between two looks is missing, and what "
			"fails (%s)\n",
			request->interval_s, trouble.text);
	tape.start_ns = clock_ns(); /* to load a program takes its time */
	status = record(request, &source, &tape, &ports, &ends);
	record_kernel_close(source.kernel);
	record_looks_free(&source.looks);
	return status;
}

int command_record(int argc, char **argv)
{
	struct request request = { .interval_s = 1, .max_size = SIZE_DEFAULT };
	struct destination only;
	int status = read_options(&command_options, argc, argv, &request);

	if (status >= 0)
		return status;
	if (optind + 1 != argc)
		return usage_error("record",
				   "one FILE is needed, and no other word; 'berth record --help' shows how");
	request.file = argv[optind];
	if (!request.destination)
		return start(&request, NULL);
	/* From wherever: the route is asked for, and not needed. */
	status = destination_read("record", request.destination, "::", &only);
	return status == EXIT_OK ? start(&request, &only.pair.remote) : status;
}
