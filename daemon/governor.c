/* SPDX-License-Identifier: MIT */
#include "daemon/governor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/governor_reading.h"
#include "daemon/half_closed.h"
#include "daemon/hooks.h"
#include "daemon/pins.h"
#include "daemon/say.h"
#include "daemon/waiting.h"
#include "host/clock.h"
#include "host/left_over.h"
#include "host/sysctl.h"

#define SECOND_NS 1000000000ull
#define KERNEL_NS (60 * SECOND_NS) /* TCP_TIMEWAIT_LEN */
/* What is older than this has gone, or was started anew by a late segment. */
#define FORGET_NS (KERNEL_NS + SECOND_NS)

#define WORK_EVERY_MS 25
#define LATE_NS	      100000000ull
/* Batches between two looks at the signals. */
#define BATCHES	      64u
/* Between two readings. */
#define READ_EVERY_NS (10 * SECOND_NS)

#define ROOM_MIN 65536u
#define ROOM_MAX 4194304u

struct governor {
	void *variables; /* of the hooks, mapped */
	struct ring_buffer *ring;
	struct left_overs overs;
	struct waiting waiting;
	struct half_closed half_closed;
	struct reading *reading; /* under way: reports are put off until its end */
	bool on;
	bool failed; /* and said so */
	bool must_read;
	uint64_t read_ns;
	uint64_t lost; /* reports, when the last reading began */
	/* The settings. */
	uint32_t cap;	   /* 0: none */
	uint64_t delay_ns; /* 0: the kernel's */
	bool timestamps_only;
};

static void count(struct governor *governor, enum wire_governed what, unsigned many)
{
	hooks_governed(governor->variables)[what] += many;
}

/* Says it once until the settings are taken anew. */
static void fail(struct governor *governor, const char *what, int error)
{
	if (!governor->failed)
		say("TIME_WAIT: %s: %s", what, strerror(-error));
	governor->failed = true;
}

/* ---- entries ---- */

static void enter(struct governor *governor, const struct left_over *who, uint64_t entered_ns)
{
	if (waiting_enter(&governor->waiting, who, entered_ns))
		count(governor, WIRE_ENTERED, 1);
}

static void enter_later(struct governor *governor, const struct left_over *who, uint64_t now_ns, bool again)
{
	if (!half_closed_add(&governor->half_closed, who, now_ns, again))
		governor->must_read = true;
}

static void name_end(const __u32 address_be[4], __u16 port, struct berth_endpoint *ret_end)
{
	memcpy(ret_end->address.bytes, address_be, sizeof(ret_end->address.bytes));
	ret_end->port = port;
}

/* For ring_buffer__consume(). */
static int see_closed(void *context, void *data, size_t size)
{
	struct governor *governor = context;
	const struct wire_closed *closed = data;
	struct left_over who = { .cookie = closed->cookie,
				 .interface = closed->interface,
				 .timestamps = closed->timestamps };

	(void)size;
	name_end(closed->local_be, closed->local_port, &who.local);
	name_end(closed->remote_be, closed->remote_port, &who.remote);
	if (governor->reading)
		reading_add(governor->reading, &who, closed->closed_ns, closed->time_wait && who.cookie);
	else if (closed->time_wait && who.cookie)
		enter(governor, &who, closed->closed_ns);
	else
		enter_later(governor, &who, closed->closed_ns, false);
	return 0;
}

/* Who has less left has been there for longer; and who was asked for first, of those with the same. */
struct looked {
	struct left_over *who;
	const struct left_over_look *look;
};

static int compare_age(const void *a, const void *b)
{
	const struct left_over_look *one = ((const struct looked *)a)->look;
	const struct left_over_look *other = ((const struct looked *)b)->look;

	if (one->remaining_ms != other->remaining_ms)
		return one->remaining_ms < other->remaining_ms ? -1 : 1;
	return (one > other) - (one < other);
}

static void take_looks(struct governor *governor, struct left_over due[], const struct left_over_look looks[],
		       unsigned many)
{
	struct looked looked[LEFT_OVERS_BATCH] = { 0 };
	uint64_t now_ns = clock_ns();
	unsigned waiting = 0;

	for (unsigned i = 0; i < many; i++) {
		if (looks[i].error || looks[i].remaining_ms == 0)
			continue; /* gone; or a socket that has taken its place, or is about to go */
		due[i].cookie = looks[i].cookie;
		if (looks[i].tcp_state == TCP_TIME_WAIT)
			looked[waiting++] = (struct looked){ &due[i], &looks[i] };
		else
			enter_later(governor, &due[i], now_ns, true);
	}
	qsort(looked, waiting, sizeof(looked[0]), compare_age);
	for (unsigned i = 0; i < waiting; i++)
		enter(governor, looked[i].who,
		      now_ns - KERNEL_NS + looked[i].look->remaining_ms * 1000000ull);
}

/* Whether all that were due have been looked at. */
static bool look_at_half_closed(struct governor *governor)
{
	struct left_over_look looks[LEFT_OVERS_BATCH];
	struct left_over due[LEFT_OVERS_BATCH];
	unsigned many = LEFT_OVERS_BATCH;
	int error;

	for (unsigned i = 0; i < BATCHES && many == LEFT_OVERS_BATCH; i++) {
		many = half_closed_take(&governor->half_closed, clock_ns(), LEFT_OVERS_BATCH, due);
		error = many ? left_overs_look(&governor->overs, due, many, looks) : 0;
		if (error) {
			fail(governor, "connections cannot be looked at", error);
			governor->must_read = true;
			return true;
		}
		take_looks(governor, due, looks, many);
	}
	return many < LEFT_OVERS_BATCH;
}

/* ---- ends ---- */

static unsigned without_spared(struct governor *governor, struct left_over list[], unsigned many)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < many; i++)
		if (!governor->timestamps_only || list[i].timestamps)
			list[kept++] = list[i];
	count(governor, WIRE_SPARED, many - kept);
	return kept;
}

/* Ends the oldest of those that entered until then, at most `most`. How many these were; *ended of them are ended. */
static unsigned end_some(struct governor *governor, uint64_t until_ns, unsigned most, enum wire_governed why,
			 unsigned *ended)
{
	struct left_over list[LEFT_OVERS_BATCH];
	int errors[LEFT_OVERS_BATCH], error;
	unsigned many, found;

	*ended = 0;
	found = waiting_take_oldest(&governor->waiting, until_ns,
				    most < LEFT_OVERS_BATCH ? most : LEFT_OVERS_BATCH, list);
	many = without_spared(governor, list, found);
	error = many ? left_overs_end(&governor->overs, list, many, errors) : 0;
	if (error)
		fail(governor, "connections cannot be ended", error);
	for (unsigned i = 0; !error && i < many; i++) {
		if (errors[i] == 0)
			(*ended)++;
		else if (errors[i] == -ENOENT || errors[i] == -ESTALE)
			count(governor, WIRE_GONE, 1);
		else
			fail(governor, "a connection cannot be ended", errors[i]);
	}
	count(governor, why, *ended);
	return found;
}

static bool end_due(struct governor *governor)
{
	unsigned found = LEFT_OVERS_BATCH, ended;
	uint64_t until_ns = clock_ns() - governor->delay_ns, oldest_ns;

	if (governor->delay_ns == 0 || until_ns > INT64_MAX)
		return true;
	for (unsigned i = 0; i < BATCHES && found == LEFT_OVERS_BATCH; i++) {
		oldest_ns = waiting_oldest(&governor->waiting);
		found = end_some(governor, until_ns, LEFT_OVERS_BATCH, WIRE_ENDED_DELAY, &ended);
		if (oldest_ns < until_ns && until_ns - oldest_ns > LATE_NS)
			count(governor, WIRE_ENDED_LATE, ended);
	}
	return found < LEFT_OVERS_BATCH;
}

/* By the kernel's count, which was taken before the reports were read. */
static bool end_excess(struct governor *governor, unsigned counted)
{
	long excess = (long)counted - (long)half_closed_count(&governor->half_closed) - (long)governor->cap;
	unsigned found = 1, ended;

	if (governor->cap == 0)
		return true;
	for (unsigned i = 0; i < BATCHES && found > 0 && excess > 0; i++) {
		found = end_some(governor, UINT64_MAX, excess < UINT32_MAX ? (unsigned)excess : UINT32_MAX,
				 WIRE_ENDED_CAP, &ended);
		excess -= ended;
	}
	if (excess > 0 && found == 0 && !governor->timestamps_only)
		governor->must_read = true; /* there are some that nobody has told us of */
	return excess <= 0 || found == 0;
}

static void forget_old(struct governor *governor)
{
	struct left_over gone[LEFT_OVERS_BATCH];
	uint64_t now_ns = clock_ns();

	if (now_ns < FORGET_NS)
		return;
	while (waiting_take_oldest(&governor->waiting, now_ns - FORGET_NS, LEFT_OVERS_BATCH, gone) ==
	       LEFT_OVERS_BATCH)
		;
}

/* ---- readings ---- */

static void consume(void *governor)
{
	ring_buffer__consume(((struct governor *)governor)->ring);
}

/* For as many as the kernel keeps. */
static uint32_t room(void)
{
	struct reuse_sysctls sysctls;

	if (reuse_sysctls_read(&sysctls) < 0 || sysctls.max_tw_buckets < ROOM_MIN)
		return ROOM_MIN;
	return sysctls.max_tw_buckets < ROOM_MAX ? sysctls.max_tw_buckets : ROOM_MAX;
}

static void read_anew(struct governor *governor)
{
	struct waiting before = governor->waiting;
	struct reading reading = { .known = &before };
	int error;

	governor->lost = hooks_governed(governor->variables)[WIRE_LOST];
	governor->must_read = false;
	governor->reading = &reading;
	error = reading_make(&reading, consume, governor);
	governor->reading = NULL;
	governor->read_ns = clock_ns();
	half_closed_free(&governor->half_closed);
	if (!error)
		error = waiting_init(&governor->waiting, room());
	for (size_t i = 0; !error && i < reading.count; i++) {
		if (!reading.list[i].time_wait)
			enter_later(governor, &reading.list[i].who, governor->read_ns, false);
		else if (waiting_enter(&governor->waiting, &reading.list[i].who, reading.list[i].since_ns) &&
			 !waiting_entered(&before, reading.list[i].who.cookie))
			count(governor, WIRE_ENTERED, 1);
	}
	if (error) {
		governor->waiting = before;
		fail(governor, "the socket table cannot be read", error);
	} else {
		waiting_free(&before);
	}
	count(governor, WIRE_DUMPED, 1);
	reading_free(&reading);
}

/* ---- what others call ---- */

int governor_work(struct governor *governor)
{
	struct socket_totals totals = { 0 };
	bool done;

	if (!governor->on)
		return -1;
	if (governor->cap && socket_totals_read(&totals) < 0)
		totals.time_wait = 0;
	consume(governor);
	done = look_at_half_closed(governor);
	done = end_due(governor) && done;
	done = end_excess(governor, totals.time_wait) && done;
	forget_old(governor);
	governor->must_read |= hooks_governed(governor->variables)[WIRE_LOST] != governor->lost;
	if (governor->must_read && clock_ns() - governor->read_ns >= READ_EVERY_NS)
		read_anew(governor);
	return done ? WORK_EVERY_MS : 0;
}

/* For who reads the pins. */
static void publish(const struct governor *governor, bool in_force)
{
	struct wire_settings *settings = hooks_settings(governor->variables);

	settings->governed_cap = in_force ? governor->cap : 0;
	settings->governed_delay_s = in_force ? (uint32_t)(governor->delay_ns / SECOND_NS) : 0;
	settings->governed_timestamps_only = in_force && governor->timestamps_only;
}

static void switch_off(struct governor *governor)
{
	publish(governor, false);
	hooks_settings(governor->variables)->governed = 0;
	governor->on = false;
	left_overs_close(&governor->overs);
	waiting_free(&governor->waiting);
	half_closed_free(&governor->half_closed);
}

static bool switch_on(struct governor *governor)
{
	int error = left_overs_open(&governor->overs);

	if (!error)
		error = left_overs_try(&governor->overs);
	if (!error)
		error = waiting_init(&governor->waiting, room());
	if (error) {
		say("TcpTimedWaitDelay, MaxFreeTWTcbs: no effect: connections cannot be taken out of TIME_WAIT: %s%s",
		    strerror(-error),
		    error == -EOPNOTSUPP ? " (the kernel was built without CONFIG_INET_DIAG_DESTROY)" : "");
		switch_off(governor);
		return false;
	}
	hooks_settings(governor->variables)->governed = left_overs_netns(&governor->overs);
	governor->on = true;
	read_anew(governor);
	return true;
}

/* What is given up: RFC 9293 section 3.6.1 and RFC 1337 say what TIME_WAIT is for. */
static void say_price(const struct governor *governor)
{
	char settings[96];
	int length = 0;

	if (governor->delay_ns)
		length = snprintf(settings, sizeof(settings), "TcpTimedWaitDelay = %u",
				  (unsigned)(governor->delay_ns / SECOND_NS));
	if (governor->cap)
		snprintf(settings + length, sizeof(settings) - (size_t)length, "%sMaxFreeTWTcbs = %u",
			 length ? ", " : "", governor->cap);
	say("%s: connections%s leave TIME_WAIT early: old segments may be taken for a new connection's, and a "
	    "retransmitted FIN gets a RST; the choice of ports alone usually makes this unnecessary",
	    settings, governor->timestamps_only ? " with timestamps" : "");
}

void governor_apply(struct governor *governor, const struct config *config)
{
	uint64_t delay_ns = config->timed_wait_delay * SECOND_NS;
	struct governor before = *governor;

	governor->cap = config->max_free_tw_tcbs;
	governor->delay_ns = delay_ns < KERNEL_NS ? delay_ns : 0;
	governor->timestamps_only = config->time_wait_timestamps_only;
	governor->failed = false;
	if (governor->cap == 0 && governor->delay_ns == 0) {
		switch_off(governor);
		return;
	}
	if (!governor->on && !switch_on(governor))
		return;
	publish(governor, true);
	/* Who was spared has been forgotten. */
	governor->must_read |= before.on && before.timestamps_only && !governor->timestamps_only;
	if (!before.on || before.cap != governor->cap || before.delay_ns != governor->delay_ns ||
	    before.timestamps_only != governor->timestamps_only)
		say_price(governor);
}

static struct ring_buffer *open_ring(const char *dir, struct governor *governor)
{
	struct ring_buffer *ring;
	char path[PATH_MAX];
	int fd;

	pins_map_path(dir, "closed", path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return NULL;
	ring = ring_buffer__new(fd, see_closed, governor, NULL);
	close(fd); /* the ring has its pages mapped */
	return ring;
}

struct governor *governor_open(const char *dir, void *variables, struct trouble *ret_trouble)
{
	struct governor *governor = calloc(1, sizeof(*governor));

	if (governor) {
		governor->variables = variables;
		governor->ring = open_ring(dir, governor);
	}
	if (governor && governor->ring)
		return governor;
	trouble_say(ret_trouble, "%.300s: what the hooks report cannot be read: %s", dir, strerror(errno));
	free(governor);
	return NULL;
}

void governor_close(struct governor *governor)
{
	if (!governor)
		return;
	switch_off(governor);
	ring_buffer__free(governor->ring);
	free(governor);
}
