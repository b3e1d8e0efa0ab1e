/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Marks: a bit for each port that is not to be tried, and how many are left.
 *
 * Several CPUs set and take marks at once; a count may be wrong for an instant, and a pick then finds nothing or a port that
 * has just been marked. Where marks are copied meanwhile it stays wrong, until the next count_marks(). Marks are hints:
 * whoever uses a pick has the kernel verify it.
 *
 * A pick is uniform among the ports without a mark, and costs the same for every number of them: a few draws, and where
 * those meet marks the counts tell in which line of 512 ports the k-th unmarked port is.
 */
#ifndef BERTH_BPF_MARKS_H
#define BERTH_BPF_MARKS_H

#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "core/port_word.h"
#include "wire/kernel_mode.h"

#define PORT_WORDS WIRE_PORT_WORDS
#define LINE_WORDS 8
#define LINE_PORTS (LINE_WORDS * 64)
#define LINES	   (PORT_WORDS / LINE_WORDS)
#define DRAWS	   3

struct marks {
	__u64 word[PORT_WORDS];
	__u32 unmarked[LINES];
};

#define WORD(port) ((port) / 64 % PORT_WORDS)
#define BIT(port)  (1ull << ((port) % 64))
#define LINE(port) ((port) / LINE_PORTS % LINES)

static __always_inline bool is_marked(const struct marks *marks, unsigned port)
{
	return (marks->word[WORD(port)] & BIT(port)) != 0;
}

static __always_inline void mark_here(struct marks *marks, unsigned port)
{
	if ((__sync_fetch_and_or(&marks->word[WORD(port)], BIT(port)) & BIT(port)) == 0)
		__sync_fetch_and_add(&marks->unmarked[LINE(port)], -1);
}

/* Functions that are not static, here and elsewhere: the verifier looks at them once, not once for each call. */
__noinline int mark(struct marks *marks, unsigned port)
{
	if (marks)
		mark_here(marks, port);
	return 0;
}

__noinline int unmark(struct marks *marks, unsigned port)
{
	if (marks && (__sync_fetch_and_and(&marks->word[WORD(port)], ~BIT(port)) & BIT(port)) != 0)
		__sync_fetch_and_add(&marks->unmarked[LINE(port)], 1);
	return 0;
}

/* A number below bound, each with the same chance but for 1 in 2^32 / bound. */
static __always_inline unsigned draw(unsigned bound)
{
	return (__u64)bpf_get_prandom_u32() * bound >> 32;
}

struct copy {
	struct marks *to;
	const struct marks *from;
};

static long copy_line(unsigned line, struct copy *copy)
{
	if (line >= LINES)
		return 1;
	for (unsigned i = 0; i < LINE_WORDS; i++)
		copy->to->word[line * LINE_WORDS + i] = copy->from->word[line * LINE_WORDS + i];
	copy->to->unmarked[line] = copy->from->unmarked[line];
	return 0;
}

__noinline int copy_marks(struct marks *to, const struct marks *from)
{
	struct copy copy = { .to = to, .from = from };

	if (to && from)
		bpf_loop(LINES, copy_line, &copy, 0);
	return 0;
}

/* An unmark() meanwhile may count twice, but is not lost: a port that no count knows of would not be found. */
static long count_line(unsigned line, struct copy *copy)
{
	unsigned unmarked = 0, before;

	if (line >= LINES)
		return 1;
	before = copy->to->unmarked[line];
	barrier();
	for (unsigned i = 0; i < LINE_WORDS; i++)
		unmarked += berth_word_count(~copy->to->word[line * LINE_WORDS + i]);
	__sync_fetch_and_add(&copy->to->unmarked[line], unmarked - before);
	return 0;
}

/* Sets the counts right. */
__noinline int count_marks(struct marks *marks)
{
	struct copy copy = { .to = marks };

	if (marks)
		bpf_loop(LINES, count_line, &copy, 0);
	return 0;
}

/* For the verifier: the compiler is not to reason away the comparison of `number` that follows. */
#define FORGET(number) asm volatile("" : "+r"(number))

static __always_inline unsigned count_unmarked(const struct marks *marks, unsigned first_line,
					       unsigned last_line)
{
	unsigned total = 0;

	for (unsigned line = first_line; line <= last_line; line++) {
		FORGET(line);
		if (line >= LINES)
			break;
		total += marks->unmarked[line];
	}
	return total;
}

/* The `left`-th port without a mark of a line, from 0; 0: there are not so many. */
__noinline unsigned pick_in_line(const struct marks *marks, unsigned line, unsigned left)
{
	unsigned word = line % LINES * LINE_WORDS, end = word + LINE_WORDS;

	if (!marks)
		return 0;
	for (; word < end; word++) {
		unsigned here = berth_word_count(~marks->word[word % PORT_WORDS]);

		if (left < here)
			break;
		left -= here;
	}
	FORGET(word);
	if (word >= end || word >= PORT_WORDS)
		return 0;
	return word * 64 + berth_word_select(~marks->word[word], left);
}

static __always_inline unsigned pick_in_lines(const struct marks *marks, unsigned first_line,
					      unsigned last_line)
{
	unsigned left = count_unmarked(marks, first_line, last_line), line;

	if (left == 0)
		return 0;
	left = draw(left);
	for (line = first_line; line <= last_line; line++) {
		FORGET(line);
		if (line >= LINES || left < marks->unmarked[line])
			break;
		left -= marks->unmarked[line];
	}
	FORGET(line);
	return line < LINES ? pick_in_line(marks, line, left) : 0;
}

/* A port without a mark in [first, last], outside of which all are marked; 0: none. */
__noinline unsigned pick(const struct marks *marks, unsigned first, unsigned last)
{
	if (!marks)
		return 0;
	for (int i = 0; i < DRAWS; i++) {
		unsigned port = first + draw(last - first + 1u);

		if (!is_marked(marks, port))
			return port & 0xffff;
	}
	return pick_in_lines(marks, first / LINE_PORTS, last / LINE_PORTS);
}

#endif
