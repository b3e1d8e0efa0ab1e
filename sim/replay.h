/* SPDX-License-Identifier: MIT
 *
 * A recording as load: each connect is a request, from then until its socket's close.
 *
 * A bind to a port by number keeps the port from everybody, as a listener does, until its socket is closed or
 * connects. A bind to port 0 is no request: the policies are asked when the destination is known. A connect that
 * failed for want of a port is a request like any other; as nobody knows how long its connection would have
 * been used, one that a policy makes is given up at once.
 */
#ifndef BERTH_SIM_REPLAY_H
#define BERTH_SIM_REPLAY_H

#include "sim/load.h"
#include "sim/recording.h"

struct sim_replay {
	struct sim_source source;
	struct sim_request *request; /* in the order of time */
	size_t requests, capacity;
	size_t connects;	      /* those that are no listeners' */
	size_t given;		      /* so far; 0 begins again */
	struct berth_endpoint *named; /* the destinations, by number */
	uint32_t destinations, named_capacity;
	uint64_t end_ns; /* of the last record */
	/* What failed while it was recorded, for want of a port; binds: to port 0. */
	size_t binds, failed_connects, failed_binds;
	/* When the first such connect() was called, or bind() had failed; SIM_FOR_EVER: nothing did. */
	uint64_t first_failed_ns;
};

/* Reads the whole recording; of one that was cut, what is whole, and recording->cut is set. 0; -ENOMEM; -EBADMSG,
 * and recording->fault and offset say what and where. The data is not needed afterwards. end frees what start
 * took, also after a failed start. */
int sim_replay_start(struct sim_replay *replay, struct sim_recording *recording);
void sim_replay_end(struct sim_replay *replay);

/* From the beginning again, for the next policy. */
void sim_replay_rewind(struct sim_replay *replay);

/* When most ports were taken towards one destination, as it was recorded. */
struct sim_peak {
	uint32_t destination;
	uint32_t connected, time_wait; /* this host's TIME_WAIT */
	uint64_t at_ns;
};

/* Finds it, the first of several, with TIME_WAIT of that length; zeros if nobody connects. 0 or -ENOMEM. */
int sim_replay_peak(const struct sim_replay *replay, uint64_t time_wait_ns, struct sim_peak *ret_peak);

#endif
