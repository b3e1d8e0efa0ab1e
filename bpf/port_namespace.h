/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What is remembered of one network namespace.
 *
 * `allowed` is ip_local_port_range, ip_local_reserved_ports and the settings' withheld ports, read anew in the kernel's own
 * memory by the first call after READ_EVERY_NS: whoever changes a sysctl tells nobody, and need not. Who changes the settings
 * says so.
 *
 * `used` has a mark for each port that was given or found in use. Fresh ports are among the others. A mark goes when the last
 * socket on the port ends. The end of a TIME_WAIT is not reported: a hand goes round the marked ports, some at each tick of the
 * clock, and takes the marks of those that nobody is on.
 *
 * `released` counts what may have freed ports that no destination's record knows of.
 *
 * NAMESPACES of them are remembered. Calls from any other are left to the kernel, until one of these has gone, or no call has
 * come from it for UNUSED_NS: then what is remembered of it makes room. If it does come back it begins anew.
 */
#ifndef BERTH_BPF_PORT_NAMESPACE_H
#define BERTH_BPF_PORT_NAMESPACE_H

#include "bpf/bind_table.h"
#include "bpf/marks.h"
#include "bpf/windows.h"

#define NAMESPACES    64
#define READ_EVERY_NS 250000000ull
#define UNUSED_NS     60000000000ull /* TIME_WAIT: whatever it left has gone */
#define SEEK_EVERY_NS 100000000ull
#define HAND_STEPS    16

struct port_namespace {
	__u64 net; /* struct net *, which may have gone; 0: this is being made */
	__u64 read_ns, swept_ns;
	__u64 none_ns; /* at which tick no fresh port was left, and none has become fresh since */
	__u32 range;   /* as the kernel has it */
	__u32 change;  /* of the settings, when read */
	__u32 shape; /* 0: nothing was read yet; another number whenever `allowed` or the settings are others */
	__u32 hand;
	struct windows windows; /* its keys stand here beside what each call reads */
	struct marks allowed, used;
	__u64 given
		[PORT_WORDS]; /* a bit for each port that was given to a connect(), until nobody is on it */
	__u32 cursor;	      /* of the policy that goes by the order of the ports (policy.h) */
	__u32 released;
	__u32 bind_released; /* when a search for bind() found no fresh port for bind_source_be */
	__u32 pad;
	__u64 untold_tick; /* in which jiffy `released` last counted a socket that had forgotten its destination */
	__u64 bind_until_ns; /* until when that stands */
	__u32 bind_source_be[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMESPACES);
	__type(key, __u32);
	__type(value, struct port_namespace);
} namespaces SEC(".maps");

/* The net_cookie of each of them, which is never used again; 0: none. Most stand where they are looked for first. */
static __u64 cookies[NAMESPACES];

struct wire_settings settings;

static __always_inline unsigned first_port(const struct port_namespace *namespace)
{
	unsigned first = namespace->range & 0xffff;

	return first > 0 ? first : 1;
}

static __always_inline unsigned last_port(const struct port_namespace *namespace)
{
	return namespace->range >> 16;
}

static __always_inline unsigned pick_of(const struct port_namespace *namespace, const struct marks *marks)
{
	return pick(marks, first_port(namespace), last_port(namespace));
}

/* ---- reading ---- */

struct reading {
	struct port_namespace *namespace;
	__u64 reserved;
	unsigned first, last;
	bool changed;
};

/* The ports of this word that lie outside [first, last]. */
static __always_inline __u64 outside(unsigned word, unsigned first, unsigned last)
{
	__u64 inside = ~0ull;

	if (last < word * 64 || first > word * 64 + 63)
		return ~0ull;
	if (first > word * 64)
		inside <<= first % 64;
	if (last < word * 64 + 63)
		inside &= ~0ull >> (63 - last % 64);
	return ~inside;
}

static long read_line(unsigned line, struct reading *reading)
{
	struct marks *allowed = &reading->namespace->allowed;
	__u64 reserved[LINE_WORDS];
	unsigned unmarked = 0;

	if (line >= LINES ||
	    bpf_probe_read_kernel(reserved, sizeof(reserved),
				  (const void *)(reading->reserved + line * sizeof(reserved))) != 0)
		return 1;
	for (unsigned i = 0; i < LINE_WORDS; i++) {
		unsigned word = line * LINE_WORDS + i;
		__u64 marked;

		if (word >= PORT_WORDS)
			return 1;
		marked = outside(word, reading->first, reading->last) | reserved[i] | settings.withheld[word];
		unmarked += berth_word_count(~marked);
		if (allowed->word[word] == marked)
			continue;
		allowed->word[word] = marked;
		reading->changed = true;
	}
	allowed->unmarked[line] = unmarked;
	return 0;
}

/* What the kernel has. */
struct sysctls {
	__u64 reserved; /* unsigned long * */
	__u32 range;
	__u32 pad;
};

__noinline int read_namespace(struct port_namespace *namespace, const struct sysctls *sysctls)
{
	struct reading reading = { .namespace = namespace };
	__u32 change = settings.change;

	if (!namespace || !sysctls)
		return 0;
	reading.reserved = sysctls->reserved;
	reading.first = sysctls->range & 0xffff;
	reading.last = sysctls->range >> 16;
	if (reading.first == 0)
		reading.first = 1;
	reading.changed = namespace->shape == 0 || namespace->change != change;
	bpf_loop(LINES, read_line, &reading, 0);
	rekey(&namespace->windows, bpf_ktime_get_coarse_ns());
	namespace->range = sysctls->range;
	if (reading.changed) {
		copy_marks(&namespace->used, &namespace->allowed);
		namespace->none_ns = 0;
		/* Not a number that one had which was forgotten meanwhile. */
		namespace->shape = namespace->shape ? namespace->shape + 1 : (__u32)bpf_ktime_get_ns() | 1;
	}
	namespace->change = change; /* last: who comes before that reads as well */
	return 0;
}

/* ---- finding, and room ---- */

#define NOWHERE NAMESPACES

__noinline unsigned seek_namespace(__u64 cookie)
{
	for (unsigned i = 0; i < NAMESPACES; i++)
		if (cookies[i] == cookie)
			return i;
	return NOWHERE;
}

/* NULL: it is not remembered. */
static __always_inline struct port_namespace *find_namespace(__u64 cookie)
{
	__u32 index = cookie % NAMESPACES;

	if (cookies[index] != cookie)
		index = seek_namespace(cookie);
	return bpf_map_lookup_elem(&namespaces, &index);
}

/* Several CPUs may do so at once: where they then meet is one of theirs. */
__noinline unsigned take_place(__u64 cookie)
{
	for (unsigned i = 0; i < NAMESPACES; i++) {
		unsigned index = (cookie + i) % NAMESPACES;
		__u64 before = __sync_val_compare_and_swap(&cookies[index], 0, cookie);

		if (before == 0 || before == cookie)
			return index;
	}
	return NOWHERE;
}

static long forget_line(unsigned line, struct port_namespace **namespace)
{
	if (line >= LINES)
		return 1;
	for (unsigned i = 0; i < LINE_WORDS; i++)
		(*namespace)->given[line * LINE_WORDS + i] = 0;
	return 0;
}

/* The rest is set when the place is taken anew and read. */
static __always_inline void forget_namespace(__u32 index)
{
	struct port_namespace *namespace = bpf_map_lookup_elem(&namespaces, &index);

	if (!namespace || index >= NAMESPACES)
		return;
	namespace->net = namespace->shape = 0;
	namespace->read_ns = namespace->bind_until_ns = 0;
	bpf_loop(LINES, forget_line, &namespace, 0);
	cookies[index % NAMESPACES] = 0;
}

struct leaver {
	__u64 before_ns;
	__u32 index; /* NOWHERE: nobody leaves */
	__u32 gone;  /* how many left, as they have gone */
};

/* All that have gone leave; otherwise the one that was not used for longest is found. */
static long find_leaver(const void *map, const __u32 *index, const struct port_namespace *namespace,
			struct leaver *leaver)
{
	const struct net *net = read_as(net, namespace->net);

	if (namespace->net == 0)
		return 0;
	if (net->net_cookie != cookies[*index % NAMESPACES] || net->passive.refs.counter == 0) {
		forget_namespace(*index);
		leaver->gone++;
	} else if ((__s64)(namespace->read_ns - leaver->before_ns) < 0) {
		leaver->index = *index;
		leaver->before_ns = namespace->read_ns;
	}
	return 0;
}

static __u64 sought_ns; /* when room was last looked for */

static __always_inline void make_room(__u64 now_ns)
{
	struct leaver leaver = { .before_ns = now_ns - UNUSED_NS, .index = NOWHERE };
	__u64 before = sought_ns;

	if ((__s64)(now_ns - before) < (__s64)SEEK_EVERY_NS ||
	    __sync_val_compare_and_swap(&sought_ns, before, now_ns) != before)
		return;
	bpf_for_each_map_elem(&namespaces, find_leaver, &leaver, 0);
	if (leaver.gone == 0)
		forget_namespace(leaver.index);
}

static __always_inline struct port_namespace *make_namespace(const struct net *net, __u64 cookie,
							     __u64 now_ns)
{
	__u32 index = take_place(cookie);
	struct port_namespace *namespace;

	if (index == NOWHERE) {
		make_room(now_ns);
		index = take_place(cookie);
	}
	namespace = bpf_map_lookup_elem(&namespaces, &index);
	if (!namespace)
		return NULL;
	namespace->net = (__u64)net;
	return namespace;
}

/* One CPU looks whether something has changed, the others go on with what there is; where that will not do, each reads. */
static __always_inline bool is_to_be_read(struct port_namespace *namespace, __u64 now_ns)
{
	__u64 read_ns = namespace->read_ns;

	if (namespace->shape == 0 || namespace->change != settings.change) {
		namespace->read_ns = now_ns;
		return true;
	}
	return (__s64)(now_ns - read_ns) >= (__s64)READ_EVERY_NS &&
	       __sync_val_compare_and_swap(&namespace->read_ns, read_ns, now_ns) == read_ns;
}

/* NULL: there is no room for it. */
static __always_inline struct port_namespace *namespace_of(struct net *net, __u64 cookie, __u64 now_ns)
{
	struct port_namespace *namespace = find_namespace(cookie);

	if (!namespace) {
		namespace = make_namespace(net, cookie, now_ns);
		if (!namespace)
			return NULL;
	}
	if (is_to_be_read(namespace, now_ns)) {
		struct sysctls sysctls = { .reserved = (__u64)net->ipv4.sysctl_local_reserved_ports,
					   .range = net->ipv4.ip_local_ports.range };

		read_namespace(namespace, &sysctls);
	}
	return namespace;
}

/* ---- fresh ports ---- */

/* It may be one again. Who finds at this instant that there is none may say so afterwards; that stands for a tick at most. */
static __always_inline void unmark_used(struct port_namespace *namespace, unsigned port)
{
	unmark(&namespace->used, port);
	namespace->none_ns = 0;
}

static __always_inline void release_port(struct port_namespace *namespace, unsigned port)
{
	unmark_used(namespace, port);
	__sync_fetch_and_and(&namespace->given[WORD(port)], ~BIT(port));
}

struct sweep {
	struct port_namespace *namespace;
	const struct question *question;
};

static long sweep_port(unsigned index, struct sweep *sweep)
{
	struct port_namespace *namespace = sweep->namespace;
	unsigned first = first_port(namespace), last = last_port(namespace);
	unsigned port = namespace->hand;

	port = port < first || port >= last ? first : port + 1;
	namespace->hand = port;
	if (is_marked(&namespace->used, port) && !is_marked(&namespace->allowed, port) &&
	    is_unused(sweep->question, port))
		release_port(namespace, port);
	return 0;
}

/* Once for each tick of the coarse clock. */
static __always_inline void sweep_some(struct port_namespace *namespace, const struct question *question,
				       __u64 now_ns)
{
	struct sweep sweep = { .namespace = namespace, .question = question };

	if (namespace->swept_ns == now_ns)
		return;
	namespace->swept_ns = now_ns;
	bpf_loop(HAND_STEPS, sweep_port, &sweep, 0);
}

/* A port that may be fresh, which has its mark now; 0: none. */
static __always_inline unsigned next_fresh(struct port_namespace *namespace)
{
	unsigned port = pick_of(namespace, &namespace->used);

	if (port != 0)
		mark(&namespace->used, port);
	return port;
}

/* The same for a connection whose destination is known. */
static __always_inline unsigned next_fresh_to(struct port_namespace *namespace,
					      const struct wire_destination *to, __u64 now_ns)
{
	unsigned port = 0;

	if (namespace->none_ns != now_ns)
		port = pick_near(&namespace->windows, to, &namespace->used, first_port(namespace),
				 last_port(namespace));
	if (port == 0) {
		namespace->none_ns = now_ns;
		return 0;
	}
	mark_here(&namespace->used, port);
	return port;
}

/* And 0, too, where the destination's window has none left. */
static __always_inline unsigned next_fresh_in_window(struct port_namespace *namespace,
						     const struct wire_destination *to)
{
	unsigned port = pick_in_window(&namespace->windows, to, &namespace->used);

	if (port != 0)
		mark_here(&namespace->used, port);
	return port;
}

#endif
