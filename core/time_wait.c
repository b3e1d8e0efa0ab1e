/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 *	header | entry 0, entry 1 .. entry capacity | bucket 0 .. bucket capacity - 1
 *
 * An IPv4 entry has 20 bytes: four links and fields of 24 bits in 12, two ports in 4, the remote address in
 * 4 (16 for IPv6: the same code with a wider stride). A bucket has 4 bytes. So 24 and 36, all included.
 *
 * Age	All entries are on one list in the order in which they entered, since all stay for the same time;
 *	the oldest is always the next to leave and no timer per entry is needed. Entry 0 is the list's head,
 *	so zero-filled memory is an empty list. Times are the low 24 bits of a count of 10 ms ticks; the
 *	full time of an entry follows from that of the newest, which the header has in 64 bits. That is
 *	exact as long as no entry is 2^24 ticks (46 hours) older than the newest, which enter sees to.
 * Find	One bucket to an entry, chained through the entries. A bucket has the first slot of its chain in 24
 *	bits; in the other 8 each member sets one bit, chosen by its hash. A search for what is not there,
 *	which is what every new connection makes, mostly ends at that bit without touching an entry. Bits
 *	are cleared when the chain gets empty; until then a stale one costs a look, never an answer.
 * Enter	takes the caller's word that the connection is not in the table, so it need not look. It asks for
 *	the bucket's cache line and leaves the chaining to the eighth enter after it, or to the next find or
 *	leave, whichever is first; by then the line is there. Otherwise the processor stands still for
 *	one memory access per connection, which is ten times the rest of the work.
 * Room	Slots are given in order, and slots left are given again in the order in which they were left.
 *	So neighbours in time are neighbours in memory, and both ends of the list move through memory as
 *	a stream; only the bucket is a random access. Expiry works in batches, to have the buckets and then
 *	the chains of thirty-two entries on their way from memory at once.
 *
 * Invariants: count entries on the age list, times never falling, each in the chain of its bucket or pending; slots
 * 1 .. used are on the age list or on the free list; bucket == 0 if its chain is empty.
 *
 * Refused: a timer wheel (all stay equally long: a list is one); open addressing (deletion in the order of
 * age leaves tombstones everywhere); keeping the segment state here (an allocator, which never sees
 * segments, would pay 16 bytes a connection for nothing).
 */
#include "core/time_wait.h"

#include <assert.h>
#include <string.h>

#include "core/settings.h"
#include "core/siphash.h"

#define TICK_NS	  10000000ull
#define TICK_MASK 0xffffffull
#define SLOT_MASK 0xffffffu
#define HIGH_MASK 0xff000000u
#define SECOND_NS 1000000000ull

/* The links have the time of entry, low byte first, in their upper eight bits. Not bit-fields: those are
 * written byte by byte, and a word that is read back soon after that waits for all stores before it, the one
 * to a bucket in far memory among them. */
struct entry {
	uint32_t younger;
	uint32_t older;
	uint32_t chain;
	uint32_t ports;	    /* remote << 16 | local */
	uint32_t address[]; /* 1 word in host order, or 4 words in network order */
};

static_assert(sizeof(struct entry) + 4 == 20, "an IPv4 entry and its bucket have 24 bytes");

/* An entry on the age list but not in a chain yet. */
struct pending {
	uint64_t hash;
	uint32_t slot;
};

#define PENDING 8u

struct berth_time_wait {
	struct berth_siphash_key key;
	uint64_t newest_tick; /* never falls, also when the newest has left */
	uint64_t delay_ns;
	uint32_t capacity;
	uint32_t count;
	uint32_t used; /* slots that were ever in use are 1 .. used */
	uint32_t free_first;
	uint32_t free_last;
	uint32_t stride;
	uint32_t pending_first; /* a ring, counted without end */
	uint32_t pending_end;
	struct pending pending[PENDING];
};

static_assert(sizeof(struct berth_time_wait) % 64 == 0, "entries start at a cache line");

/* What identifies a connection, in the form in which entries hold it. */
struct key {
	uint32_t address[4];
	uint32_t ports;
};

static inline bool is_wide(const struct berth_time_wait *table)
{
	return table->stride != sizeof(struct entry) + 4;
}

static inline struct entry *entry_at(const struct berth_time_wait *table, uint32_t slot)
{
	return (struct entry *)((char *)(table + 1) + (size_t)slot * table->stride);
}

static inline void set_slot(uint32_t *link, uint32_t slot)
{
	*link = (*link & ~SLOT_MASK) | slot;
}

static inline uint32_t *bucket_at(const struct berth_time_wait *table, uint64_t hash)
{
	uint32_t *buckets = (uint32_t *)entry_at(table, table->capacity + 1);

	return &buckets[(hash >> 32) * table->capacity >> 32];
}

/* The bit of a bucket that an entry with this hash sets. */
static inline uint32_t bucket_mark(uint64_t hash)
{
	return 1u << (24 + (hash & 7));
}

static void make_key(const struct berth_time_wait *table, const struct berth_tuple *tuple,
		     struct key *ret_key)
{
	ret_key->ports = (uint32_t)tuple->remote.port << 16 | tuple->local_port;
	if (is_wide(table)) {
		memcpy(ret_key->address, tuple->remote.address.bytes, sizeof(ret_key->address));
	} else {
		assert(berth_address_is_v4(&tuple->remote.address));
		ret_key->address[0] = berth_address_to_v4(&tuple->remote.address);
	}
}

static inline uint64_t hash_of(const struct berth_time_wait *table, const uint32_t *address, uint32_t ports)
{
	uint64_t word[3] = { (uint64_t)address[0] << 32 | ports };

	if (!is_wide(table))
		return berth_siphash(&table->key, word, 1);
	word[1] = (uint64_t)address[1] << 32 | address[2];
	word[2] = address[3];
	return berth_siphash(&table->key, word, 3);
}

static inline uint64_t hash_entry(const struct berth_time_wait *table, const struct entry *entry)
{
	return hash_of(table, entry->address, entry->ports);
}

static inline bool has_key(const struct berth_time_wait *table, const struct entry *entry,
			   const struct key *key)
{
	if (entry->ports != key->ports)
		return false;
	if (!is_wide(table))
		return entry->address[0] == key->address[0];
	return memcmp(entry->address, key->address, sizeof(key->address)) == 0;
}

static void chain_one(struct berth_time_wait *table)
{
	const struct pending *pending = &table->pending[table->pending_first++ % PENDING];
	uint32_t *bucket = bucket_at(table, pending->hash);

	set_slot(&entry_at(table, pending->slot)->chain, *bucket & SLOT_MASK);
	*bucket = (*bucket & HIGH_MASK) | bucket_mark(pending->hash) | pending->slot;
}

static inline void chain_all(struct berth_time_wait *table)
{
	while (table->pending_first != table->pending_end)
		chain_one(table);
}

static void chain_later(struct berth_time_wait *table, uint32_t slot, uint64_t hash)
{
	if (table->pending_end - table->pending_first == PENDING)
		chain_one(table);
	table->pending[table->pending_end++ % PENDING] = (struct pending){ hash, slot };
	__builtin_prefetch(bucket_at(table, hash), 1);
}

static inline uint64_t tick_of(const struct berth_time_wait *table, const struct entry *entry)
{
	uint64_t low =
		entry->younger >> 24 | (entry->older & HIGH_MASK) >> 16 | (entry->chain & HIGH_MASK) >> 8;

	return table->newest_tick - ((table->newest_tick - low) & TICK_MASK);
}

/* Rounded up, and never before the newest. */
static inline uint64_t tick_at(const struct berth_time_wait *table, uint64_t now_ns)
{
	uint64_t tick = now_ns / TICK_NS + (now_ns % TICK_NS != 0);

	return tick > table->newest_tick ? tick : table->newest_tick;
}

/* Puts an entry, which is not on the age list, behind the newest. */
static inline void append_newest(struct berth_time_wait *table, uint32_t slot, uint64_t tick)
{
	struct entry *head = entry_at(table, 0), *entry = entry_at(table, slot);
	uint32_t newest = head->older & SLOT_MASK;
	uint32_t time = (uint32_t)tick;

	entry->younger = time << 24;
	entry->older = newest | (time << 16 & HIGH_MASK);
	entry->chain = (entry->chain & SLOT_MASK) | (time << 8 & HIGH_MASK);
	set_slot(&entry_at(table, newest)->younger, slot);
	set_slot(&head->older, slot);
	table->newest_tick = tick;
}

static void unlink_age(struct berth_time_wait *table, const struct entry *entry)
{
	uint32_t older = entry->older & SLOT_MASK, younger = entry->younger & SLOT_MASK;

	set_slot(&entry_at(table, older)->younger, younger);
	set_slot(&entry_at(table, younger)->older, older);
}

static inline uint32_t take_slot(struct berth_time_wait *table)
{
	uint32_t slot = table->free_first;

	if (slot == 0)
		return ++table->used;
	table->free_first = entry_at(table, slot)->younger & SLOT_MASK;
	return slot;
}

static void free_slot(struct berth_time_wait *table, uint32_t slot)
{
	set_slot(&entry_at(table, slot)->younger, 0);
	if (table->free_first == 0)
		table->free_first = slot;
	else
		set_slot(&entry_at(table, table->free_last)->younger, slot);
	table->free_last = slot;
}

static void unchain(struct berth_time_wait *table, uint32_t slot, uint64_t hash)
{
	uint32_t *bucket = bucket_at(table, hash);
	uint32_t behind = entry_at(table, slot)->chain & SLOT_MASK;
	uint32_t *link = bucket;

	while ((*link & SLOT_MASK) != slot)
		link = &entry_at(table, *link & SLOT_MASK)->chain;
	set_slot(link, behind);
	if ((*bucket & SLOT_MASK) == 0)
		*bucket = 0;
}

static void leave(struct berth_time_wait *table, uint32_t slot, uint64_t hash)
{
	unchain(table, slot, hash);
	unlink_age(table, entry_at(table, slot));
	free_slot(table, slot);
	table->count--;
}

size_t berth_time_wait_size(uint32_t capacity, bool ipv6)
{
	size_t stride = sizeof(struct entry) + (ipv6 ? 16 : 4);

	if (capacity == 0 || capacity > BERTH_TIME_WAIT_CAPACITY_MAX)
		return 0;
	return sizeof(struct berth_time_wait) + (capacity + 1) * stride + (size_t)capacity * sizeof(uint32_t);
}

struct berth_time_wait *berth_time_wait_init(void *memory, size_t bytes, uint32_t capacity, bool ipv6,
					     const uint8_t key[16])
{
	struct berth_time_wait *table = memory;
	size_t size = berth_time_wait_size(capacity, ipv6);

	if (size == 0 || bytes < size)
		return NULL;
	memcpy(&table->key, key, sizeof(table->key));
	table->capacity = capacity;
	table->stride = sizeof(struct entry) + (ipv6 ? 16 : 4);
	table->delay_ns = BERTH_TIMED_WAIT_DELAY * SECOND_NS;
	return table;
}

void berth_time_wait_set_delay(struct berth_time_wait *table, uint64_t delay_ns)
{
	assert(delay_ns <= BERTH_TIME_WAIT_MAX_NS);
	table->delay_ns = delay_ns;
}

uint32_t berth_time_wait_capacity(const struct berth_time_wait *table)
{
	return table->capacity;
}

uint32_t berth_time_wait_count(const struct berth_time_wait *table)
{
	return table->count;
}

/* Whether the newest may be given this tick: the oldest's must stay unambiguous. */
static bool has_room_until(const struct berth_time_wait *table, uint64_t tick)
{
	return table->count == 0 ||
	       tick - tick_of(table, entry_at(table, berth_time_wait_oldest(table))) <= TICK_MASK;
}

uint32_t berth_time_wait_enter(struct berth_time_wait *table, const struct berth_tuple *tuple,
			       uint64_t now_ns)
{
	uint64_t hash, tick = tick_at(table, now_ns);
	uint32_t slot;
	struct entry *entry;
	struct key key;

	if (table->count == table->capacity || !has_room_until(table, tick))
		return 0;
	make_key(table, tuple, &key);
	hash = hash_of(table, key.address, key.ports);
	slot = take_slot(table);
	entry = entry_at(table, slot);
	entry->ports = key.ports;
	entry->address[0] = key.address[0];
	if (is_wide(table))
		memcpy(entry->address, key.address, sizeof(key.address));
	append_newest(table, slot, tick);
	chain_later(table, slot, hash);
	table->count++;
	return slot;
}

uint32_t berth_time_wait_find(struct berth_time_wait *table, const struct berth_tuple *tuple)
{
	uint32_t bucket, slot;
	struct key key;
	uint64_t hash;

	make_key(table, tuple, &key);
	hash = hash_of(table, key.address, key.ports);
	chain_all(table);
	bucket = *bucket_at(table, hash);
	if (!(bucket & bucket_mark(hash)))
		return 0;
	for (slot = bucket & SLOT_MASK; slot != 0; slot = entry_at(table, slot)->chain & SLOT_MASK)
		if (has_key(table, entry_at(table, slot), &key))
			break;
	return slot;
}

void berth_time_wait_get(const struct berth_time_wait *table, uint32_t slot, struct berth_tuple *ret_tuple)
{
	const struct entry *entry = entry_at(table, slot);

	ret_tuple->local_port = entry->ports & 0xffff;
	ret_tuple->remote.port = (uint16_t)(entry->ports >> 16);
	if (is_wide(table))
		memcpy(ret_tuple->remote.address.bytes, entry->address,
		       sizeof(ret_tuple->remote.address.bytes));
	else
		ret_tuple->remote.address = berth_address_v4(entry->address[0]);
}

uint64_t berth_time_wait_entered(const struct berth_time_wait *table, uint32_t slot)
{
	return tick_of(table, entry_at(table, slot)) * TICK_NS;
}

void berth_time_wait_restart(struct berth_time_wait *table, uint32_t slot, uint64_t now_ns)
{
	struct entry *entry = entry_at(table, slot);
	uint64_t tick = tick_at(table, now_ns);

	if (!has_room_until(table, tick))
		tick = table->newest_tick;
	unlink_age(table, entry);
	append_newest(table, slot, tick);
}

void berth_time_wait_leave(struct berth_time_wait *table, uint32_t slot)
{
	chain_all(table);
	leave(table, slot, hash_entry(table, entry_at(table, slot)));
}

uint32_t berth_time_wait_oldest(const struct berth_time_wait *table)
{
	return entry_at(table, 0)->younger & SLOT_MASK;
}

uint32_t berth_time_wait_younger(const struct berth_time_wait *table, uint32_t slot)
{
	return entry_at(table, slot)->younger & SLOT_MASK;
}

unsigned berth_time_wait_expire(struct berth_time_wait *table, uint64_t now_ns,
				struct berth_tuple ret_gone[BERTH_EXPIRE_BATCH])
{
	uint32_t slots[BERTH_EXPIRE_BATCH], slot = berth_time_wait_oldest(table);
	uint64_t hashes[BERTH_EXPIRE_BATCH];
	unsigned due = 0;

	chain_all(table);
	while (slot != 0 && due < BERTH_EXPIRE_BATCH &&
	       berth_time_wait_entered(table, slot) + table->delay_ns <= now_ns) {
		hashes[due] = hash_entry(table, entry_at(table, slot));
		__builtin_prefetch(bucket_at(table, hashes[due]), 1);
		slots[due++] = slot;
		slot = berth_time_wait_younger(table, slot);
	}
	/* The oldest is the last of its chain: the one or two before it are what its leaving waits for. */
	for (unsigned i = 0; i < due; i++)
		__builtin_prefetch(&entry_at(table, *bucket_at(table, hashes[i]) & SLOT_MASK)->chain, 1);
	for (unsigned i = 0; i < due; i++) {
		uint32_t first = *bucket_at(table, hashes[i]) & SLOT_MASK;

		__builtin_prefetch(&entry_at(table, entry_at(table, first)->chain & SLOT_MASK)->chain, 1);
	}
	for (unsigned i = 0; i < due; i++) {
		berth_time_wait_get(table, slots[i], &ret_gone[i]);
		leave(table, slots[i], hashes[i]);
	}
	return due;
}

uint64_t berth_time_wait_next_expiry(const struct berth_time_wait *table)
{
	uint32_t oldest = berth_time_wait_oldest(table);

	return oldest != 0 ? berth_time_wait_entered(table, oldest) + table->delay_ns : UINT64_MAX;
}
