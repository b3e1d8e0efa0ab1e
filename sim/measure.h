/* SPDX-License-Identifier: MIT
 *
 * What a run of the simulator measures.
 *
 * Of each attempt: what became of it, the rank of the port it got, how many ports were looked at, how long
 * the 4-tuple had been left alone. Of all of them together: how hard the next port is to foresee.
 *
 * Theory of operation: foreseeing
 *
 * Somebody off the path who has seen the port of one connection guesses that of the next. What he needs is
 * the step between the two, so the entropy is that of the steps between connections made, modulo the range:
 * 0 bits for a counter, log2 of the range for a uniform choice. There are two: from the connection before,
 * to whomever (he runs a server that is connected to), and from the connection before to the same
 * destination (algorithms 3 and 4 of RFC 6056 and Linux hide their counters from other destinations only).
 * It is Shannon's, with Miller and Madow's correction for a finite sample, and given only if there were
 * five steps or more for each port of the range.
 *
 * Uniformity is Pearson's chi-square over the ports of connections made, each port of the range a cell,
 * under the same condition; the distance is in standard deviations by the cube-root transformation (Wilson
 * and Hilferty, 1931): beyond 3, some ports are favoured; below -3, they are more even than chance, as a
 * counter's are, and as any policy's are when the range is nearly used up.
 */
#ifndef BERTH_SIM_MEASURE_H
#define BERTH_SIM_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/host.h"

enum sim_outcome {
	SIM_CONNECTED,
	SIM_EXHAUSTED,		 /* the policy gave no port */
	SIM_TIME_WAIT_COLLISION, /* this connection is in TIME_WAIT on this host */
	SIM_PEER_COLLISION,	 /* it is in TIME_WAIT at the peer: RFC 6056's collision */
	SIM_IN_USE,		 /* there is such a connection, or somebody listens on the port */
};
#define SIM_OUTCOMES 5

/* "connected", "exhausted", "time-wait-collision", "peer-collision", "in-use". */
extern const char *const sim_outcome_names[SIM_OUTCOMES];

/* Of a port that was given, by what was true of it. As enum berth_verdict, and one more. */
enum sim_rank {
	SIM_RANK_FRESH,	  /* nobody on it, no TIME_WAIT */
	SIM_RANK_SHARED,  /* in use or in TIME_WAIT, but not with this destination */
	SIM_RANK_WAITING, /* in TIME_WAIT with this destination */
	SIM_RANK_TAKEN,	  /* in use with this destination, or listened on */
};
#define SIM_RANKS 4

/* "fresh", "shared", "waiting", "taken". */
extern const char *const sim_rank_names[SIM_RANKS];

#define SIM_BINS    100u /* of time, for the plot */
#define SIM_BUCKETS 4096u

struct sim_result {
	uint64_t attempts;
	uint64_t outcome[SIM_OUTCOMES];
	uint64_t rank[SIM_RANKS];
	uint64_t probes;
	uint32_t probes_most;
	/* Connections that came after another one on the same 4-tuple, and the seconds from its end to the
	 * new one's beginning. Not known (reuse_known false) if there are too many 4-tuples to remember. */
	bool reuse_known;
	uint64_t reused;
	double reuse_least_s, reuse_median_s;
	/* Bits; not known if there were too few connections. The most there could be is log2 of the range. */
	bool foresight_known, same_known;
	double entropy_bits;	  /* from the connection before */
	double entropy_same_bits; /* from the one before to the same destination; known if same_known */
	double entropy_most_bits;
	double chi_square, chi_square_sigmas;
	uint32_t chi_square_degrees;
	/* TIME_WAIT on this host, as each attempt found it; how many left early, after how many seconds. */
	double time_wait_mean;
	uint32_t time_wait_most;
	uint64_t evicted;
	double shortest_time_wait_s; /* of those; 0: none left early */
	/* The first attempt that failed, seconds after the start (negative: none did), and to whom; to whom most
	 * failed. Destinations are 0 where none failed. */
	double first_failure_s;
	uint32_t first_failure_destination, worst_destination;
	uint64_t worst_failures, worst_attempts;
	/* By time, SIM_BINS equal parts of what was measured. */
	uint32_t bin_attempts[SIM_BINS], bin_failures[SIM_BINS];
	/* Reserved for the policy's own state, for all local addresses. The host's tables, which policies
	 * without one of their own search, do not count. */
	uint64_t state_bytes;
};

/* Fields are private. */
struct sim_measure {
	struct sim_result result;
	unsigned first, span, addresses;
	/* How often each port was given, and each step: from the one before, and to the same destination. */
	uint32_t *given, *step, *same_step;
	uint16_t last[SIM_ADDRESSES_MAX];    /* given by each local address; 0: none yet */
	uint16_t *last_to;		     /* by each, to each destination; NULL: too many */
	uint64_t *ended_ns;		     /* of each 4-tuple; NULL: too many */
	uint32_t *attempts_to, *failures_to; /* each destination */
	uint32_t destinations;
	uint64_t bucket[SIM_BUCKETS]; /* of reuse distances */
	uint64_t reuse_least_ns, time_wait_sum, ports, steps, same_steps;
};

/* 0 or -ENOMEM. end frees what start took, also after a failed start. */
int sim_measure_start(struct sim_measure *measure, const struct sim_host_settings *settings,
		      uint32_t destinations);
void sim_measure_end(struct sim_measure *measure);

/* An attempt. port 0: none was given. bin: the part of the time, below SIM_BINS. */
struct sim_attempt {
	uint64_t now_ns;
	uint32_t destination;
	uint32_t probes;
	unsigned address, port, bin;
	enum sim_outcome outcome;
	enum sim_rank rank;
	uint32_t time_wait;
};
void sim_measure_attempt(struct sim_measure *measure, const struct sim_attempt *attempt);

/* A connection has ended, measured or not. */
void sim_measure_end_of(struct sim_measure *measure, unsigned address, unsigned port, uint32_t destination,
			uint64_t now_ns);

/* One left TIME_WAIT early, after so long. */
void sim_measure_evicted(struct sim_measure *measure, uint64_t after_ns);

/* The sums. */
void sim_measure_finish(struct sim_measure *measure, struct sim_result *ret_result);

static inline double sim_failed_share(const struct sim_result *result)
{
	if (result->attempts == 0)
		return 0;
	return (double)(result->attempts - result->outcome[SIM_CONNECTED]) / (double)result->attempts;
}

#endif
