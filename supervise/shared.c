/* SPDX-License-Identifier: MIT */
#include "supervise/shared.h"

#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/port_steering.h"

static const char *const way_names[] = {
	[WAY_FRESH] = "fresh",		 [WAY_SHARED] = "shared",	    [WAY_WAITING] = "waiting",
	[WAY_REFUSED] = "refused",	 [WAY_EXHAUSTED] = "exhausted",	    [WAY_GIVEN_UP] = "given-up",
	[WAY_COLLISION] = "collision",	 [WAY_PUT_OFF] = "put-off",	    [WAY_SETTLED] = "settled",
	[WAY_OWN_CHOICE] = "own-choice", [WAY_EXCLUDED] = "excluded",	    [WAY_CONFINED] = "confined",
	[WAY_NOT_TCP] = "not-tcp",	 [WAY_UNREACHABLE] = "unreachable",
};
static_assert(sizeof(way_names) / sizeof(way_names[0]) == WAY_COUNT, "every way out has a name");

const char *way_out_name(enum way_out way)
{
	return way_names[way];
}

struct shared *shared_new(void)
{
	void *memory =
		mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void call_record_undo(struct call_record *record)
{
	int fd = record->fd;

	if (!record->has_fd)
		return;
	if (record->range_set)
		steer_local_port_range(fd, 0, 0);
	record->range_set = false;
	if (record->no_port_set)
		steer_bind_without_port(fd, false);
	record->no_port_set = false;
	if (record->made_nonblocking)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	record->made_nonblocking = false;
	record->connecting = false;
	record->has_fd = false;
	close(fd);
}
