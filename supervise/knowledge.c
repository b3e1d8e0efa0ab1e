/* SPDX-License-Identifier: MIT */
#include "supervise/knowledge.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "host/clock.h"
#include "host/socket_address.h"

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

/* An address used so lately keeps its site. */
#define IN_USE_NS (1000 * MS_NS)

static const struct berth_space_limits space_limits = {
	.destinations = 4096,
	.bitmaps = 64,
	.time_wait = TIME_WAITS_MAX,
	.ipv6 = true,
};

/* Zero-filled pages, which cost nothing until they are touched. */
static void *new_pages(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool new_key(uint8_t key[BERTH_SEED_BYTES])
{
	return getrandom(key, BERTH_SEED_BYTES, 0) == BERTH_SEED_BYTES;
}

/* Two spaces, in one mapping: both or none. */
static bool new_spaces(struct site *site)
{
	size_t size = (berth_space_size(&space_limits) + 63) / 64 * 64;
	uint8_t key[2][BERTH_SEED_BYTES];
	char *memory;

	if (!new_key(key[0]) || !new_key(key[1]))
		return false;
	memory = new_pages(2 * size);
	if (!memory)
		return false;
	site->current = berth_space_init(memory, size, &space_limits, key[0]);
	site->next = berth_space_init(memory + size, size, &space_limits, key[1]);
	return true;
}

static void set_up_space(const struct knowledge *knowledge, struct berth_space *space)
{
	berth_space_set_policy(space, knowledge->policy);
	berth_space_set_time_wait(space, knowledge->time_waits.delay_ns, space_limits.time_wait);
	berth_space_set_range(space, knowledge->limits.sysctls.first, knowledge->limits.sysctls.last,
			      &knowledge->limits.sysctls.reserved);
}

/* Gives the site to address; what it knew of another one it forgets. */
static bool settle_site(struct knowledge *knowledge, struct site *site, const struct berth_address *address)
{
	if (site->current) {
		berth_space_clear(site->current);
		berth_space_clear(site->next);
	} else if (new_spaces(site)) {
		set_up_space(knowledge, site->current);
		set_up_space(knowledge, site->next);
	} else {
		return false;
	}
	site->address = *address;
	site->known = site->in_dump = false;
	return true;
}

/* The site of address, or NULL. Every spelling of "any" is site 0. */
static struct site *find_site(struct knowledge *knowledge, const struct berth_address *address)
{
	if (address_is_any(address))
		return &knowledge->site[0];
	for (unsigned i = 1; i < SITES && knowledge->site[i].current; i++)
		if (berth_address_equal(&knowledge->site[i].address, address))
			return &knowledge->site[i];
	return NULL;
}

/* The site of one address, if it has one; NULL for "any", whose site 0 counts everything as it is. */
static struct site *own_site(struct knowledge *knowledge, const struct berth_address *address)
{
	struct site *site = find_site(knowledge, address);

	return site == &knowledge->site[0] ? NULL : site;
}

/* A site for an address that has none: a free one, or that of the address not used for longest. NULL
 * if all are in use. */
static struct site *new_site(struct knowledge *knowledge, const struct berth_address *address,
			     uint64_t now_ns)
{
	struct site *site = &knowledge->site[1];

	for (unsigned i = 1; i < SITES && site->current; i++)
		if (!knowledge->site[i].current || knowledge->site[i].used_ns < site->used_ns)
			site = &knowledge->site[i];
	if (site->current && now_ns - site->used_ns < IN_USE_NS)
		return NULL;
	return settle_site(knowledge, site, address) ? site : NULL;
}

/* -------------------------------------------------------------------------------------------------
 * What happened, told to one space, and to all that it concerns
 */

static void put(struct berth_space *space, const struct berth_endpoint *local,
		const struct berth_endpoint *remote, uint64_t now_ns)
{
	if (!remote) {
		berth_space_hold(space, local->port, false);
		return;
	}
	if (berth_space_connect(space, local->port, remote, now_ns) == BERTH_TIME_WAIT_COLLISION) {
		berth_space_leave_time_wait(space, local->port, remote); /* the kernel let it be taken over */
		berth_space_connect(space, local->port, remote, now_ns);
	}
}

static void put_both(struct site *site, const struct berth_endpoint *local,
		     const struct berth_endpoint *remote, uint64_t now_ns)
{
	put(site->current, local, remote, now_ns);
	put(site->next, local, remote, now_ns);
}

void knowledge_took(struct knowledge *knowledge, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = own_site(knowledge, &local->address);

	if (!address_is_any(&local->address)) {
		if (site)
			put_both(site, local, remote, now_ns);
		put_both(&knowledge->site[0], local, remote, now_ns);
		return;
	}
	/* Bound to all addresses: nobody else can have the port on any of them. */
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++)
		put_both(&knowledge->site[i], local, remote, now_ns);
}

static void connect_holder(struct site *site, const struct berth_endpoint *local,
			   const struct berth_endpoint *remote, uint64_t now_ns)
{
	berth_space_unhold(site->current, local->port, false);
	berth_space_unhold(site->next, local->port, false);
	put_both(site, local, remote, now_ns);
}

void knowledge_connects(struct knowledge *knowledge, const struct berth_endpoint *local,
			const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = own_site(knowledge, &local->address);

	connect_holder(&knowledge->site[0], local, remote, now_ns);
	if (site)
		connect_holder(site, local, remote, now_ns);
}

static void refuse_both(struct site *site, const struct berth_endpoint *local,
			const struct berth_endpoint *remote, uint64_t now_ns)
{
	berth_space_refuse(site->current, local->port, remote, now_ns);
	berth_space_refuse(site->next, local->port, remote, now_ns);
}

void knowledge_refused(struct knowledge *knowledge, const struct berth_endpoint *local,
		       const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = find_site(knowledge, &local->address);

	if (site && site->known)
		refuse_both(site, local, remote, now_ns);
	else
		refuse_both(&knowledge->site[0], local, remote, now_ns);
}

/* -------------------------------------------------------------------------------------------------
 * The dump
 */

static void see_connection(struct knowledge *knowledge, const struct socket_entry *entry)
{
	struct site *site = own_site(knowledge, &entry->local.address);

	if (site)
		put(site->next, &entry->local, &entry->remote, knowledge->dump_ns);
	put(knowledge->site[0].next, &entry->local, &entry->remote, knowledge->dump_ns);
}

static void see_holder(struct knowledge *knowledge, const struct socket_entry *entry)
{
	bool any = address_is_any(&entry->local.address);
	bool any_v4 = any && berth_address_is_v4(&entry->local.address);

	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++) {
		struct site *site = &knowledge->site[i];

		if (i == 0 || (any && (!any_v4 || berth_address_is_v4(&site->address))) ||
		    berth_address_equal(&site->address, &entry->local.address))
			put(site->next, &entry->local, NULL, knowledge->dump_ns);
	}
}

static void see_socket(void *context, const struct socket_entry *entry)
{
	struct knowledge *knowledge = context;

	switch (entry->state) {
	case SOCKET_HELD:
		see_holder(knowledge, entry);
		break;
	case SOCKET_CONNECTED:
		see_connection(knowledge, entry);
		break;
	case SOCKET_TIME_WAIT:
		time_waits_see(&knowledge->time_waits, &entry->local, &entry->remote,
			       entry->remaining_ms * MS_NS, clock_ns());
		break;
	}
}

static void take_up(struct knowledge *knowledge, const struct seen_time_wait *seen)
{
	struct site *site = own_site(knowledge, &seen->local.address);

	if (site)
		berth_space_observe_time_wait(site->next, seen->local.port, &seen->remote, seen->entered_ns);
	berth_space_observe_time_wait(knowledge->site[0].next, seen->local.port, &seen->remote,
				      seen->entered_ns);
}

static void change_places(struct knowledge *knowledge)
{
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++) {
		struct site *site = &knowledge->site[i];
		struct berth_space *outdated = site->current;

		site->current = site->next;
		site->next = outdated;
		site->known = site->in_dump;
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
		take_up(knowledge, one);
	}
	knowledge->taking_up = one != NULL;
	if (!knowledge->taking_up)
		change_places(knowledge);
}

static void begin_dump(struct knowledge *knowledge, uint64_t now_ns)
{
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++) {
		berth_space_clear(knowledge->site[i].next);
		knowledge->site[i].in_dump = true;
	}
	time_waits_begin(&knowledge->time_waits);
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
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++) {
		set_up_space(knowledge, knowledge->site[i].current);
		set_up_space(knowledge, knowledge->site[i].next);
	}
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
	struct site *site = find_site(knowledge, local);

	if (now_ns - knowledge->sysctls_ns >= SYSCTLS_FRESH_NS)
		read_sysctls(knowledge, now_ns);
	refresh_if_cheap(knowledge, now_ns);
	knowledge->wanted = true;
	if (!site) {
		site = new_site(knowledge, local, now_ns);
		knowledge->not_before_ns = site ? now_ns : knowledge->not_before_ns;
	}
	if (site)
		site->used_ns = now_ns;
	return site && site->known ? site->current : knowledge->site[0].current;
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
	static const struct berth_address any;
	uint8_t key[BERTH_SEED_BYTES];
	int error = port_limits_open(&knowledge->limits, config);

	if (error)
		return error;
	if (!new_key(key))
		return -ENOSYS;
	berth_random_seed(&knowledge->random, key);
	knowledge->policy = config->policy;
	knowledge->sysctls_ns = now_ns;
	error = time_waits_open(&knowledge->time_waits, config_kept_away_s(config));
	if (error || !settle_site(knowledge, &knowledge->site[0], &any))
		return -ENOMEM;
	error = dump_reader_start(&knowledge->reader);
	if (error)
		return error;
	dump_until(knowledge, now_ns + FIRST_DUMP_NS);
	return 0;
}
