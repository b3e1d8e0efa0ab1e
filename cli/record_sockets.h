/* SPDX-License-Identifier: MIT
 *
 * The sockets that a recording knows, by their cookies (SO_COOKIE), and their numbers in it.
 *
 * Theory of operation
 *
 * A number is the place in an array, and is used again when its socket has gone, so that numbers stay small and a record
 * short. The cookie's place is found by open addressing, at most half full; the kernel counts cookies up, nobody can
 * choose them to collide. Bounded by SIM_SOCKETS_MAX.
 */
#ifndef BERTH_CLI_RECORD_SOCKETS_H
#define BERTH_CLI_RECORD_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

enum record_what {
	RECORD_NOTHING, /* the number is free */
	RECORD_BOUND_ANY,
	RECORD_BOUND, /* to a port by its number, or listening */
	RECORD_CONNECTED,
};

struct record_socket {
	uint64_t cookie;
	uint32_t seen; /* looks: the last one that saw it; free: the next free number */
	uint8_t what;  /* enum record_what */
	uint8_t state; /* looks: TCP_ESTABLISHED ... */
	bool tried;    /* what it is connected to it is not, unless another port does it */
};

/* The zero-filled struct is empty. Private but for count and socket, which is valid until the next add. */
struct record_sockets {
	struct record_socket *socket; /* by number */
	uint32_t *slot;		      /* number + 1; 0: empty */
	uint32_t slots;		      /* a power of two, or 0 */
	uint32_t numbers;	      /* ever given */
	uint32_t free;		      /* the first free one of these + 1; 0: none */
	uint32_t count;
};

#define RECORD_NO_SOCKET UINT32_MAX

uint32_t record_sockets_find(const struct record_sockets *sockets, uint64_t cookie);

/* The number of a socket that is not in. RECORD_NO_SOCKET: too many, or no memory. */
uint32_t record_sockets_add(struct record_sockets *sockets, uint64_t cookie, enum record_what what);
void record_sockets_remove(struct record_sockets *sockets, uint32_t number);
void record_sockets_free(struct record_sockets *sockets);

#endif
