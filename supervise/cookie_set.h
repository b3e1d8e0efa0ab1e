/* SPDX-License-Identifier: MIT
 *
 * A bounded set of sockets, by their cookies (SO_COOKIE: unique for each socket, never used twice).
 *
 * Theory of operation
 *
 * Buckets of four, found by the cookie's low bits, as cookies are given out in sequence. A socket
 * that was closed is never seen again and leaves when its bucket is full and its turn comes. So
 * memory is bounded, and a live socket is forgotten only when some 65,536 later ones were added.
 *
 * One writer at a time; the set may lie in shared memory. The zero-filled set is valid and empty.
 * Cookie 0 is no socket: it is never in the set and must not be added.
 */
#ifndef BERTH_SUPERVISE_COOKIE_SET_H
#define BERTH_SUPERVISE_COOKIE_SET_H

#include <stdbool.h>
#include <stdint.h>

#define COOKIE_BUCKETS 16384u
#define COOKIE_WAYS    4u

struct cookie_set {
	uint64_t cookie[COOKIE_BUCKETS][COOKIE_WAYS]; /* 0: free */
	uint8_t turn[COOKIE_BUCKETS];		      /* which one leaves next */
	uint32_t count;
};

void cookie_set_add(struct cookie_set *set, uint64_t cookie);
bool cookie_set_has(const struct cookie_set *set, uint64_t cookie);
void cookie_set_remove(struct cookie_set *set, uint64_t cookie);

#endif
