/* SPDX-License-Identifier: MIT
 *
 * The connections in TIME_WAIT of one local address: who, since when, who leaves next.
 *
 * 24 bytes for each IPv4 connection (36 with ipv6) and 212 for the table; millions of them;
 * each operation in constant time. Knows no ports and no policy; what to do with a segment that arrives in
 * TIME_WAIT is in core/segment.h.
 *
 * Memory	The caller's, zero-filled, aligned to 8 bytes (64 is faster), berth_time_wait_size() of it.
 *		Holds no pointers.
 * Time		Nanoseconds of one clock that never goes back; a smaller value than an earlier one is taken for
 *		the earlier one. Kept in ticks of 10 ms, rounded up: nobody leaves early, everybody leaves
 *		at most 10 ms late.
 * Threads	Not locked: one owner at a time.
 *
 * A connection is known by its slot, 1 .. capacity, from enter until it leaves; a stack keeps what else it
 * needs (struct berth_segment_state) in an array of its own beside the table. Slot 0 is no connection.
 */
#ifndef BERTH_TIME_WAIT_H
#define BERTH_TIME_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

#define BERTH_TIME_WAIT_CAPACITY_MAX 16777215u

/* The longest delay: the ticks kept wrap at 46 hours. */
#define BERTH_TIME_WAIT_MAX_NS (24 * 3600 * 1000000000ull)

/* A connection of the local address that the table belongs to. */
struct berth_tuple {
	struct berth_endpoint remote;
	uint16_t local_port;
};

struct berth_time_wait;

/* Bytes that a table needs; 0 if capacity is not 1 .. BERTH_TIME_WAIT_CAPACITY_MAX. Without ipv6 all
 * remote addresses must be IPv4 (assert). */
size_t berth_time_wait_size(uint32_t capacity, bool ipv6);

/* Makes an empty table in zero-filled memory; key is secret and random wherever peers may be hostile.
 * Starts with a delay of 120 s. NULL if bytes are too few or capacity is out of bounds. */
struct berth_time_wait *berth_time_wait_init(void *memory, size_t bytes, uint32_t capacity, bool ipv6,
					     const uint8_t key[16]);

/* How long a connection stays (at most BERTH_TIME_WAIT_MAX_NS), also those that are in. */
void berth_time_wait_set_delay(struct berth_time_wait *table, uint64_t delay_ns);

uint32_t berth_time_wait_capacity(const struct berth_time_wait *table);
uint32_t berth_time_wait_count(const struct berth_time_wait *table);

/* Lets a connection enter TIME_WAIT as the newest. It must not be in TIME_WAIT already: whoever cannot be
 * sure finds it first and restarts it. Returns its slot; 0, and nothing changed, if there is no room: the
 * table is full, or the oldest should have left long ago. Then let the oldest leave and try again. */
uint32_t berth_time_wait_enter(struct berth_time_wait *table, const struct berth_tuple *tuple,
			       uint64_t now_ns);

/* The connection's slot; 0 if it is not in TIME_WAIT. */
uint32_t berth_time_wait_find(struct berth_time_wait *table, const struct berth_tuple *tuple);

/* The connection in a slot in use. */
void berth_time_wait_get(const struct berth_time_wait *table, uint32_t slot, struct berth_tuple *ret_tuple);

/* When the connection in a slot in use entered, or had its 2MSL restarted; rounded up to the tick. */
uint64_t berth_time_wait_entered(const struct berth_time_wait *table, uint32_t slot);

/* Restarts 2MSL (a retransmitted FIN, RFC 9293 section 3.10.7.4). */
void berth_time_wait_restart(struct berth_time_wait *table, uint32_t slot, uint64_t now_ns);

/* Takes out the connection in a slot in use. */
void berth_time_wait_leave(struct berth_time_wait *table, uint32_t slot);

/* The slot of the oldest; 0 if the table is empty. */
uint32_t berth_time_wait_oldest(const struct berth_time_wait *table);

/* The slot of the next younger one; 0 after the newest. */
uint32_t berth_time_wait_younger(const struct berth_time_wait *table, uint32_t slot);

/* Takes out connections whose time is over, oldest first, at most BERTH_EXPIRE_BATCH, and gives their
 * number; they are in ret_gone. Fewer than that: no more are due. */
#define BERTH_EXPIRE_BATCH 32u
unsigned berth_time_wait_expire(struct berth_time_wait *table, uint64_t now_ns,
				struct berth_tuple ret_gone[BERTH_EXPIRE_BATCH]);

/* When the oldest's time is over; UINT64_MAX if the table is empty. */
uint64_t berth_time_wait_next_expiry(const struct berth_time_wait *table);

#endif
