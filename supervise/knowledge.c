/* SPDX-License-Identifier: MIT */
#include "supervise/knowledge.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "host/socket_address.h"

#define MS_NS 1000000ull

#define DUMP_GAP_NS	 (250 * MS_NS) /* at least so long from one dump to the next */
#define DUMP_SHARE	 20u	       /* of the time, one part in so many may go into dumps */
#define FIRST_DUMP_NS	 (50 * MS_NS)  /* before the program starts, no longer than this */
#define OUTDATED_NS	 (1000 * MS_NS)
#define CHEAP_NS	 (2 * MS_NS)
#define SYSCTLS_FRESH_NS (250 * MS_NS)
#define TIME_WAIT_NS	 (60000 * MS_NS) /* TCP_TIMEWAIT_LEN (include/net/tcp.h): compiled in */

#define SEEN_TIME_WAITS 131072u

static const struct berth_space_limits space_limits = {
	.destinations = 4096,
	.bitmaps = 64,
	.time_wait = SEEN_TIME_WAITS,
	.ipv6 = true,
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

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

static struct berth_space *new_space(void)
{
	size_t size = berth_space_size(&space_limits);
	uint8_t key[BERTH_SEED_BYTES];
	void *memory;

	if (!new_key(key))
		return NULL;
	memory = new_pages(size);
	return memory ? berth_space_init(memory, size, &space_limits, key) : NULL;
}

static void set_up_space(const struct knowledge *knowledge, struct berth_space *space)
{
	berth_space_set_policy(space, knowledge->policy);
	berth_space_set_time_wait(space, TIME_WAIT_NS, space_limits.time_wait);
	berth_space_set_range(space, knowledge->sysctls.first, knowledge->sysctls.last,
			      &knowledge->sysctls.reserved);
}

/* Gives the site to address; a site that had another one forgets it. */
static bool settle_site(struct knowledge *knowledge, struct site *site, const struct berth_address *address)
{
	bool is_new = !site->current;

	if (is_new) {
		site->current = new_space();
		site->next = site->current ? new_space() : NULL;
	}
	if (!site->next) {
		site->current = NULL;
		return false;
	}
	berth_space_clear(site->current);
	berth_space_clear(site->next);
	if (is_new) {
		set_up_space(knowledge, site->current);
		set_up_space(knowledge, site->next);
	}
	site->address = *address;
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

static struct site *new_site(struct knowledge *knowledge, const struct berth_address *address)
{
	struct site *site = &knowledge->site[1];

	for (unsigned i = 1; i < SITES; i++) {
		if (!knowledge->site[i].current || knowledge->site[i].used_ns < site->used_ns)
			site = &knowledge->site[i];
		if (!knowledge->site[i].current)
			break;
	}
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
	struct site *site = find_site(knowledge, &local->address);

	if (site && site != &knowledge->site[0]) {
		put_both(site, local, remote, now_ns);
		put_both(&knowledge->site[0], local, remote, now_ns);
		return;
	}
	/* Bound to all addresses: nobody else can have the port on any of them. */
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++)
		put_both(&knowledge->site[i], local, remote, now_ns);
}

void knowledge_refused(struct knowledge *knowledge, const struct berth_endpoint *local,
		       const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = find_site(knowledge, &local->address);

	if (!site)
		return;
	berth_space_refuse(site->current, local->port, remote, now_ns);
	berth_space_refuse(site->next, local->port, remote, now_ns);
}

/* -------------------------------------------------------------------------------------------------
 * The dump
 */

/* A connection of the host; its address gets a site if there is a free one. */
static void see_connection(struct knowledge *knowledge, const struct socket_entry *entry)
{
	struct site *site = find_site(knowledge, &entry->local.address);

	if (!site && !knowledge->site[SITES - 1].current)
		site = new_site(knowledge, &entry->local.address);
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

static void see_time_wait(struct knowledge *knowledge, const struct socket_entry *entry)
{
	uint64_t remaining_ns = entry->remaining_ms * MS_NS;
	uint64_t waited_ns = remaining_ns < TIME_WAIT_NS ? TIME_WAIT_NS - remaining_ns : 0;

	if (knowledge->time_wait_count == SEEN_TIME_WAITS)
		return;
	knowledge->time_wait[knowledge->time_wait_count++] = (struct seen_time_wait){
		.entered_ns = knowledge->dump_ns > waited_ns ? knowledge->dump_ns - waited_ns : 0,
		.local = entry->local,
		.remote = entry->remote,
	};
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
		see_time_wait(knowledge, entry);
		break;
	}
}

static int oldest_first(const void *left, const void *right)
{
	const struct seen_time_wait *a = left, *b = right;

	return a->entered_ns < b->entered_ns ? -1 : a->entered_ns > b->entered_ns;
}

static void observe_time_waits(struct knowledge *knowledge)
{
	qsort(knowledge->time_wait, knowledge->time_wait_count, sizeof(knowledge->time_wait[0]),
	      oldest_first);
	for (unsigned i = 0; i < knowledge->time_wait_count; i++) {
		const struct seen_time_wait *seen = &knowledge->time_wait[i];
		struct site *site = find_site(knowledge, &seen->local.address);

		if (!site && !knowledge->site[SITES - 1].current)
			site = new_site(knowledge, &seen->local.address);
		if (site)
			berth_space_observe_time_wait(site->next, seen->local.port, &seen->remote,
						      seen->entered_ns);
		berth_space_observe_time_wait(knowledge->site[0].next, seen->local.port, &seen->remote,
					      seen->entered_ns);
	}
}

static void end_dump(struct knowledge *knowledge)
{
	observe_time_waits(knowledge);
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++) {
		struct site *site = &knowledge->site[i];
		struct berth_space *outdated = site->current;

		site->current = site->next;
		site->next = outdated;
	}
}

static void begin_dump(struct knowledge *knowledge, uint64_t now_ns)
{
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++)
		berth_space_clear(knowledge->site[i].next);
	knowledge->time_wait_count = 0;
	knowledge->wanted = false;
	knowledge->dump_ns = now_ns;
	knowledge->dump_cost_ns = 0;
	if (!knowledge->table.netlink && socket_table_open(&knowledge->table) < 0)
		return;
	if (socket_table_dump(&knowledge->table, knowledge->sysctls.first, knowledge->sysctls.last) < 0)
		socket_table_close(&knowledge->table);
}

/* Without a table, or after a failed dump, the knowledge is what it was, and the kernel still
 * judges each port. */
static void continue_dump(struct knowledge *knowledge)
{
	int status = socket_table_step(&knowledge->table, see_socket, knowledge);

	if (status == 0)
		end_dump(knowledge);
	else if (status < 0)
		socket_table_close(&knowledge->table);
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
	struct port_sysctls read;

	knowledge->sysctls_ns = now_ns;
	if (port_sysctls_read(&read) < 0 || port_sysctls_equal(&read, &knowledge->sysctls))
		return;
	knowledge->sysctls = read;
	for (unsigned i = 0; i < SITES && knowledge->site[i].current; i++) {
		set_up_space(knowledge, knowledge->site[i].current);
		set_up_space(knowledge, knowledge->site[i].next);
	}
	knowledge->not_before_ns = now_ns; /* the new range may not have been in the dump */
}

static void work_on_dump(struct knowledge *knowledge, uint64_t now_ns)
{
	uint64_t gap_ns;

	if (knowledge->table.family == 0)
		begin_dump(knowledge, now_ns);
	if (knowledge->table.family != 0)
		continue_dump(knowledge);
	knowledge->dump_cost_ns += clock_ns() - now_ns;
	gap_ns = knowledge->dump_cost_ns * DUMP_SHARE;
	knowledge->not_before_ns = knowledge->dump_ns + (gap_ns > DUMP_GAP_NS ? gap_ns : DUMP_GAP_NS);
}

void knowledge_work(struct knowledge *knowledge, uint64_t now_ns)
{
	if (knowledge->table.family != 0 || (knowledge->wanted && now_ns >= knowledge->not_before_ns))
		work_on_dump(knowledge, now_ns);
}

/* After a pause all is out of date; where a dump is quick it is made at once. */
static void refresh_if_cheap(struct knowledge *knowledge, uint64_t now_ns)
{
	bool outdated = now_ns - knowledge->dump_ns > OUTDATED_NS && knowledge->dump_cost_ns < CHEAP_NS;

	if (!outdated || knowledge->table.family != 0)
		return;
	do
		work_on_dump(knowledge, clock_ns());
	while (knowledge->table.family != 0 && knowledge->dump_cost_ns < CHEAP_NS);
}

struct berth_space *knowledge_space(struct knowledge *knowledge, const struct berth_address *local,
				    uint64_t now_ns)
{
	struct site *site = find_site(knowledge, local);

	if (now_ns - knowledge->sysctls_ns >= SYSCTLS_FRESH_NS)
		read_sysctls(knowledge, now_ns);
	refresh_if_cheap(knowledge, now_ns);
	if (!site) {
		site = new_site(knowledge, local);
		knowledge->not_before_ns = now_ns; /* nothing is known of this address */
	}
	knowledge->wanted = true;
	if (!site)
		return NULL;
	site->used_ns = now_ns;
	return site->current;
}

unsigned knowledge_any_port(struct knowledge *knowledge)
{
	const struct port_sysctls *sysctls = &knowledge->sysctls;

	for (int draw = 0; draw < 8; draw++) {
		unsigned port = sysctls->first +
				berth_random_below(&knowledge->random, sysctls->last - sysctls->first + 1);

		if (!berth_port_set_contains(&sysctls->reserved, port))
			return port;
	}
	return 0;
}

int knowledge_idle_ms(const struct knowledge *knowledge, uint64_t now_ns)
{
	if (knowledge->table.family != 0)
		return 0;
	if (!knowledge->wanted)
		return -1;
	if (now_ns >= knowledge->not_before_ns)
		return 0;
	return (int)((knowledge->not_before_ns - now_ns) / MS_NS) + 1;
}

int knowledge_open(struct knowledge *knowledge, enum berth_policy policy, uint64_t now_ns)
{
	static const struct berth_address any;
	uint8_t key[BERTH_SEED_BYTES];
	int error = port_sysctls_read(&knowledge->sysctls);

	if (error)
		return error;
	if (!new_key(key))
		return -ENOSYS;
	berth_random_seed(&knowledge->random, key);
	knowledge->policy = policy;
	knowledge->sysctls_ns = now_ns;
	knowledge->time_wait = new_pages(SEEN_TIME_WAITS * sizeof(knowledge->time_wait[0]));
	if (!knowledge->time_wait || !settle_site(knowledge, &knowledge->site[0], &any))
		return -ENOMEM;
	begin_dump(knowledge, now_ns);
	while (knowledge->table.family != 0 && clock_ns() - now_ns < FIRST_DUMP_NS)
		continue_dump(knowledge);
	return 0;
}
