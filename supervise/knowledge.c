/* SPDX-License-Identifier: MIT */
#include "supervise/knowledge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "host/clock.h"

#define MS_NS 1000000ull

#define DUMP_GAP_NS	 (250 * MS_NS) /* at least so long from one dump to the next */
#define DUMP_SHARE	 20u	       /* of the time, one part in so many may go into dumps */
#define FIRST_DUMP_NS	 (50 * MS_NS)  /* before the program starts, no longer than this */
#define REFRESH_NS	 (20 * MS_NS)
#define OUTDATED_NS	 (1000 * MS_NS)
#define CHEAP_NS	 (2 * MS_NS)
#define SYSCTLS_FRESH_NS (250 * MS_NS)

/* Connections in TIME_WAIT that are taken up at once: some 0.1 ms. */
#define TAKEN_UP_AT_ONCE 512u

/* -------------------------------------------------------------------------------------------------
 * The dump
 */

static void see_time_wait(struct knowledge *knowledge, const struct socket_entry *entry)
{
	uint64_t remaining_ns = entry->remaining_ms * MS_NS;
	uint64_t waited_ns = remaining_ns < TIME_WAIT_NS ? TIME_WAIT_NS - remaining_ns : 0;
	uint32_t second = entry->remaining_ms / 1000;
	uint32_t i = knowledge->time_wait_count + 1;

	if (i == SPACE_TIME_WAITS)
		return;
	second = second < WAITING_SECONDS ? second : WAITING_SECONDS - 1;
	knowledge->time_wait[i] = (struct seen_time_wait){
		.entered_ns = knowledge->dump_ns > waited_ns ? knowledge->dump_ns - waited_ns : 0,
		.local = entry->local,
		.remote = entry->remote,
		.following = knowledge->ends_in_second[second],
	};
	knowledge->ends_in_second[second] = knowledge->time_wait_count = i;
}

static void see_socket(void *context, const struct socket_entry *entry)
{
	struct knowledge *knowledge = context;

	switch (entry->state) {
	case SOCKET_HELD:
		spaces_see_holder(&knowledge->spaces, &entry->local, knowledge->dump_ns);
		break;
	case SOCKET_CONNECTED:
		spaces_see_connection(&knowledge->spaces, &entry->local, &entry->remote, knowledge->dump_ns);
		break;
	case SOCKET_TIME_WAIT:
		see_time_wait(knowledge, entry);
		break;
	}
}

/* Some of the connections in TIME_WAIT, the ones that end first first; after the last the dump is
 * done. */
static void take_up_some(struct knowledge *knowledge)
{
	for (unsigned n = 0; n < TAKEN_UP_AT_ONCE && knowledge->second < WAITING_SECONDS;) {
		uint32_t *list = &knowledge->ends_in_second[knowledge->second];
		const struct seen_time_wait *seen = &knowledge->time_wait[*list];

		if (*list == 0) {
			knowledge->second++;
			continue;
		}
		spaces_see_time_wait(&knowledge->spaces, &seen->local, &seen->remote, seen->entered_ns);
		*list = seen->following;
		n++;
	}
	if (knowledge->second == WAITING_SECONDS)
		spaces_change_places(&knowledge->spaces);
}

static void begin_dump(struct knowledge *knowledge, uint64_t now_ns)
{
	spaces_begin_next(&knowledge->spaces);
	memset(knowledge->ends_in_second, 0, sizeof(knowledge->ends_in_second));
	knowledge->time_wait_count = 0;
	knowledge->wanted = false;
	knowledge->dump_ns = now_ns;
	knowledge->dump_cost_ns = 0;
	dump_reader_order(&knowledge->reader, knowledge->limits.sysctls.first,
			  knowledge->limits.sysctls.last);
}

static bool is_dumping(const struct knowledge *knowledge)
{
	return knowledge->reader.reading || knowledge->second < WAITING_SECONDS;
}

/* After a failed dump the knowledge is what it was, and the kernel still judges each port. */
static void continue_dump(struct knowledge *knowledge, int wait_ms)
{
	if (!knowledge->reader.reading)
		take_up_some(knowledge);
	else if (dump_reader_take(&knowledge->reader, wait_ms, see_socket, knowledge) == 0)
		knowledge->second = 0;
}

/* -------------------------------------------------------------------------------------------------
 * What is due, and when
 */

void knowledge_doubt_sysctls(struct knowledge *knowledge)
{
	knowledge->sysctls_ns = 0;
}

static void read_sysctls(struct knowledge *knowledge, uint64_t now_ns)
{
	knowledge->sysctls_ns = now_ns;
	if (!port_limits_refresh(&knowledge->limits))
		return;
	spaces_limit(&knowledge->spaces, &knowledge->limits);
	knowledge->not_before_ns = now_ns; /* the new range may not have been in the dump */
}

static void work_on_dump(struct knowledge *knowledge, uint64_t now_ns)
{
	uint64_t gap_ns;

	if (is_dumping(knowledge))
		continue_dump(knowledge, 0);
	else
		begin_dump(knowledge, now_ns);
	knowledge->dump_cost_ns += clock_ns() - now_ns;
	gap_ns = knowledge->dump_cost_ns * DUMP_SHARE;
	knowledge->not_before_ns = knowledge->dump_ns + (gap_ns > DUMP_GAP_NS ? gap_ns : DUMP_GAP_NS);
}

void knowledge_work(struct knowledge *knowledge, uint64_t now_ns)
{
	if (is_dumping(knowledge) || (knowledge->wanted && now_ns >= knowledge->not_before_ns))
		work_on_dump(knowledge, now_ns);
}

/* Makes a dump, or as much of it as can be had until deadline_ns; the rest comes as always. */
static void dump_until(struct knowledge *knowledge, uint64_t deadline_ns)
{
	if (!is_dumping(knowledge))
		begin_dump(knowledge, clock_ns());
	while (is_dumping(knowledge)) {
		uint64_t now_ns = clock_ns();

		if (now_ns >= deadline_ns)
			break;
		continue_dump(knowledge, (int)((deadline_ns - now_ns) / MS_NS) + 1);
	}
	knowledge->dump_took_ns = clock_ns() - knowledge->dump_ns;
}

void knowledge_refresh(struct knowledge *knowledge, uint64_t now_ns)
{
	dump_until(knowledge, now_ns + REFRESH_NS);
}

/* After a pause all is out of date; where a dump is quick it is made at once. */
static void refresh_if_cheap(struct knowledge *knowledge, uint64_t now_ns)
{
	bool outdated = now_ns - knowledge->dump_ns > OUTDATED_NS;

	if (outdated && knowledge->dump_took_ns < CHEAP_NS && !is_dumping(knowledge))
		dump_until(knowledge, now_ns + CHEAP_NS);
}

struct berth_space *knowledge_space(struct knowledge *knowledge, const struct berth_address *local,
				    uint64_t now_ns)
{
	struct berth_space *space;
	bool is_new;

	if (now_ns - knowledge->sysctls_ns >= SYSCTLS_FRESH_NS)
		read_sysctls(knowledge, now_ns);
	refresh_if_cheap(knowledge, now_ns);
	knowledge->wanted = true;
	space = spaces_of(&knowledge->spaces, local, &knowledge->limits, now_ns, &is_new);
	if (is_new)
		knowledge->not_before_ns = now_ns;
	return space;
}

int knowledge_idle_ms(const struct knowledge *knowledge, uint64_t now_ns)
{
	if (knowledge->reader.reading)
		return -1; /* its descriptor will say */
	if (is_dumping(knowledge))
		return 0;
	if (!knowledge->wanted)
		return -1;
	if (now_ns >= knowledge->not_before_ns)
		return 0;
	return (int)((knowledge->not_before_ns - now_ns) / MS_NS) + 1;
}

int knowledge_open(struct knowledge *knowledge, const struct config *config, uint64_t now_ns)
{
	uint8_t key[BERTH_SEED_BYTES];
	int error = port_limits_open(&knowledge->limits, config);

	if (error)
		return error;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -ENOSYS;
	berth_random_seed(&knowledge->random, key);
	knowledge->second = WAITING_SECONDS;
	knowledge->sysctls_ns = now_ns;
	/* Zero-filled pages cost nothing until they are touched. */
	knowledge->time_wait = calloc(SPACE_TIME_WAITS, sizeof(knowledge->time_wait[0]));
	if (!knowledge->time_wait)
		return -ENOMEM;
	error = spaces_open(&knowledge->spaces, config->policy, &knowledge->limits);
	if (!error)
		error = dump_reader_start(&knowledge->reader);
	if (error)
		return error;
	dump_until(knowledge, now_ns + FIRST_DUMP_NS);
	return 0;
}
