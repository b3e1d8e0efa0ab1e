/* SPDX-License-Identifier: MIT
 *
 * Random socket calls from a seed, one line of output each. What is done depends on the seed alone, never on
 * an outcome, so the same seed can be run on stock Linux and under Berth and the lines compared one by one
 * (test_differential.py is the judge).
 *
 *   differential SEED OPERATIONS FIRST
 *
 * SEED also says which explicit ports are used: FIRST to FIRST + 15, outside the ephemeral range, so that
 * processes at the same time do not meet. A line is
 *
 *   NUMBER SLOT OPERATION ARGUMENTS -> OUTCOME
 *
 * where OUTCOME is "ok", the name of an errno, or what was seen. A port of the ephemeral range is only called
 * "ephemeral", as it differs from run to run; "ephemeral-changed" is one that is not what the socket had when it was last asked.
 *
 * Outcomes must not depend on time: who closes first waits for the other side, so that TIME_WAIT has been
 * reached or no state is left at all when the next call is made.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/differential/slot.h"

struct slot *slots;
unsigned first_port, seed;
static uint64_t state;

/* xorshift64*: the sequence is part of no contract, it only has to be the same in both runs */
static unsigned draw(unsigned bound)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned)((state * 0x2545f4914f6cdd1dull) >> 33) % bound;
}

const char *outcome(int result)
{
	return result < 0 ? strerrorname_np(errno) : "ok";
}

/* weight: how often of all; forkable: does not make or close descriptors of this process */
static const struct operation {
	operation_fn *run;
	unsigned weight;
	bool forkable;
} operations[] = {
	{ op_socket, 24, false },     { op_bind, 22, true },	    { op_bind_like, 4, true },
	{ op_connect, 22, true },     { op_connect_own, 8, false }, { op_listen, 8, true },
	{ op_getsockname, 14, true }, { op_getpeername, 3, true },  { op_set, 12, true },
	{ op_get, 8, true },	      { op_shutdown, 2, true },	    { op_dup, 3, false },
	{ op_close, 6, false },	      { op_nonblocking, 3, true },
};

enum {
	OPERATIONS = sizeof(operations) / sizeof(operations[0])
};

static const struct operation *pick_operation(unsigned value)
{
	unsigned total = 0;

	for (int i = 0; i < OPERATIONS; i++)
		total += operations[i].weight;
	value %= total;
	for (int i = 0; i < OPERATIONS; i++) {
		if (value < operations[i].weight)
			return &operations[i];
		value -= operations[i].weight;
	}
	return &operations[0];
}

static void run_one(unsigned number)
{
	struct choice choice = { draw(SLOTS), draw(SLOTS), draw(65536), draw(65536),
				 draw(65536), draw(65536), draw(12) };
	struct slot *slot = &slots[choice.slot];
	/* calls without a socket are worth making, but not most of the time */
	bool fill = slot->fd < 0 && choice.forked % 4 != 0;
	const struct operation *operation = fill ? &operations[0] : pick_operation(choice.operation);
	bool forked = choice.forked == 0 && operation->forkable;
	pid_t pid;

	printf("%u %u %s", number, choice.slot, forked ? "forked " : "");
	fflush(stdout);
	pid = forked ? fork() : 0;
	if (pid == 0) {
		operation->run(slot, &choice);
		fflush(stdout);
		if (forked)
			_exit(0);
	} else {
		waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: differential SEED OPERATIONS FIRST\n", stderr);
		return 2;
	}
	seed = strtoul(argv[1], NULL, 10);
	first_port = strtoul(argv[3], NULL, 10);
	state = 0x9e3779b97f4a7c15ull * (seed + 1);
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < SLOTS; i++)
		slots[i] = (struct slot){ .fd = -1, .peer = -1 };
	for (unsigned i = 0; i < strtoul(argv[2], NULL, 10); i++) {
		alarm(30);
		run_one(i);
	}
	return 0;
}
