/* SPDX-License-Identifier: MIT */
#include "cli/sim_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/socket_table.h"
#include "host/sysctl.h"

/* Connections in TIME_WAIT as the dump gives them. */
struct seen {
	struct socket_entry *entry;
	size_t count, capacity;
	bool no_memory;
};

static void see(void *context, const struct socket_entry *entry)
{
	struct seen *seen = context;

	if (entry->state != SOCKET_TIME_WAIT)
		return;
	if (seen->count == seen->capacity) {
		size_t capacity = seen->capacity == 0 ? 1024 : seen->capacity * 2;
		struct socket_entry *more = realloc(seen->entry, capacity * sizeof(*more));

		if (more == NULL) {
			seen->no_memory = true;
			return;
		}
		seen->entry = more;
		seen->capacity = capacity;
	}
	seen->entry[seen->count++] = *entry;
}

static int dump_family(struct socket_table *table, int family, const struct sim_live *live, struct seen *seen)
{
	char piece[SOCKET_TABLE_PIECE] __attribute__((aligned(8)));
	int status = socket_table_dump(table, family, live->first, live->last);

	while (status >= 0) {
		int size = socket_table_receive(table, piece, sizeof(piece));

		if (size < 0)
			return size;
		status = socket_table_read(piece, (size_t)size, see, seen);
		if (status == 0)
			return seen->no_memory ? -ENOMEM : 0;
	}
	return status;
}

static int dump(const struct sim_live *live, struct seen *seen)
{
	struct socket_table table = { 0 };
	int err = socket_table_open(&table);

	if (err == 0)
		err = dump_family(&table, AF_INET, live, seen);
	if (err == 0)
		err = dump_family(&table, AF_INET6, live, seen);
	socket_table_close(&table);
	return err;
}

static int by_remote(const void *a, const void *b)
{
	const struct socket_entry *x = a, *y = b;
	int order = memcmp(&x->remote.address, &y->remote.address, sizeof(x->remote.address));

	return order != 0 ? order : (int)x->remote.port - (int)y->remote.port;
}

static int by_local(const void *a, const void *b)
{
	const struct socket_entry *x = a, *y = b;

	return memcmp(&x->local.address, &y->local.address, sizeof(x->local.address));
}

static int largest_first(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/* How many different ones there are, once sorted. */
static unsigned count_runs(const struct seen *seen, int (*compare)(const void *a, const void *b))
{
	unsigned runs = 0;

	qsort(seen->entry, seen->count, sizeof(seen->entry[0]), compare);
	for (size_t i = 0; i < seen->count; i++)
		runs += i == 0 || compare(&seen->entry[i - 1], &seen->entry[i]) != 0;
	return runs;
}

static int count_rates(struct sim_live *live, const struct seen *seen)
{
	size_t most = 0, start = 0;

	live->time_wait = seen->count;
	if (seen->count == 0)
		return 0;
	live->addresses = count_runs(seen, by_local);
	live->rate = calloc(count_runs(seen, by_remote), sizeof(*live->rate));
	if (live->rate == NULL)
		return -ENOMEM;
	for (size_t i = 1; i <= seen->count; i++) {
		if (i < seen->count && by_remote(&seen->entry[i], &seen->entry[start]) == 0)
			continue;
		live->rate[live->destinations++] = (double)(i - start) / SIM_LIVE_TIME_WAIT_S;
		if (i - start > most) {
			most = i - start;
			live->busiest = seen->entry[start].remote;
		}
		start = i;
	}
	qsort(live->rate, live->destinations, sizeof(live->rate[0]), largest_first);
	return 0;
}

int sim_live_read(struct sim_live *ret_live, bool connections)
{
	struct port_sysctls sysctls;
	struct seen seen = { 0 };
	struct sim_live live = { 0 };
	int err = port_sysctls_read(&sysctls);

	if (err < 0)
		return err;
	live.first = sysctls.first;
	live.last = sysctls.last;
	live.ports = live.last - live.first + 1 -
		     (berth_port_set_rank(&sysctls.reserved, live.last + 1) -
		      berth_port_set_rank(&sysctls.reserved, live.first));
	if (connections)
		err = dump(&live, &seen);
	if (err == 0)
		err = count_rates(&live, &seen);
	free(seen.entry);
	if (err == 0)
		*ret_live = live;
	return err;
}

void sim_live_end(struct sim_live *live)
{
	free(live->rate);
	memset(live, 0, sizeof(*live));
}
