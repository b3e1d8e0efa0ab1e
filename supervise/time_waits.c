/* SPDX-License-Identifier: MIT */
#include "supervise/time_waits.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define SECOND_NS 1000000000ull

/* Zero-filled pages, which cost nothing until they are touched. */
static struct seen_time_wait *new_entries(void)
{
	void *memory = mmap(NULL, TIME_WAITS_MAX * sizeof(struct seen_time_wait), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int time_waits_open(struct time_waits *waits, unsigned delay_s)
{
	waits->delay_ns = delay_s ? delay_s * SECOND_NS : TIME_WAIT_KERNEL_NS;
	waits->seen.entry = new_entries();
	waits->before.entry = new_entries();
	waits->seen.count = waits->before.count = 1;
	return waits->seen.entry && waits->before.entry ? 0 : -ENOMEM;
}

void time_waits_begin(struct time_waits *waits, uint64_t now_ns)
{
	memset(waits->left_s, 0, sizeof(waits->left_s));
	waits->began_ns = now_ns;
	waits->seen.count = 1;
	waits->seen.late_ns = 0;
	waits->inherited = 1;
	waits->second = 0;
}

/* True if there was room. */
static bool put(struct time_waits *waits, const struct berth_endpoint *local,
		const struct berth_endpoint *remote, uint64_t entered_ns, uint64_t now_ns)
{
	uint64_t second = (waits->delay_ns - (now_ns - entered_ns)) / SECOND_NS;
	uint32_t i = waits->seen.count;

	if (i == TIME_WAITS_MAX)
		return false;
	waits->seen.entry[i] = (struct seen_time_wait){
		.entered_ns = entered_ns,
		.local = *local,
		.remote = *remote,
		.following = waits->left_s[second],
	};
	waits->left_s[second] = i;
	waits->seen.count++;
	return true;
}

void time_waits_see(struct time_waits *waits, const struct berth_endpoint *local,
		    const struct berth_endpoint *remote, uint64_t remaining_ns, uint64_t now_ns)
{
	uint64_t waited_ns = remaining_ns < TIME_WAIT_KERNEL_NS ? TIME_WAIT_KERNEL_NS - remaining_ns : 0;

	waits->seen.late_ns = now_ns - waits->began_ns;
	put(waits, local, remote, now_ns > waited_ns ? now_ns - waited_ns : 0, now_ns);
}

/* One of the dump before that the kernel has let go: so does this one pass it on. False: no room. */
static bool pass_on(struct time_waits *waits, const struct seen_time_wait *one, uint64_t now_ns)
{
	uint64_t late_ns = waits->before.late_ns, age_ns = now_ns - one->entered_ns;

	if (age_ns + late_ns < TIME_WAIT_KERNEL_NS || age_ns >= waits->delay_ns)
		return true;
	if (age_ns < TIME_WAIT_KERNEL_NS && waits->seen.late_ns < late_ns)
		waits->seen.late_ns = late_ns; /* for the next dump to pass it on as well */
	return put(waits, &one->local, &one->remote, one->entered_ns, now_ns);
}

bool time_waits_inherit(struct time_waits *waits, uint32_t most, uint64_t now_ns)
{
	const struct time_wait_list *before = &waits->before;

	if (!time_waits_keeps(waits))
		return true;
	for (uint32_t n = 0; n < most && waits->inherited < before->count; n++)
		if (!pass_on(waits, &before->entry[waits->inherited++], now_ns))
			waits->inherited = before->count;
	return waits->inherited == before->count;
}

/* What has been seen is what was there before the next dump. */
static void change_places(struct time_waits *waits)
{
	struct time_wait_list outdated = waits->before;

	waits->before = waits->seen;
	waits->seen = outdated;
	waits->seen.count = 1;
}

const struct seen_time_wait *time_waits_take(struct time_waits *waits)
{
	const struct seen_time_wait *one;

	while (waits->second <= BERTH_TIMED_WAIT_DELAY_MAX && waits->left_s[waits->second] == 0)
		waits->second++;
	if (waits->second > BERTH_TIMED_WAIT_DELAY_MAX) {
		change_places(waits);
		return NULL;
	}
	one = &waits->seen.entry[waits->left_s[waits->second]];
	waits->left_s[waits->second] = one->following;
	return one;
}
