/* SPDX-License-Identifier: MIT
 *
 * The sockets whose bind to port 0 was put off: bound to an address, or to all, and still without a
 * port.
 *
 * Theory of operation
 *
 * A set of socket cookies (SO_COOKIE: unique for each socket, never used twice), in buckets of four
 * found by the cookie's low bits, as cookies are given out in sequence. A socket leaves when its
 * port is settled; one that was closed first is never seen again and leaves when its bucket is full
 * and its turn comes. So memory is bounded, and a live socket is lost only when 65,536 later ones
 * were put off and neither used nor settled; for such a one getsockname() says port 0, and
 * everything else works. It lies in shared memory, so that the guardian can settle what the
 * supervisor put off. The zero-filled table is valid and empty. One writer at a time.
 */
#ifndef BERTH_SUPERVISE_LAZY_H
#define BERTH_SUPERVISE_LAZY_H

#include <stdbool.h>
#include <stdint.h>

#define LAZY_BUCKETS 16384u
#define LAZY_WAYS    4u

struct lazy_table {
	uint64_t cookie[LAZY_BUCKETS][LAZY_WAYS]; /* 0: free */
	uint8_t turn[LAZY_BUCKETS];		  /* which one leaves next */
	uint32_t count;
};

void lazy_add(struct lazy_table *table, uint64_t cookie);
bool lazy_has(const struct lazy_table *table, uint64_t cookie);
void lazy_remove(struct lazy_table *table, uint64_t cookie);

#endif
