/* SPDX-License-Identifier: MIT
 *
 * The memory that front, guardian and supervisor share (MAP_SHARED, zero-filled). But for the one count of
 * all three the supervisor alone writes, until it is dead; then the guardian alone.
 */
#ifndef BERTH_SUPERVISE_SHARED_H
#define BERTH_SUPERVISE_SHARED_H

#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervise/cookie_set.h"

/* How a call is answered: by the kernel, as if nothing had been, or with a result (negative errno). */
struct answer {
	bool by_kernel;
	int result;
};

/* The one call that is being answered, and what was done to the guest's socket and is still to be
 * undone. Each debt is written down before the deed and struck out after its undoing, so at
 * whatever instant the supervisor is killed, the guardian may undo all that stands here once more
 * without harm. */
struct call_record {
	/* The kernel writes it here itself when the call is received; id 0: none. */
	struct seccomp_notif call;
	_Atomic int fd; /* our copy of the guest's descriptor, valid where has_fd */
	_Atomic bool has_fd;
	_Atomic bool range_set;	       /* IP_LOCAL_PORT_RANGE is to be lifted */
	_Atomic bool no_port_set;      /* IP_BIND_ADDRESS_NO_PORT is to be cleared */
	_Atomic bool made_nonblocking; /* O_NONBLOCK is to be cleared */
	_Atomic bool connecting;       /* connect() has been, or is just being, called on fd */
	_Atomic uint64_t put_off;      /* cookie of a socket that is lazy once the answer is given; 0: none */
	struct answer answer;	       /* valid where decided */
	_Atomic bool decided;	       /* only the undoing and the answering are left */
};

/* Each way out of each call, counted. */
enum way_out {
	WAY_FRESH, /* connect(): got a port of this rank */
	WAY_SHARED,
	WAY_WAITING,
	WAY_REFUSED,   /* connect(): the kernel refused a port, and the next was tried */
	WAY_EXHAUSTED, /* connect(): no port seemed left; the kernel was asked */
	WAY_GIVEN_UP,  /* connect(): too many ports were refused; the kernel was asked */
	WAY_COLLISION, /* connect(): the policy's one port was refused, or the socket's is kept away: said so */
	WAY_PUT_OFF,   /* bind(): the choice was put off */
	WAY_SETTLED,   /* listen(), getsockname(): chosen before the destination was known */
	WAY_OWN_CHOICE,	 /* the program's own choice stood: explicit port, its own options, a device */
	WAY_EXCLUDED,	 /* connect(): to a destination that the settings leave alone */
	WAY_CONFINED,	 /* the program has confined itself (Landlock): only the kernel may judge */
	WAY_NOT_TCP,	 /* something else than a TCP socket of this network namespace */
	WAY_UNREACHABLE, /* the guest's memory or descriptor could not be had */
	WAY_COUNT,
};

/* "fresh", "not-tcp", ...: stable, for programs. */
const char *way_out_name(enum way_out way);

/* How far the start has come. */
enum stage {
	STAGE_STARTING,
	STAGE_READY,	/* the listener is at LISTENER_FD; the program waits at the gate, GATE_FD */
	STAGE_EXECUTED, /* the gate is closed */
};

struct shared {
	_Atomic pid_t program; /* 0 until it is forked */
	_Atomic enum stage stage;
	_Atomic unsigned away; /* of front, guardian and supervisor, who have left the program's directory */
	/* A process of the program has confined itself by rules that the kernel holds against whoever
	 * makes a call. We do not make them for it any more. */
	_Atomic bool confined;
	_Atomic bool by_bind; /* no IP_LOCAL_PORT_RANGE: ports are bound by number */
	struct call_record record;
	_Atomic uint64_t ways[WAY_COUNT];
	struct cookie_set lazy; /* bound to an address, or to all, by Berth, and still without a port */
};

/* New shared memory, or NULL. It lives as long as the processes that inherit it. */
struct shared *shared_new(void);

/* Undoes what the record says is to be undone on its fd, and closes it. */
void call_record_undo(struct call_record *record);

#endif
