/* SPDX-License-Identifier: MIT
 *
 * A hash of one word: the finalizer of splitmix64 (S. Vigna). Nobody in a simulation is hostile.
 */
#ifndef BERTH_SIM_HASH_H
#define BERTH_SIM_HASH_H

#include <stdint.h>

static inline uint64_t sim_hash(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

#endif
