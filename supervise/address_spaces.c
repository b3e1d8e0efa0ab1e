/* SPDX-License-Identifier: MIT */
#include "supervise/address_spaces.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "host/socket_address.h"
#include "supervise/time_waits.h"

/* An address used so lately keeps its site. */
#define IN_USE_NS 1000000000ull

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

static void set_up_space(const struct address_spaces *spaces, const struct port_limits *limits,
			 struct berth_space *space)
{
	berth_space_set_policy(space, spaces->policy);
	berth_space_set_time_wait(space, spaces->time_wait_ns, space_limits.time_wait);
	berth_space_set_range(space, limits->sysctls.first, limits->sysctls.last, &limits->sysctls.reserved);
}

/* Gives the site to address; what it knew of another one it forgets. */
static bool settle_site(struct address_spaces *spaces, struct site *site, const struct berth_address *address,
			const struct port_limits *limits)
{
	if (site->current) {
		berth_space_clear(site->current);
		berth_space_clear(site->next);
	} else if (new_spaces(site)) {
		set_up_space(spaces, limits, site->current);
		set_up_space(spaces, limits, site->next);
	} else {
		return false;
	}
	site->address = *address;
	site->known = site->in_dump = false;
	return true;
}

/* The site of address, or NULL. Every spelling of "any" is site 0. */
static struct site *find_site(struct address_spaces *spaces, const struct berth_address *address)
{
	if (address_is_any(address))
		return &spaces->site[0];
	for (unsigned i = 1; i < SITES && spaces->site[i].current; i++)
		if (berth_address_equal(&spaces->site[i].address, address))
			return &spaces->site[i];
	return NULL;
}

/* The site of one address, if it has one; NULL for "any", whose site 0 counts everything as it is. */
static struct site *own_site(struct address_spaces *spaces, const struct berth_address *address)
{
	struct site *site = find_site(spaces, address);

	return site == &spaces->site[0] ? NULL : site;
}

/* A site for an address that has none: a free one, or that of the address not used for longest. NULL
 * if all are in use. */
static struct site *new_site(struct address_spaces *spaces, const struct berth_address *address,
			     const struct port_limits *limits, uint64_t now_ns)
{
	struct site *site = &spaces->site[1];

	for (unsigned i = 1; i < SITES && site->current; i++)
		if (!spaces->site[i].current || spaces->site[i].used_ns < site->used_ns)
			site = &spaces->site[i];
	if (site->current && now_ns - site->used_ns < IN_USE_NS)
		return NULL;
	return settle_site(spaces, site, address, limits) ? site : NULL;
}

int spaces_open(struct address_spaces *spaces, enum berth_policy policy, uint64_t time_wait_ns,
		const struct port_limits *limits)
{
	static const struct berth_address any;

	spaces->policy = policy;
	spaces->time_wait_ns = time_wait_ns;
	return settle_site(spaces, &spaces->site[0], &any, limits) ? 0 : -ENOMEM;
}

void spaces_limit(struct address_spaces *spaces, const struct port_limits *limits)
{
	for (unsigned i = 0; i < SITES && spaces->site[i].current; i++) {
		set_up_space(spaces, limits, spaces->site[i].current);
		set_up_space(spaces, limits, spaces->site[i].next);
	}
}

struct berth_space *spaces_of(struct address_spaces *spaces, const struct berth_address *local,
			      const struct port_limits *limits, uint64_t now_ns, bool *ret_is_new)
{
	struct site *site = find_site(spaces, local);

	*ret_is_new = false;
	if (!site) {
		site = new_site(spaces, local, limits, now_ns);
		*ret_is_new = site != NULL;
	}
	if (site)
		site->used_ns = now_ns;
	return site && site->known ? site->current : spaces->site[0].current;
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

void spaces_took(struct address_spaces *spaces, const struct berth_endpoint *local,
		 const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = own_site(spaces, &local->address);

	if (!address_is_any(&local->address)) {
		if (site)
			put_both(site, local, remote, now_ns);
		put_both(&spaces->site[0], local, remote, now_ns);
		return;
	}
	/* Bound to all addresses: nobody else can have the port on any of them. */
	for (unsigned i = 0; i < SITES && spaces->site[i].current; i++)
		put_both(&spaces->site[i], local, remote, now_ns);
}

static void connect_holder(struct site *site, const struct berth_endpoint *local,
			   const struct berth_endpoint *remote, uint64_t now_ns)
{
	berth_space_unhold(site->current, local->port, false);
	berth_space_unhold(site->next, local->port, false);
	put_both(site, local, remote, now_ns);
}

void spaces_connects(struct address_spaces *spaces, const struct berth_endpoint *local,
		     const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = own_site(spaces, &local->address);

	connect_holder(&spaces->site[0], local, remote, now_ns);
	if (site)
		connect_holder(site, local, remote, now_ns);
}

static void refuse_both(struct site *site, const struct berth_endpoint *local,
			const struct berth_endpoint *remote, uint64_t now_ns)
{
	berth_space_refuse(site->current, local->port, remote, now_ns);
	berth_space_refuse(site->next, local->port, remote, now_ns);
}

void spaces_refused(struct address_spaces *spaces, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = find_site(spaces, &local->address);

	if (site && site->known)
		refuse_both(site, local, remote, now_ns);
	else
		refuse_both(&spaces->site[0], local, remote, now_ns);
}

/* -------------------------------------------------------------------------------------------------
 * The next ones, from a dump
 */

void spaces_begin_next(struct address_spaces *spaces)
{
	for (unsigned i = 0; i < SITES && spaces->site[i].current; i++) {
		berth_space_clear(spaces->site[i].next);
		spaces->site[i].in_dump = true;
	}
}

void spaces_see_holder(struct address_spaces *spaces, const struct berth_endpoint *local, uint64_t now_ns)
{
	bool any = address_is_any(&local->address);
	bool any_v4 = any && berth_address_is_v4(&local->address);

	for (unsigned i = 0; i < SITES && spaces->site[i].current; i++) {
		struct site *site = &spaces->site[i];

		if (i == 0 || (any && (!any_v4 || berth_address_is_v4(&site->address))) ||
		    berth_address_equal(&site->address, &local->address))
			put(site->next, local, NULL, now_ns);
	}
}

void spaces_see_connection(struct address_spaces *spaces, const struct berth_endpoint *local,
			   const struct berth_endpoint *remote, uint64_t now_ns)
{
	struct site *site = own_site(spaces, &local->address);

	if (site)
		put(site->next, local, remote, now_ns);
	put(spaces->site[0].next, local, remote, now_ns);
}

void spaces_see_time_wait(struct address_spaces *spaces, const struct berth_endpoint *local,
			  const struct berth_endpoint *remote, uint64_t entered_ns)
{
	struct site *site = own_site(spaces, &local->address);

	if (site)
		berth_space_observe_time_wait(site->next, local->port, remote, entered_ns);
	berth_space_observe_time_wait(spaces->site[0].next, local->port, remote, entered_ns);
}

void spaces_change_places(struct address_spaces *spaces)
{
	for (unsigned i = 0; i < SITES && spaces->site[i].current; i++) {
		struct site *site = &spaces->site[i];
		struct berth_space *outdated = site->current;

		site->current = site->next;
		site->next = outdated;
		site->known = site->in_dump;
	}
}
