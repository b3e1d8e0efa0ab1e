/* SPDX-License-Identifier: MIT
 *
 * What the kernel keeps of closed connections: looks at it, and ends it, many at a time.
 *
 * A connection is named by its ends and by the cookie that what is left of it has inherited from its socket, so that a
 * later connection between the same ends is never meant. Requests go to the kernel in one message, which has answered
 * all of them when the message is sent (net/netlink/af_netlink.c, netlink_rcv_skb); so nothing waits here.
 *
 * To end takes CAP_NET_ADMIN, a kernel with CONFIG_INET_DIAG_DESTROY, and, for TIME_WAIT, Linux 6.0.
 */
#ifndef BERTH_HOST_LEFT_OVER_H
#define BERTH_HOST_LEFT_OVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"

struct mnl_socket;

struct left_over {
	struct berth_endpoint local, remote;
	uint64_t cookie;    /* 0: whichever lies there */
	uint32_t interface; /* index of that which the socket is bound to; 0: none */
	bool timestamps; /* both ends are known to use them (RFC 7323); for the caller, nothing here looks at it */
};

struct left_over_look {
	int error;	   /* 0, or negative errno: -ENOENT and -ESTALE if there is none, or another one */
	uint8_t tcp_state; /* TCP_TIME_WAIT, TCP_FIN_WAIT2 ... (netinet/tcp.h) */
	uint32_t remaining_ms; /* until it ends by itself */
	uint64_t cookie;
};

/* A netlink socket. The zero-filled struct is closed. Not locked: one thread at a time. */
struct left_overs {
	struct mnl_socket *netlink;
};

/* 0 or negative errno. Closing a closed one does nothing. */
int left_overs_open(struct left_overs *overs);
void left_overs_close(struct left_overs *overs);

/* Of the network namespace: its SO_NETNS_COOKIE, or 0. */
uint64_t left_overs_netns(const struct left_overs *overs);

/* At most that many in one call; the answers must fit into the socket's buffer. */
#define LEFT_OVERS_BATCH 128u

/* Looks at each. 0 or negative errno; then nothing in ret_looks is valid. */
int left_overs_look(struct left_overs *overs, const struct left_over list[], unsigned count,
		    struct left_over_look ret_looks[]);

/* Ends each, at once and without a word to the far end (net/ipv4/tcp.c, tcp_abort: TIME_WAIT). What is in FIN_WAIT_2 is ended
 * likewise: look first. ret_errors: 0, or as left_over_look.error, for each. 0 or negative errno for all. */
int left_overs_end(struct left_overs *overs, const struct left_over list[], unsigned count, int ret_errors[]);

/* Whether the kernel would: 0, or negative errno: -EOPNOTSUPP without CONFIG_INET_DIAG_DESTROY, -EPERM. */
int left_overs_try(struct left_overs *overs);

#endif
