/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Where the next connection to a destination looks for a fresh port.
 *
 * A port anywhere in the range means slots of the kernel's bind tables (bhash, bhash2) that no processor has looked at for
 * long, and waiting for them costs a tenth of a connect(). So the connections to one destination get fresh ports of one
 * window, 64 ports that share few cache lines, until it has none left. The next window is the one around a port drawn
 * uniformly from all fresh ones, and within it each fresh port has the same chance: so has each fresh port of the range,
 * and the reuse of a port is as far away as before.
 *
 * Who sees the port of one connection must not learn from it those of connections to others (RFC 6056, section 3): which
 * destinations have a window in common is decided by a hash under keys that are drawn anew every REKEY_NS, as the kernel
 * does for its own offsets (net/core/secure_seq.c). The hash is multilinear: without the keys nobody can find two
 * destinations that share a window more often than chance has it. To its own destination a port tells the next one's window;
 * the kernel's own choice is in eight steps of two.
 */
#ifndef BERTH_BPF_WINDOWS_H
#define BERTH_BPF_WINDOWS_H

#include "bpf/marks.h"
#include "wire/kernel_mode.h"

#define WINDOW_BITS 10
#define WINDOW_KEYS 6
#define REKEY_NS    10000000000ull

struct windows {
	__u64 keys[WINDOW_KEYS];
	__u64 keyed_ns;
	__u16 word[1 << WINDOW_BITS]; /* of marks */
};

static __always_inline void rekey(struct windows *windows, __u64 now_ns)
{
	if (windows->keyed_ns != 0 && (__s64)(now_ns - windows->keyed_ns) < (__s64)REKEY_NS)
		return;
	windows->keyed_ns = now_ns;
	for (unsigned i = 0; i < WINDOW_KEYS; i++)
		windows->keys[i] = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

static __always_inline __u16 *window_of(struct windows *windows, const struct wire_destination *to)
{
	const __u64 *keys = windows->keys;
	__u64 hash = keys[0] + keys[1] * to->address_be[0] + keys[2] * to->address_be[1] +
		     keys[3] * to->address_be[2] + keys[4] * to->address_be[3] + keys[5] * to->port_be;

	return &windows->word[hash >> (64 - WINDOW_BITS)];
}

/* One of these bits, each with the same chance. One random number makes several draws; where these meet none of the bits, the
 * k-th one is sought, which takes longer. */
static __always_inline unsigned pick_bit(__u64 bits)
{
	__u32 random = bpf_get_prandom_u32();

	for (unsigned i = 0; i < 32 / 6; i++, random >>= 6)
		if ((bits >> (random & 63) & 1) != 0)
			return random & 63;
	return berth_word_select(bits, draw(berth_word_count(bits)));
}

/* A port without a mark of the destination's window; 0: none is left there. */
static __always_inline unsigned pick_in_window(struct windows *windows, const struct wire_destination *to,
					       const struct marks *marks)
{
	unsigned word = *window_of(windows, to) % PORT_WORDS;
	__u64 unmarked = ~marks->word[word];

	return unmarked != 0 ? word * 64 + pick_bit(unmarked) : 0;
}

/* The same, or the first of its next window; 0: none is left in [first, last]. */
static __always_inline unsigned pick_near(struct windows *windows, const struct wire_destination *to,
					  const struct marks *marks, unsigned first, unsigned last)
{
	unsigned port = pick_in_window(windows, to, marks);

	if (port != 0)
		return port;
	port = pick(marks, first, last);
	*window_of(windows, to) = WORD(port);
	return port;
}

#endif
