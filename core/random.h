/* SPDX-License-Identifier: MIT
 *
 * The generator behind every choice: ChaCha with 8 rounds, keyed by the caller.
 *
 * Whoever does not know the seed cannot tell the numbers from random ones, which is what RFC 6056
 * section 3.1 asks of local ports. The same seed gives the same numbers, everywhere.
 *
 * The caller owns the struct; its fields are private. Not locked: one owner at a time.
 */
#ifndef BERTH_RANDOM_H
#define BERTH_RANDOM_H

#include <stdint.h>

#define BERTH_SEED_BYTES 32

struct berth_random {
	uint32_t key[8];
	uint32_t output[56];
	uint32_t left;
};

/* Starts the generator. The seed must come from a good source (getrandom(2)) wherever an attacker may
 * profit from foreseeing a port; it is not needed afterwards. */
void berth_random_seed(struct berth_random *random, const uint8_t seed[BERTH_SEED_BYTES]);

/* 32 uniform bits. */
uint32_t berth_random_next(struct berth_random *random);

/* Uniform in 0 .. n-1, without bias. n must not be 0. */
uint32_t berth_random_below(struct berth_random *random, uint32_t n);

#endif
