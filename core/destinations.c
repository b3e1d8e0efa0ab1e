/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 *	header | record 1 .. capacity | link 0 .. capacity | bucket 0 .. capacity - 1 | owner 0 .. bitmaps |
 *	bitmap link 0 .. bitmaps | bitmap 1 .. bitmaps
 *
 * Most destinations have a handful of connections, a few have tens of thousands. A record is one cache line
 * and has room for 16 ports, sorted, with a bit for each that says whether it is in TIME_WAIT. The 17th
 * port moves them into a bitmap, two port sets from a pool: all ports, and those in TIME_WAIT. When 8 are
 * left they move back; not before, or a destination that has 16 and 17 in turn would move each time.
 *
 * Two lists say who was used when: one of all records, one of those with a bitmap, since each can run out
 * alone. Index 0 of each array of links is the list's head, so zero-filled memory is an empty table.
 * A record with no port left goes at once, so that empty ones push out nobody.
 *
 * Invariants: a record has a port; few[] ascends; waiting is a part of all; a record has a bitmap if and
 * only if it is on the second list, and then its count is above 8.
 *
 * Refused: one hash of (destination, port) pairs (16 bytes a connection, and no way to pick among the ports
 * that are left); bitmaps for all (20 KB a destination); a tree of small sets in between (a third form, for
 * the few destinations between 17 and some hundred ports).
 */
#include "core/destinations.h"

#include <assert.h>
#include <string.h>

#include "core/siphash.h"

#define FEW_AGAIN 8u

struct record {
	struct berth_endpoint endpoint;
	uint16_t time_wait; /* bit i: few[i] is in TIME_WAIT */
	uint32_t chain;
	uint32_t bitmap; /* 0: none, the ports are in few */
	uint16_t count;	 /* of few */
	uint16_t few[BERTH_FEW_PORTS];
};

static_assert(sizeof(struct record) == 64, "a record is a cache line");

struct link {
	uint32_t newer;
	uint32_t older;
};

struct bitmap {
	struct berth_port_set all;
	struct berth_port_set waiting;
};

/* What is given out in order first and then from a list of returned ones. */
struct pool {
	uint32_t size;
	uint32_t used;
	uint32_t returned; /* through link.newer */
	uint32_t count;
};

struct berth_destinations {
	struct berth_siphash_key key;
	struct pool records;
	struct pool bitmaps;
	uint64_t forgotten;
	uint64_t unused;
};

static_assert(sizeof(struct berth_destinations) == 64, "records start at a cache line");

static struct record *record_at(const struct berth_destinations *table, uint32_t index)
{
	return (struct record *)(table + 1) + (index - 1);
}

static struct link *record_links(const struct berth_destinations *table)
{
	return (struct link *)record_at(table, table->records.size + 1);
}

static uint32_t *bucket_at(const struct berth_destinations *table, uint64_t hash)
{
	uint32_t *buckets = (uint32_t *)(record_links(table) + table->records.size + 1);

	return &buckets[(hash >> 32) * table->records.size >> 32];
}

static uint32_t *owner_at(const struct berth_destinations *table, uint32_t bitmap)
{
	uint32_t *buckets = (uint32_t *)(record_links(table) + table->records.size + 1);

	return buckets + table->records.size + bitmap;
}

static struct link *bitmap_links(const struct berth_destinations *table)
{
	return (struct link *)owner_at(table, table->bitmaps.size + 1);
}

static size_t round_up(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

/* Bytes before the first bitmap. */
static size_t bitmaps_offset(uint32_t capacity, uint32_t bitmaps)
{
	return round_up(sizeof(struct berth_destinations) + capacity * sizeof(struct record) +
			(capacity + 1ul) * sizeof(struct link) + capacity * sizeof(uint32_t) +
			(bitmaps + 1ul) * (sizeof(uint32_t) + sizeof(struct link)));
}

static struct bitmap *bitmap_at(const struct berth_destinations *table, uint32_t index)
{
	size_t offset = bitmaps_offset(table->records.size, table->bitmaps.size);

	return (struct bitmap *)((char *)table + offset) + (index - 1);
}

static void list_remove(struct link *links, uint32_t index)
{
	links[links[index].newer].older = links[index].older;
	links[links[index].older].newer = links[index].newer;
}

static void list_append(struct link *links, uint32_t index)
{
	links[index] = (struct link){ .newer = 0, .older = links[0].older };
	links[links[0].older].newer = index;
	links[0].older = index;
}

static uint32_t list_oldest(const struct link *links)
{
	return links[0].newer;
}

static bool pool_is_empty(const struct pool *pool)
{
	return pool->count == pool->size;
}

static uint32_t pool_take(struct pool *pool, const struct link *links)
{
	uint32_t index = pool->returned;

	pool->count++;
	if (index == 0)
		return ++pool->used;
	pool->returned = links[index].newer;
	return index;
}

static void pool_return(struct pool *pool, struct link *links, uint32_t index)
{
	pool->count--;
	links[index].newer = pool->returned;
	pool->returned = index;
}

static uint64_t hash_of(const struct berth_destinations *table, const struct berth_endpoint *endpoint)
{
	uint64_t word[3];

	memcpy(word, endpoint->address.bytes, sizeof(endpoint->address.bytes));
	word[2] = endpoint->port;
	return berth_siphash(&table->key, word, 3);
}

static uint32_t find(const struct berth_destinations *table, const struct berth_endpoint *endpoint,
		     uint64_t hash)
{
	uint32_t index = *bucket_at(table, hash);

	while (index != 0 && !berth_endpoint_equal(&record_at(table, index)->endpoint, endpoint))
		index = record_at(table, index)->chain;
	return index;
}

static void return_bitmap(struct berth_destinations *table, struct record *record)
{
	list_remove(bitmap_links(table), record->bitmap);
	pool_return(&table->bitmaps, bitmap_links(table), record->bitmap);
	record->bitmap = 0;
}

static void drop(struct berth_destinations *table, uint32_t index)
{
	struct record *record = record_at(table, index);
	uint32_t *link = bucket_at(table, hash_of(table, &record->endpoint));

	while (*link != index)
		link = &record_at(table, *link)->chain;
	*link = record->chain;
	if (record->bitmap != 0)
		return_bitmap(table, record);
	list_remove(record_links(table), index);
	pool_return(&table->records, record_links(table), index);
}

static void forget(struct berth_destinations *table, uint32_t index)
{
	drop(table, index);
	table->forgotten++;
}

static uint32_t create(struct berth_destinations *table, const struct berth_endpoint *endpoint, uint64_t hash)
{
	uint32_t *bucket = bucket_at(table, hash), index;

	if (pool_is_empty(&table->records))
		forget(table, list_oldest(record_links(table)));
	index = pool_take(&table->records, record_links(table));
	*record_at(table, index) = (struct record){ .endpoint = *endpoint, .chain = *bucket };
	*bucket = index;
	list_append(record_links(table), index);
	return index;
}

static void use(struct berth_destinations *table, uint32_t index)
{
	uint32_t bitmap = record_at(table, index)->bitmap;

	list_remove(record_links(table), index);
	list_append(record_links(table), index);
	if (bitmap != 0) {
		list_remove(bitmap_links(table), bitmap);
		list_append(bitmap_links(table), bitmap);
	}
}

static void put_in_bitmap(struct bitmap *bitmap, unsigned port, enum berth_connection_state state)
{
	if (state == BERTH_NO_CONNECTION)
		berth_port_set_remove(&bitmap->all, port);
	else
		berth_port_set_add(&bitmap->all, port);
	if (state == BERTH_TIME_WAIT)
		berth_port_set_add(&bitmap->waiting, port);
	else
		berth_port_set_remove(&bitmap->waiting, port);
}

static void grow(struct berth_destinations *table, uint32_t index)
{
	struct record *record = record_at(table, index);
	struct link *links = bitmap_links(table);
	struct bitmap *bitmap;

	if (pool_is_empty(&table->bitmaps))
		forget(table, *owner_at(table, list_oldest(links)));
	record->bitmap = pool_take(&table->bitmaps, links);
	*owner_at(table, record->bitmap) = index;
	list_append(links, record->bitmap);
	bitmap = bitmap_at(table, record->bitmap);
	memset(bitmap, 0, sizeof(*bitmap));
	for (unsigned i = 0; i < record->count; i++)
		put_in_bitmap(bitmap, record->few[i],
			      record->time_wait >> i & 1 ? BERTH_TIME_WAIT : BERTH_LIVE);
}

static void shrink(struct berth_destinations *table, struct record *record)
{
	const struct bitmap *bitmap = bitmap_at(table, record->bitmap);

	record->count = (uint16_t)berth_port_set_count(&bitmap->all);
	record->time_wait = 0;
	for (unsigned i = 0; i < record->count; i++) {
		record->few[i] = (uint16_t)berth_port_set_select(&bitmap->all, i);
		if (berth_port_set_contains(&bitmap->waiting, record->few[i]))
			record->time_wait |= (uint16_t)(1u << i);
	}
	return_bitmap(table, record);
}

/* Where port is in few, or would be. */
static unsigned place_of(const struct record *record, unsigned port)
{
	unsigned i = 0;

	while (i < record->count && record->few[i] < port)
		i++;
	return i;
}

static bool is_at(const struct record *record, unsigned place, unsigned port)
{
	return place < record->count && record->few[place] == port;
}

static void insert_few(struct record *record, unsigned place, unsigned port)
{
	unsigned below = (1u << place) - 1;

	memmove(&record->few[place + 1], &record->few[place],
		(record->count - place) * sizeof(record->few[0]));
	record->few[place] = (uint16_t)port;
	record->count++;
	record->time_wait = (uint16_t)((record->time_wait & below) | (record->time_wait & ~below) << 1);
}

static void remove_few(struct record *record, unsigned place)
{
	unsigned below = (1u << place) - 1;

	record->count--;
	memmove(&record->few[place], &record->few[place + 1],
		(record->count - place) * sizeof(record->few[0]));
	record->time_wait = (uint16_t)((record->time_wait & below) | (record->time_wait >> 1 & ~below));
}

static uint32_t count_of(const struct berth_destinations *table, const struct record *record)
{
	return record->bitmap != 0 ? berth_port_set_count(&bitmap_at(table, record->bitmap)->all)
				   : record->count;
}

size_t berth_destinations_size(uint32_t capacity, uint32_t bitmaps)
{
	if (capacity == 0 || capacity > INT32_MAX || bitmaps == 0 || bitmaps > INT32_MAX)
		return 0;
	return bitmaps_offset(capacity, bitmaps) + bitmaps * sizeof(struct bitmap);
}

struct berth_destinations *berth_destinations_init(void *memory, size_t bytes, uint32_t capacity,
						   uint32_t bitmaps, const uint8_t key[16])
{
	struct berth_destinations *table = memory;
	size_t size = berth_destinations_size(capacity, bitmaps);

	if (size == 0 || bytes < size)
		return NULL;
	memcpy(&table->key, key, sizeof(table->key));
	table->records.size = capacity;
	table->bitmaps.size = bitmaps;
	return table;
}

void berth_destinations_clear(struct berth_destinations *table)
{
	while (list_oldest(record_links(table)) != 0)
		drop(table, list_oldest(record_links(table)));
}

static void take_out(struct berth_destinations *table, uint32_t index, unsigned port)
{
	struct record *record = record_at(table, index);

	if (record->bitmap != 0) {
		put_in_bitmap(bitmap_at(table, record->bitmap), port, BERTH_NO_CONNECTION);
		if (count_of(table, record) <= FEW_AGAIN)
			shrink(table, record);
	} else {
		unsigned place = place_of(record, port);

		if (is_at(record, place, port))
			remove_few(record, place);
	}
	if (count_of(table, record) == 0)
		drop(table, index);
}

void berth_destinations_put(struct berth_destinations *table, const struct berth_endpoint *destination,
			    unsigned port, enum berth_connection_state state)
{
	uint64_t hash = hash_of(table, destination);
	uint32_t index = find(table, destination, hash);
	struct record *record;
	unsigned place;

	assert(port < BERTH_PORTS);
	if (state == BERTH_NO_CONNECTION) {
		if (index != 0)
			take_out(table, index, port);
		return;
	}
	if (index == 0)
		index = create(table, destination, hash);
	use(table, index);
	record = record_at(table, index);
	place = place_of(record, port);
	if (record->bitmap == 0 && record->count == BERTH_FEW_PORTS && !is_at(record, place, port))
		grow(table, index);
	if (record->bitmap != 0) {
		put_in_bitmap(bitmap_at(table, record->bitmap), port, state);
		return;
	}
	if (!is_at(record, place, port))
		insert_few(record, place, port);
	record->time_wait &= (uint16_t) ~(1u << place);
	record->time_wait |= (uint16_t)((state == BERTH_TIME_WAIT) << place);
}

enum berth_connection_state berth_destinations_state(const struct berth_destinations *table,
						     const struct berth_endpoint *destination, unsigned port)
{
	uint32_t index = find(table, destination, hash_of(table, destination));
	const struct record *record;
	unsigned place;

	if (index == 0)
		return BERTH_NO_CONNECTION;
	record = record_at(table, index);
	if (record->bitmap != 0) {
		const struct bitmap *bitmap = bitmap_at(table, record->bitmap);

		if (berth_port_set_contains(&bitmap->waiting, port))
			return BERTH_TIME_WAIT;
		return berth_port_set_contains(&bitmap->all, port) ? BERTH_LIVE : BERTH_NO_CONNECTION;
	}
	place = place_of(record, port);
	if (!is_at(record, place, port))
		return BERTH_NO_CONNECTION;
	return record->time_wait >> place & 1 ? BERTH_TIME_WAIT : BERTH_LIVE;
}

bool berth_destinations_find(struct berth_destinations *table, const struct berth_endpoint *destination,
			     struct berth_destination_ports *ret_ports)
{
	uint32_t index = find(table, destination, hash_of(table, destination));
	const struct record *record;

	*ret_ports = (struct berth_destination_ports){ 0 };
	if (index == 0)
		return false;
	use(table, index);
	record = record_at(table, index);
	ret_ports->count = count_of(table, record);
	if (record->bitmap != 0) {
		const struct bitmap *bitmap = bitmap_at(table, record->bitmap);

		ret_ports->all = &bitmap->all;
		ret_ports->waiting = &bitmap->waiting;
		ret_ports->time_wait = berth_port_set_count(&bitmap->waiting);
		return true;
	}
	ret_ports->few = record->few;
	ret_ports->few_time_wait = record->time_wait;
	for (unsigned i = 0; i < record->count; i++)
		ret_ports->time_wait += record->time_wait >> i & 1;
	return true;
}

uint32_t berth_destinations_count(const struct berth_destinations *table)
{
	return table->records.count;
}

uint32_t berth_destinations_bitmaps(const struct berth_destinations *table)
{
	return table->bitmaps.count;
}

uint64_t berth_destinations_forgotten(const struct berth_destinations *table)
{
	return table->forgotten;
}
