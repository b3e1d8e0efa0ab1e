/* SPDX-License-Identifier: MIT
 *
 * SipHash-1-3 of two words: the keyed hash of the tables.
 *
 * Ports and addresses of peers are under the control of others; with a secret key they cannot be chosen to
 * fall into one chain (J.-P. Aumasson, D. J. Bernstein, 2012). One round a word and three at the end is
 * what hash tables use elsewhere (Rust, CPython). Every input here has the same length, so the length block
 * of the original is left out.
 *
 * Not part of the interface of the library: for the folders of this project, the eBPF program among them.
 */
#ifndef BERTH_SIPHASH_H
#define BERTH_SIPHASH_H

#ifdef __bpf__ /* which has no libc */
typedef __UINT64_TYPE__ uint64_t;
#else
#include <stdint.h>
#endif

struct berth_siphash_key {
	uint64_t k0, k1;
};

static inline uint64_t berth_siphash_rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void berth_siphash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = berth_siphash_rotate(v[1], 13) ^ v[0];
	v[3] = berth_siphash_rotate(v[3], 16) ^ v[2];
	v[0] = berth_siphash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = berth_siphash_rotate(v[1], 17) ^ v[2];
	v[3] = berth_siphash_rotate(v[3], 21) ^ v[0];
	v[2] = berth_siphash_rotate(v[2], 32);
}

static inline uint64_t berth_siphash(const struct berth_siphash_key *key, const uint64_t *word,
				     unsigned words)
{
	uint64_t v[4] = { key->k0 ^ 0x736f6d6570736575ull, key->k1 ^ 0x646f72616e646f6dull,
			  key->k0 ^ 0x6c7967656e657261ull, key->k1 ^ 0x7465646279746573ull };

	for (unsigned i = 0; i < words; i++) {
		v[3] ^= word[i];
		berth_siphash_round(v);
		v[0] ^= word[i];
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		berth_siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
