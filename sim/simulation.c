/* SPDX-License-Identifier: MIT
 *
 * Theory of operation
 *
 * Three things happen: a request comes, a connection is closed, TIME_WAIT ends. Requests come in order from
 * the source; what is to be closed waits in a binary heap (a connection that is closed at once never enters
 * it); TIME_WAIT is a queue of the host. So an event costs a logarithm of the connections open, and nothing
 * of those in TIME_WAIT.
 *
 * At one instant TIME_WAIT ends first, then connections are closed, then come requests: a port that is free
 * at t can be given at t.
 */
#include "sim/simulation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Something to be ended: a connection, or the hold of a listener on port. */
struct ending {
	uint64_t at_ns;
	uint32_t number;
	uint16_t port; /* 0: a connection */
	uint8_t closer;
};

struct heap {
	struct ending *item;
	size_t count, capacity;
};

struct run {
	const struct sim_policy *policy;
	const struct sim_setup *setup;
	struct sim_host host;
	struct sim_measure measure;
	struct berth_random random;
	struct heap endings;
	char *states;
	size_t state_size; /* of one, rounded up */
	uint64_t turn;
};

static bool heap_push(struct heap *heap, const struct ending *ending)
{
	size_t i = heap->count;

	if (heap->count == heap->capacity) {
		size_t capacity = heap->capacity == 0 ? 1024 : heap->capacity * 2;
		struct ending *more = realloc(heap->item, capacity * sizeof(*more));

		if (more == NULL)
			return false;
		heap->item = more;
		heap->capacity = capacity;
	}
	heap->count++;
	for (; i > 0 && heap->item[(i - 1) / 2].at_ns > ending->at_ns; i = (i - 1) / 2)
		heap->item[i] = heap->item[(i - 1) / 2];
	heap->item[i] = *ending;
	return true;
}

static struct ending heap_pop(struct heap *heap)
{
	struct ending first = heap->item[0], last = heap->item[--heap->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < heap->count) {
		if (child + 1 < heap->count && heap->item[child + 1].at_ns < heap->item[child].at_ns)
			child++;
		if (heap->item[child].at_ns >= last.at_ns)
			break;
		heap->item[i] = heap->item[child];
		i = child;
	}
	heap->item[i] = last;
	return first;
}

static void *state_of(const struct run *run, unsigned address)
{
	return run->states == NULL ? NULL : run->states + address * run->state_size;
}

static struct sim_ask ask_of(struct run *run, unsigned address, uint32_t destination, uint64_t now_ns)
{
	return (struct sim_ask){ .host = &run->host,
				 .random = &run->random,
				 .now_ns = now_ns,
				 .first = run->setup->host.first,
				 .last = run->setup->host.last,
				 .address = address,
				 .destination = destination };
}

static void tell(struct run *run, enum sim_news news, const struct sim_ask *about, unsigned port)
{
	if (run->policy->told != NULL)
		run->policy->told(state_of(run, about->address), news, about, port);
}

static void evict(struct run *run, uint64_t now_ns)
{
	struct sim_connection gone;

	while (sim_host_evict(&run->host, &gone)) {
		struct sim_ask about = ask_of(run, gone.address, gone.destination, now_ns);

		tell(run, SIM_EVICTED, &about, gone.port);
		if (now_ns >= run->setup->warm_up_ns)
			sim_measure_evicted(&run->measure, now_ns - gone.since_ns);
	}
}

static void end_connection(struct run *run, uint32_t number, enum sim_closer closer, uint64_t now_ns)
{
	const struct sim_connection c = run->host.connection[number];
	struct sim_ask about = ask_of(run, c.address, c.destination, now_ns);

	sim_host_close(&run->host, number, closer, now_ns);
	tell(run, closer == SIM_CLOSED_HERE ? SIM_CLOSED : SIM_RELEASED, &about, c.port);
	sim_measure_end_of(&run->measure, c.address, c.port, c.destination, now_ns);
	evict(run, now_ns);
}

/* Somebody listens on port, on every local address, or no longer does. */
static void hold(struct run *run, unsigned port, bool begin, uint64_t now_ns)
{
	for (unsigned address = 0; address < run->setup->host.addresses; address++) {
		struct sim_ask about = ask_of(run, address, 0, now_ns);
		struct sim_port *p = sim_host_port(&run->host, address, port);

		p->holders = begin ? p->holders + 1 : p->holders - 1;
		tell(run, begin ? SIM_HELD : SIM_UNHELD, &about, port);
	}
}

/* Everything that happens until now_ns, but for requests. */
static void advance(struct run *run, uint64_t now_ns)
{
	while (run->endings.count != 0 && run->endings.item[0].at_ns <= now_ns) {
		struct ending ending = heap_pop(&run->endings);

		sim_host_expire(&run->host, ending.at_ns);
		if (ending.port != 0)
			hold(run, ending.port, false, ending.at_ns);
		else
			end_connection(run, ending.number, (enum sim_closer)ending.closer, ending.at_ns);
	}
	sim_host_expire(&run->host, now_ns);
}

/* 0 or -ENOMEM. */
static int end_later(struct run *run, const struct sim_request *request, uint32_t number)
{
	struct ending ending = { .number = number,
				 .port = request->port,
				 .closer = (uint8_t)request->closer };

	if (request->hold_ns >= run->setup->end_ns - request->at_ns)
		return 0;
	ending.at_ns = request->at_ns + request->hold_ns;
	return heap_push(&run->endings, &ending) ? 0 : -ENOMEM;
}

/* What is true of the port that was given. */
static enum sim_rank rank_of(const struct run *run, const struct sim_ask *ask, unsigned port,
			     enum sim_state state)
{
	const struct sim_port *p = sim_host_port(&run->host, ask->address, port);

	if (p->holders != 0 || state == SIM_LIVE)
		return SIM_RANK_TAKEN;
	if (state == SIM_TIME_WAIT)
		return SIM_RANK_WAITING;
	return p->live != 0 || p->time_wait != 0 ? SIM_RANK_SHARED : SIM_RANK_FRESH;
}

static enum sim_outcome outcome_of(enum sim_rank rank, enum sim_state state)
{
	if (rank == SIM_RANK_TAKEN)
		return SIM_IN_USE;
	if (rank == SIM_RANK_WAITING)
		return SIM_TIME_WAIT_COLLISION;
	return state == SIM_PEER_TIME_WAIT ? SIM_PEER_COLLISION : SIM_CONNECTED;
}

/* The connection is made. 0 or -ENOMEM. */
static int make(struct run *run, const struct sim_request *request, const struct sim_ask *ask, unsigned port)
{
	uint32_t number = sim_host_connect(&run->host, ask->address, port, request->destination);

	if (number == 0)
		return -ENOMEM;
	tell(run, SIM_MADE, ask, port);
	if (request->hold_ns != 0)
		return end_later(run, request, number);
	end_connection(run, number, request->closer, request->at_ns);
	return 0;
}

static unsigned bin_of(const struct sim_setup *setup, uint64_t now_ns)
{
	double part = (double)(now_ns - setup->warm_up_ns) / (double)(setup->end_ns - setup->warm_up_ns);

	return part >= 1 ? SIM_BINS - 1 : (unsigned)(part * SIM_BINS);
}

/* Asks for a port and tries it. 0 or -ENOMEM. */
static int serve(struct run *run, const struct sim_request *request)
{
	unsigned address = (unsigned)(run->turn++ % run->setup->host.addresses);
	struct sim_ask ask = ask_of(run, address, request->destination, request->at_ns);
	struct sim_attempt attempt = { .now_ns = request->at_ns,
				       .destination = request->destination,
				       .address = address,
				       .outcome = SIM_EXHAUSTED,
				       .time_wait = run->host.here.count };
	enum sim_state state;

	attempt.port = run->policy->pick(state_of(run, address), &ask);
	attempt.probes = ask.probes;
	if (attempt.port != 0) {
		assert(attempt.port >= ask.first && attempt.port <= ask.last);
		state = sim_host_state(&run->host, address, attempt.port, request->destination);
		attempt.rank = rank_of(run, &ask, attempt.port, state);
		attempt.outcome = outcome_of(attempt.rank, state);
	}
	if (request->at_ns >= run->setup->warm_up_ns) {
		attempt.bin = bin_of(run->setup, request->at_ns);
		sim_measure_attempt(&run->measure, &attempt);
	}
	if (attempt.outcome == SIM_CONNECTED)
		return make(run, request, &ask, attempt.port);
	if (attempt.port != 0)
		tell(run, SIM_REFUSED, &ask, attempt.port);
	return 0;
}

static int run_all(struct run *run, struct sim_source *source)
{
	struct sim_request request;
	int err = 0;

	while (err == 0 && source->next(source, &request) && request.at_ns < run->setup->end_ns) {
		advance(run, request.at_ns);
		if (request.port == 0) {
			err = serve(run, &request);
			continue;
		}
		hold(run, request.port, true, request.at_ns);
		err = end_later(run, &request, 0);
	}
	return err;
}

/* Address space for the states; what is not touched costs nothing. */
static int make_states(struct run *run)
{
	const struct sim_setup *setup = run->setup;
	const struct sim_scale scale = { .first = setup->host.first,
					 .last = setup->host.last,
					 .destinations = setup->destinations,
					 .time_wait = setup->time_wait,
					 .ended = setup->ended,
					 .time_wait_ns = setup->host.time_wait_ns };

	if (run->policy->size == NULL)
		return 0;
	run->state_size = (run->policy->size(&scale) + 63) / 64 * 64;
	if (run->state_size == 0)
		return -EOVERFLOW;
	run->states = mmap(NULL, run->state_size * setup->host.addresses, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (run->states == MAP_FAILED) {
		run->states = NULL;
		return -ENOMEM;
	}
	for (unsigned address = 0; run->policy->start != NULL && address < setup->host.addresses; address++)
		run->policy->start(state_of(run, address), &scale, &run->random);
	return 0;
}

int sim_run(const struct sim_policy *policy, const struct sim_setup *setup, struct sim_source *source,
	    struct sim_result *ret_result)
{
	struct run run = { .policy = policy, .setup = setup };
	int err;

	sim_seed(&run.random, setup->seed, SIM_FOR_POLICY);
	err = sim_host_start(&run.host, &setup->host);
	if (err == 0)
		err = sim_measure_start(&run.measure, &setup->host, setup->destinations);
	if (err == 0)
		err = make_states(&run);
	if (err == 0)
		err = run_all(&run, source);
	if (err == 0) {
		sim_measure_finish(&run.measure, ret_result);
		ret_result->state_bytes = run.state_size * setup->host.addresses;
	}
	if (run.states != NULL)
		munmap(run.states, run.state_size * setup->host.addresses);
	free(run.endings.item);
	sim_measure_end(&run.measure);
	sim_host_end(&run.host);
	return err;
}
