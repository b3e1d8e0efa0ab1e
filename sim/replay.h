/* SPDX-License-Identifier: MIT
 *
 * A recording as load: each connect is a request, from then until its socket's close.
 *
 * A bind to a port by number keeps the port from everybody, as a listener does, until its socket is closed or
 * connects. A bind to port 0 is no request: the policies are asked when the destination is known.
 */
#ifndef BERTH_SIM_REPLAY_H
#define BERTH_SIM_REPLAY_H

#include "sim/load.h"
#include "sim/recording.h"

struct sim_replay {
	struct sim_source source;
	struct sim_request *request; /* in the order of time */
	size_t requests, capacity;
	size_t connects; /* those that are no listeners' */
	size_t given;	 /* so far; 0 begins again */
	uint32_t destinations;
	uint64_t end_ns; /* of the last record */
};

/* Reads the whole recording. 0; -ENOMEM; -EBADMSG, and recording->fault and offset say what and where. The
 * data is not needed afterwards. end frees what start took, also after a failed start. */
int sim_replay_start(struct sim_replay *replay, struct sim_recording *recording);
void sim_replay_end(struct sim_replay *replay);

/* From the beginning again, for the next policy. */
void sim_replay_rewind(struct sim_replay *replay);

#endif
