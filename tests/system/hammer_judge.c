/* SPDX-License-Identifier: MIT
 *
 * Reads what hammers have recorded and says which failures were wrong: a call failed although there was a port that it could
 * have had all the time, from a millisecond before its begin to its end, by the rules of stock Linux. Such a port no search
 * can miss, and whoever goes by what was heard of it has had the time to hear.
 *
 *   hammer_judge LOG FIRST LAST
 *
 *   {"connects inside": {"calls": 16000, "failed": 3, "wrong": 1}, ..., "wrong": ["connect() of ..."]}
 *
 * Which port that is depends on who asks:
 *
 *	connect() alone		nobody has the port with that destination, and nobody has bound it himself, in bind() or by number
 *	... outside of Berth	nor has anybody inside: the kernel's own choice skips what eBPF has bound. Without Berth there
 *				is nobody inside, so what is lost by this is what Berth costs others, and is measured, not judged
 *	bind() to port 0	nobody has the port at all. Also if it is the connect() after it that fails: with a port of its
 *				own it could not have
 *
 * A socket has its port from before the call that got it until after it was closed, so what is called free here was.
 * Explicit binds may meet those who do not share; only their successes are of interest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/system/hammer.h"

#define SHOWN	   5
#define HEARSAY_NS 1000000u

struct tally {
	unsigned calls, failed, wrong;
};

static const char *const role_names[ROLES] = { "connects", "binds", "explicit", "listens" };

static struct hammer_log *records;
static unsigned first, last;

static bool overlaps(const struct hammer_call *holder, const struct hammer_call *asker)
{
	return holder->port != 0 && holder->begin_ns <= asker->end_ns &&
	       (holder->gone_ns == 0 || holder->gone_ns + HEARSAY_NS >= asker->begin_ns);
}

/* Whether the holder keeps its port from the asker. */
static bool is_in_the_way(const struct hammer_lane *holders, const struct hammer_call *holder,
			  const struct hammer_lane *askers, const struct hammer_call *asker)
{
	if (askers->role != CONNECTS || holders->role != CONNECTS)
		return true;
	if (!askers->inside && holders->inside)
		return true;
	return holder->destination == asker->destination;
}

/* A port that the asker could have had all the time; 0: there was none. ret_count: how many of them. */
static unsigned free_port(const struct hammer_lane *askers, const struct hammer_call *asker,
			  unsigned *ret_count)
{
	bool taken[65536] = { false };
	unsigned port = 0;

	for (unsigned i = 0; i < records->lanes; i++)
		for (unsigned j = 0; j < records->lane[i].count; j++) {
			const struct hammer_call *holder = &records->lane[i].call[j];

			if (overlaps(holder, asker) &&
			    is_in_the_way(&records->lane[i], holder, askers, asker))
				taken[holder->port] = true;
		}
	*ret_count = 0;
	for (unsigned i = first; i <= last; i++)
		if (!taken[i]) {
			port = i;
			++*ret_count;
		}
	return port;
}

static const char *name_of_call(const struct hammer_lane *lane, const struct hammer_call *call)
{
	if (call->in_bind)
		return "bind";
	return lane->role == LISTENS ? "listen" : "connect";
}

static void judge_lane(const struct hammer_lane *lane, struct tally *tally, char *shown, size_t size)
{
	tally->calls += lane->count;
	for (unsigned i = 0; i < lane->count; i++) {
		const struct hammer_call *call = &lane->call[i];
		unsigned port, ports;

		if (call->error == 0)
			continue;
		tally->failed++;
		if (lane->role == EXPLICIT)
			continue;
		port = free_port(lane, call, &ports);
		if (port == 0)
			continue;
		if (++tally->wrong <= SHOWN)
			snprintf(
				shown + strlen(shown), size - strlen(shown),
				"%s\"%s() of a process that %s to destination %u, call %u: %s after %llu us, from %.6f s on, though %u ports were free, as %u\"",
				*shown ? ", " : "", name_of_call(lane, call), role_names[lane->role],
				call->destination, i, strerrorname_np(call->error),
				(unsigned long long)(call->end_ns - call->begin_ns) / 1000,
				(double)call->begin_ns / 1e9, ports, port);
	}
}

static struct hammer_log *open_log(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, sizeof(struct hammer_log), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	return map;
}

int main(int argc, char **argv)
{
	struct tally tally[ROLES][2] = { 0 };
	static char shown[ROLES * 2 * SHOWN * 256];

	if (argc != 4) {
		fputs("usage: hammer_judge LOG FIRST LAST\n", stderr);
		return 2;
	}
	records = open_log(argv[1]);
	first = (unsigned)atoi(argv[2]);
	last = (unsigned)atoi(argv[3]);
	for (unsigned i = 0; i < records->lanes; i++)
		judge_lane(&records->lane[i], &tally[records->lane[i].role][records->lane[i].inside], shown,
			   sizeof(shown));
	putchar('{');
	for (unsigned role = 0; role < ROLES; role++)
		for (unsigned inside = 0; inside < 2; inside++)
			if (tally[role][inside].calls > 0)
				printf("\"%s %s\": {\"calls\": %u, \"failed\": %u, \"wrong\": %u}, ",
				       role_names[role], inside ? "inside" : "outside",
				       tally[role][inside].calls, tally[role][inside].failed,
				       tally[role][inside].wrong);
	printf("\"wrong\": [%s]}\n", shown);
	return 0;
}
