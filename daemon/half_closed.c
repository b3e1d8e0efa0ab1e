/* SPDX-License-Identifier: MIT */
#include "daemon/half_closed.h"

#include <stdlib.h>

#define FIRST_ROOM 1024u

void half_closed_free(struct half_closed *half_closed)
{
	free(half_closed->fresh.ring);
	free(half_closed->later.ring);
	*half_closed = (struct half_closed){ 0 };
}

uint32_t half_closed_count(const struct half_closed *half_closed)
{
	return half_closed->fresh.count + half_closed->later.count;
}

static struct half_closed_one *at(const struct half_closed_queue *queue, uint32_t index)
{
	return &queue->ring[(queue->first + index) & (queue->room - 1)];
}

static bool grow(struct half_closed_queue *queue)
{
	struct half_closed_queue larger = { .room = queue->room ? queue->room * 2 : FIRST_ROOM };

	if (larger.room > HALF_CLOSED_MAX)
		return false;
	larger.ring = calloc(larger.room, sizeof(*larger.ring));
	if (!larger.ring)
		return false;
	while (larger.count < queue->count) {
		larger.ring[larger.count] = *at(queue, larger.count);
		larger.count++;
	}
	free(queue->ring);
	*queue = larger;
	return true;
}

bool half_closed_add(struct half_closed *half_closed, const struct left_over *who, uint64_t now_ns,
		     bool again)
{
	struct half_closed_queue *queue = again ? &half_closed->later : &half_closed->fresh;

	if (queue->count == queue->room && !grow(queue))
		return false;
	*at(queue, queue->count++) = (struct half_closed_one){ *who, now_ns };
	return true;
}

static unsigned take(struct half_closed_queue *queue, uint64_t until_ns, unsigned most,
		     struct left_over ret_due[])
{
	unsigned count = 0;

	while (count < most && queue->count > 0 && at(queue, 0)->since_ns <= until_ns) {
		ret_due[count++] = at(queue, 0)->who;
		queue->first++;
		queue->count--;
	}
	return count;
}

unsigned half_closed_take(struct half_closed *half_closed, uint64_t now_ns, unsigned most,
			  struct left_over ret_due[])
{
	unsigned count = take(&half_closed->fresh, now_ns - HALF_CLOSED_FIRST_NS, most, ret_due);

	return count +
	       take(&half_closed->later, now_ns - HALF_CLOSED_LATER_NS, most - count, ret_due + count);
}
