/* SPDX-License-Identifier: MIT
 *
 * Numbers for pairs of a local address and a remote endpoint: 0, 1, 2 ... in the order of their first sight.
 *
 * A hash table with open addressing, at most half full, keyed by a secret: whoever opens connections to this
 * host or is connected to cannot choose addresses that fall together. It grows with what the kernel's own socket
 * table holds. Not locked: one owner at a time.
 */
#ifndef BERTH_VIEW_PAIR_INDEX_H
#define BERTH_VIEW_PAIR_INDEX_H

#include <stdint.h>

#include "core/address.h"
#include "core/siphash.h"

struct view_pair {
	struct berth_address local;
	struct berth_endpoint remote;
};

#define VIEW_PAIRS_LATELY 64u

/* Private but for count and pair, which are for reading: pair[number], valid until the next add. */
struct view_pair_index {
	struct berth_siphash_key key;
	uint32_t *slot; /* number + 1; 0: empty */
	uint32_t slots; /* a power of two */
	struct view_pair *pair;
	uint32_t count;
	/* Numbers + 1 of pairs added lately, by a hash that costs next to nothing: most sockets of a host are to few
	 * destinations. Whoever makes pairs fall together there makes the table be asked. */
	uint32_t lately[VIEW_PAIRS_LATELY];
};

#define VIEW_NO_PAIR UINT32_MAX

/* 0 or negative errno. */
int view_pair_index_init(struct view_pair_index *index);
void view_pair_index_free(struct view_pair_index *index);

/* The pair's number, a new one if it was not there. VIEW_NO_PAIR if there is no memory. */
uint32_t view_pair_index_add(struct view_pair_index *index, const struct berth_address *local,
			     const struct berth_endpoint *remote);

/* The pair's number; VIEW_NO_PAIR if it is not there. */
uint32_t view_pair_index_find(const struct view_pair_index *index, const struct berth_address *local,
			      const struct berth_endpoint *remote);

#endif
