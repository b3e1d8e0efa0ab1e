/* SPDX-License-Identifier: MIT
 *
 * One destination: what connect() would get now, the facts behind it, and what would help.
 */
#ifndef BERTH_VIEW_EXPLANATION_H
#define BERTH_VIEW_EXPLANATION_H

#include <stdbool.h>

#include "view/outlook.h"

/* What a connect() by a socket without a port gets. */
enum view_verdict {
	VIEW_AT_ONCE,	/* a port, after a short search */
	VIEW_SEARCH,	/* a port, after a long search (VIEW_LONG_SEARCH) */
	VIEW_TAKE_OVER, /* no port is free, but one in TIME_WAIT may be taken over */
	VIEW_EXHAUSTED, /* EADDRNOTAVAIL */
};

/* Ports looked at. The kernel tries one after the other, at first every second port of the range only. */
#define VIEW_LONG_SEARCH 1000u

enum view_timestamps {
	VIEW_TIMESTAMPS_UNKNOWN, /* no connection to learn it from */
	VIEW_TIMESTAMPS_OFF,	 /* tcp_timestamps is 0, or the peer does not use them */
	VIEW_TIMESTAMPS_ON,
};

struct view_explanation {
	struct view_pair pair;
	enum view_verdict verdict;
	uint32_t usable;
	uint32_t search; /* ports that connect() looks at, expected; of no meaning if exhausted */
	struct view_outlook outlook;
	struct view_ages ages;
	double waiting_per_s;
	uint32_t state[VIEW_STATES]; /* connections, also those on ports that are not usable */
	uint32_t elsewhere;	     /* connections to it from other local addresses */
	uint32_t fresh;		     /* ports of the local address without any socket */
	bool takes_over;	     /* view_takes_over(), and the peer is not known to lack timestamps */
	enum view_timestamps timestamps;
};

/* Fills *ret_explanation from a look with VIEW_RANGE or VIEW_ALL; before is an earlier one or NULL. Asks the kernel
 * about some of the connections, for their timestamps. 0 or negative errno, and *ret_explanation untouched. */
int view_explain(const struct view_snapshot *now, const struct view_snapshot *before,
		 const struct view_pair *pair, struct view_explanation *ret_explanation);

/* In order of safety: what costs nothing in safety first. */
enum view_advice_id {
	VIEW_CLOSE_WHEN_PEER_DID, /* programs leave connections open that the peer has closed */
	VIEW_KEEP_CONNECTIONS,	  /* use a connection again instead of closing it */
	VIEW_PEER_CLOSES,	  /* then TIME_WAIT is the peer's, and takes no port here */
	VIEW_BERTH_RUN,		  /* choose the port when the destination is known, without a search */
	VIEW_MORE_DESTINATIONS,	  /* each address or port of the peer has a range of its own */
	VIEW_MORE_LOCALS,	  /* so has each local address */
	VIEW_WIDER_RANGE,
	VIEW_FEWER_RESERVED,
	VIEW_TIMESTAMPS,   /* turn them on */
	VIEW_TW_REUSE,	   /* tcp_tw_reuse=1 */
	VIEW_SHORTER_WAIT, /* end TIME_WAIT early, against the design of TCP */
	VIEW_ADVICES
};

enum view_risk {
	VIEW_NO_RISK,
	VIEW_LOW_RISK,	  /* somebody else may be missing a port */
	VIEW_MEDIUM_RISK, /* safe by RFC 6191; some middleboxes object */
	VIEW_HIGH_RISK,	  /* data of an old connection may be taken for that of a new one */
};

struct view_advice {
	enum view_advice_id id;
	enum view_risk risk;
	uint32_t gain; /* ports towards this destination, at most */
};

/* Writes what would help, safest first, and returns how many: none where nothing is short. now is the look that was
 * explained, with VIEW_ALL. */
size_t view_advise(const struct view_snapshot *now, const struct view_explanation *explanation,
		   struct view_advice ret_advice[VIEW_ADVICES]);

/* "at-once", "search", "take-over", "exhausted"; "keep-connections" ...; "none", "low" ... Static. */
const char *view_verdict_name(enum view_verdict verdict);
const char *view_advice_name(enum view_advice_id id);
const char *view_risk_name(enum view_risk risk);

/* The ports that VIEW_WIDER_RANGE would add (1024-65535, RFC 6056 section 3.2), and how many ports there are listened
 * on, which are to be reserved before. */
uint32_t view_wider_range(const struct view_snapshot *now, uint32_t *ret_listening);

#endif
