/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 * Four ChaCha blocks (D. J. Bernstein, 2008) are made side by side, one in each lane of a vector, with
 * counters 0 to 3 and no nonce: 64 words. The first eight become the next key and are never given out
 * ("fast key erasure", Bernstein 2017), so the state does not tell what was picked before. Eight rounds:
 * the best known attack breaks seven, and a port is worth 16 bits.
 *
 * The words are given in the order in which the lanes lie: word 2 of the four blocks, word 3 of the four
 * blocks, and so on. A word costs about 3 ns.
 */
#include "core/random.h"

#include <assert.h>
#include <string.h>

#define ROUNDS 8

typedef uint32_t lanes __attribute__((vector_size(16)));

struct block {
	lanes word[16];
};

static_assert(sizeof(struct block) ==
		      sizeof(((struct berth_random *)0)->key) + sizeof(((struct berth_random *)0)->output),
	      "four blocks are the next key and the output");

static inline lanes rotate(lanes x, unsigned bits)
{
	return x << bits | x >> (32 - bits);
}

static inline void quarter_round(lanes *a, lanes *b, lanes *c, lanes *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

static void start(struct block *block, const uint32_t key[8])
{
	static const uint32_t constant[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	*block = (struct block){ 0 };
	for (unsigned i = 0; i < 4; i++)
		block->word[i] += constant[i];
	for (unsigned i = 0; i < 8; i++)
		block->word[4 + i] += key[i];
	block->word[12] = (lanes){ 0, 1, 2, 3 };
}

static void refill(struct berth_random *random)
{
	struct block block;
	lanes w[16];

	start(&block, random->key);
	memcpy(w, block.word, sizeof(w));
	for (unsigned round = 0; round < ROUNDS; round += 2) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&w[i], &w[4 + i], &w[8 + i], &w[12 + i]);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&w[i], &w[4 + (i + 1) % 4], &w[8 + (i + 2) % 4], &w[12 + (i + 3) % 4]);
	}
	for (unsigned i = 0; i < 16; i++)
		w[i] += block.word[i];
	memcpy(random->key, w, sizeof(random->key));
	memcpy(random->output, (const char *)w + sizeof(random->key), sizeof(random->output));
	random->left = sizeof(random->output) / sizeof(random->output[0]);
}

void berth_random_seed(struct berth_random *random, const uint8_t seed[BERTH_SEED_BYTES])
{
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *b = seed + 4 * i;

		random->key[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
	}
	random->left = 0;
}

/* Not the public function, which a shared library may not inline. */
static inline uint32_t next(struct berth_random *random)
{
	uint32_t *word;
	uint32_t value;

	if (random->left == 0)
		refill(random);
	word = &random->output[sizeof(random->output) / sizeof(random->output[0]) - random->left--];
	value = *word;
	*word = 0;
	return value;
}

uint32_t berth_random_next(struct berth_random *random)
{
	return next(random);
}

/* Multiplies into 64 bits and keeps the upper half; the few lower halves that would give some results one
 * chance more than others are drawn again (D. Lemire, 2019). */
uint32_t berth_random_below(struct berth_random *random, uint32_t n)
{
	uint64_t product;

	assert(n > 0);
	product = (uint64_t)next(random) * n;
	if ((uint32_t)product < n) {
		uint32_t unfair = -n % n;

		while ((uint32_t)product < unfair)
			product = (uint64_t)next(random) * n;
	}
	return (uint32_t)(product >> 32);
}
