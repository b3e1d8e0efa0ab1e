/* SPDX-License-Identifier: MIT */
#include "supervise/knowledge.h"

#include <errno.h>
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
		time_waits_see(&knowledge->time_waits, &entry->local, &entry->remote,
			       entry->remaining_ms * MS_NS, clock_ns());
		break;
	}
}

/* Some of the connections in TIME_WAIT, the ones that end first first; after the last the dump is
 * done. */
static void take_up_some(struct knowledge *knowledge)
{
	const struct seen_time_wait *one = NULL;

	if (!time_waits_inherit(&knowledge->time_waits, TAKEN_UP_AT_ONCE, clock_ns()))
		return;
	for (unsigned n = 0; n < TAKEN_UP_AT_ONCE; n++) {
		one = time_waits_take(&knowledge->time_waits);
		if (!one)
			break;
		spaces_see_time_wait(&knowledge->spaces, &one->local, &one->remote, one->entered_ns);
	}
	knowledge->taking_up = one != NULL;
	if (!knowledge->taking_up)
		spaces_change_places(&knowledge->spaces);
}

static void begin_dump(struct knowledge *knowledge, uint64_t now_ns)
{
	spaces_begin_next(&knowledge->spaces);
	time_waits_begin(&knowledge->time_waits, now_ns);
	knowledge->wanted = false;
	knowledge->dump_ns = now_ns;
	knowledge->dump_cost_ns = 0;
	dump_reader_order(&knowledge->reader, knowledge->limits.sysctls.first,
			  knowledge->limits.sysctls.last);
}

static bool is_dumping(const struct knowledge *knowledge)
{
	return knowledge->reader.reading || knowledge->taking_up;
}

/* After a failed dump the knowledge is what it was, and the kernel still judges each port. */
static void continue_dump(struct knowledge *knowledge, int wait_ms)
{
	if (!knowledge->reader.reading)
		take_up_some(knowledge);
	else if (dump_reader_take(&knowledge->reader, wait_ms, see_socket, knowledge) == 0)
		knowledge->taking_up = true;
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

/* When the next dump is due; UINT64_MAX: not before the next call. */
static uint64_t next_dump_ns(const struct knowledge *knowledge)
{
	uint64_t unasked_ns = knowledge->dump_ns + TIME_WAITS_DUMP_NS;

	if (!knowledge_keeps(knowledge))
		return knowledge->wanted ? knowledge->not_before_ns : UINT64_MAX;
	return knowledge->wanted && knowledge->not_before_ns < unasked_ns ? knowledge->not_before_ns
									  : unasked_ns;
}

void knowledge_work(struct knowledge *knowledge, uint64_t now_ns)
{
	if (is_dumping(knowledge) || now_ns >= next_dump_ns(knowledge))
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

bool knowledge_is_kept(struct knowledge *knowledge, const struct berth_endpoint *local,
		       const struct berth_endpoint *remote, uint64_t now_ns)
{
	return knowledge_keeps(knowledge) &&
	       berth_space_state(knowledge_space(knowledge, &local->address, now_ns), local->port, remote) ==
		       BERTH_TIME_WAIT;
}

int knowledge_idle_ms(const struct knowledge *knowledge, uint64_t now_ns)
{
	uint64_t next_ns;

	if (knowledge->reader.reading)
		return -1; /* its descriptor will say */
	if (is_dumping(knowledge))
		return 0;
	next_ns = next_dump_ns(knowledge);
	if (next_ns == UINT64_MAX)
		return -1;
	return now_ns < next_ns ? (int)((next_ns - now_ns) / MS_NS) + 1 : 0;
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
	knowledge->sysctls_ns = now_ns;
	error = time_waits_open(&knowledge->time_waits, config_kept_away_s(config));
	if (!error)
		error = spaces_open(&knowledge->spaces, config->policy, knowledge->time_waits.delay_ns,
				    &knowledge->limits);
	if (!error)
		error = dump_reader_start(&knowledge->reader);
	if (error)
		return error;
	dump_until(knowledge, now_ns + FIRST_DUMP_NS);
	return 0;
}
