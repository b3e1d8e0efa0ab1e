/* SPDX-License-Identifier: MIT
 *
 * What the demo's socket program is asked to do and what it found, and the JSON form of both: a line on
 * the pipe between the program and the demo, and the same objects in the document of `berth demo --json`.
 */
#ifndef BERTH_CLI_DEMO_RESULT_H
#define BERTH_CLI_DEMO_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define DEMO_FIRST_PORT	     40000u
#define DEMO_MAX_DESTINATION 4u

/* A load and the settings it meets. Destination i is the loopback address, DEMO_SERVER_PORT + i. */
#define DEMO_SERVER_PORT 8001u
struct demo_load {
	unsigned family; /* 4 or 6 */
	unsigned destinations;
	unsigned ports; /* ip_local_port_range is DEMO_FIRST_PORT and so many ports */
	unsigned attempts;
	bool timestamps; /* tcp_timestamps */
	bool reuse;	 /* ip_autobind_reuse, and SO_REUSEADDR on each socket */
	bool keep;	 /* connections stay open until the last was made */
};

enum demo_call {
	DEMO_BIND,
	DEMO_CONNECT,
	DEMO_TALK, /* the connection was made, but the peer was not at its other end */
};

/* "bind", "connect", "talk". */
const char *demo_call_name(enum demo_call call);

struct demo_failure {
	enum demo_call call;
	int error; /* errno */
	unsigned count;
};

/* The first so many kinds are told apart; others count in `failed` only. */
#define DEMO_FAILURE_KINDS 4u
struct demo_count {
	unsigned made;
	unsigned failed;
	unsigned outside_range; /* made, but from a port outside ip_local_port_range */
	uint64_t elapsed_us;	/* in bind() and connect() alone */
	struct demo_failure failure[DEMO_FAILURE_KINDS];
};

void demo_count_failure(struct demo_count *count, enum demo_call call, int error);

/* One walk through the ten steps towards destination A, with two ports. Between the steps 6 and 7 a
 * connection to B comes and goes, so that at step 7 the other port is in TIME_WAIT as well. */
struct demo_walk {
	unsigned first_port; /* step 2 */
	bool first_waits;    /* step 6: the kernel lists it in TIME_WAIT */
	unsigned other_port; /* towards B */
	bool other_waits;
	unsigned second_port;	  /* step 8; 0 if none was given */
	enum demo_call last_call; /* the call that failed, if error is not 0 */
	int error;		  /* step 10, errno; 0 if there was none */
};

/* CLOCK_MONOTONIC. */
uint64_t demo_now_us(void);

json_t *demo_count_to_json(const struct demo_count *count);
json_t *demo_walk_to_json(const struct demo_walk *walk);

/* 0, or -EBADMSG and nothing written if the object is not one that the other direction made. */
int demo_count_from_json(json_t *object, struct demo_count *ret_count);
int demo_walk_from_json(json_t *object, struct demo_walk *ret_walk);

#endif
