/* SPDX-License-Identifier: MIT
 *
 * The supervisor's state, and its answer to each kind of call.
 */
#ifndef BERTH_SUPERVISE_SUPERVISOR_H
#define BERTH_SUPERVISE_SUPERVISOR_H

#include <linux/seccomp.h>

#include "host/guest.h"
#include "host/port_steering.h"
#include "host/socket_address.h"
#include "supervise/family.h"
#include "supervise/knowledge.h"
#include "supervise/peers.h"
#include "supervise/shared.h"

/* Ports that are tried for one call before the choice is the kernel's. */
#define MOST_ATTEMPTS 8

struct supervisor {
	struct family *family;
	struct shared *shared;
	enum berth_policy policy;
	uint64_t netns;	 /* the network namespace that the knowledge is of */
	uint64_t now_ns; /* read once for each call */
	struct guest_cache guests;
	struct knowledge knowledge;
	struct socket_table lookups; /* apart from the knowledge's, which may be in the middle of a dump */
	struct peer_table peers;
	struct cookie_set settled; /* whose port was put off and then settled */
	bool has_port_range;	   /* IP_LOCAL_PORT_RANGE: Linux 6.3 */
	/* The cookie of a socket whose connect() was begun for it, but whose program did not hear
	 * the answer, because a signal interrupted the call; it will call again. 0: none. Cannot
	 * happen since Linux 5.19. */
	uint64_t unheard;
};

/* Finds out what the kernel can do, and learns what is on this host. 0, or negative errno and
 * *ret_step naming what failed. */
int supervisor_prepare(struct supervisor *supervisor, const char **ret_step);

static inline struct answer answer_by_kernel(void)
{
	return (struct answer){ .by_kernel = true };
}

static inline struct answer answer_result(int result)
{
	return (struct answer){ .result = result };
}

/* The same, and counts the way out. */
struct answer leave_to_kernel(struct supervisor *supervisor, enum way_out way);

/* A TCP socket that a call is about. */
struct guest_socket {
	int fd; /* ours; the call record closes it */
	struct socket_facts facts;
	struct sockaddr_storage address; /* local, as getsockname() says */
	socklen_t address_size;
	struct berth_endpoint local;
};

/* Takes a copy of the socket in the call's first argument. False if it is nothing that may be
 * steered: *ret_way says why. */
bool take_socket(struct supervisor *supervisor, const struct seccomp_notif *call,
		 struct guest_socket *ret_socket, enum way_out *ret_way);

/* Reads the address in the call's second and third argument. False if there is none or it is of no
 * use to us. */
bool read_address(const struct seccomp_notif *call, struct sockaddr_storage *ret_address, size_t *ret_size,
		  struct berth_endpoint *ret_endpoint);

/* The same for a call that the kernel may only see with the socket's port settled: listen(), and
 * whatever else would show that it was put off. */
struct answer settle_first(struct supervisor *supervisor, const struct seccomp_notif *call);

/* The calls. Whatever they have done to the guest's socket stands in the call record. */
struct answer on_bind(struct supervisor *supervisor, const struct seccomp_notif *call);
struct answer on_connect(struct supervisor *supervisor, const struct seccomp_notif *call);
struct answer on_hiding(struct supervisor *supervisor, const struct seccomp_notif *call);
struct answer on_getsockname(struct supervisor *supervisor, const struct seccomp_notif *call);

#endif
