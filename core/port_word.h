/* SPDX-License-Identifier: MIT
 *
 * Sixty-four ports in a word: count and select.
 *
 * The last step of every walk over a port set, for the library and for the eBPF program: no libc, no loop,
 * no branch, no table, no instruction that eBPF or plain x86-64 lacks (a builtin popcount would become a
 * call to libgcc).
 */
#ifndef BERTH_PORT_WORD_H
#define BERTH_PORT_WORD_H

#define BERTH_EACH_BYTE 0x0101010101010101ull
#define BERTH_EACH_HIGH 0x8080808080808080ull

/* Bits set in each byte, side by side. */
static inline unsigned long long berth_word_byte_counts(unsigned long long word)
{
	word -= word >> 1 & 0x5555555555555555ull;
	word = (word & 0x3333333333333333ull) + (word >> 2 & 0x3333333333333333ull);
	return (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0full;
}

static inline unsigned berth_word_count(unsigned long long word)
{
	return (unsigned)(berth_word_byte_counts(word) * BERTH_EACH_BYTE >> 56);
}

/* How many of the eight bytes of sums, each below 128, are at most k. */
static inline unsigned berth_word_bytes_at_most(unsigned long long sums, unsigned k)
{
	unsigned long long at_most = ((k * BERTH_EACH_BYTE | BERTH_EACH_HIGH) - sums) & BERTH_EACH_HIGH;

	return (unsigned)((at_most >> 7) * BERTH_EACH_BYTE >> 56);
}

/* The place of the k-th set bit, from 0. k < berth_word_count(word). */
static inline unsigned berth_word_select(unsigned long long word, unsigned k)
{
	/* Multiplying by 0x0101..01 makes running sums: byte i counts the bits of bytes 0 .. i. */
	unsigned long long sums = berth_word_byte_counts(word) * BERTH_EACH_BYTE;
	unsigned byte = 8 * berth_word_bytes_at_most(sums, k);
	unsigned long long spread;

	k -= (unsigned)(sums << 8 >> byte & 0xff);
	/* The byte's bits, one to a byte as 0 or 1, then the same again. */
	spread = (word >> byte & 0xff) * BERTH_EACH_BYTE & 0x8040201008040201ull;
	spread = (spread + 0x7f7f7f7f7f7f7f7full) >> 7 & BERTH_EACH_BYTE;
	return byte + berth_word_bytes_at_most(spread * BERTH_EACH_BYTE, k);
}

#endif
