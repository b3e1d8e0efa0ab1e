/* SPDX-License-Identifier: MIT */
#include "host/left_over.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "host/sock_diag.h"

#define TIMER_TIME_WAIT 3 /* idiag_timer */
#define REQUEST_SIZE	(NLMSG_LENGTH(0) + sizeof(struct inet_diag_req_v2))
/* An answer of 100 bytes takes more than 1,000 of this. */
#define RECEIVE_BUFFER	1048576

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int left_overs_open(struct left_overs *overs)
{
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int size = RECEIVE_BUFFER, on = 1, error;

	if (!netlink)
		return -errno;
	/* A refused request is answered by the reason without the request. */
	if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(netlink, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
	    setsockopt(mnl_socket_get_fd(netlink), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0) {
		error = -errno;
		mnl_socket_close(netlink);
		return error;
	}
	*overs = (struct left_overs){ .netlink = netlink };
	return 0;
}

void left_overs_close(struct left_overs *overs)
{
	if (overs->netlink)
		mnl_socket_close(overs->netlink);
	*overs = (struct left_overs){ 0 };
}

uint64_t left_overs_netns(const struct left_overs *overs)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	getsockopt(mnl_socket_get_fd(overs->netlink), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size);
	return cookie;
}

static void put_request(void *buffer, int type, unsigned number, const struct left_over *one)
{
	struct inet_diag_req_v2 *request;
	struct nlmsghdr *header = sock_diag_request(buffer, type, sock_diag_family(&one->local), &request);

	header->nlmsg_flags = NLM_F_REQUEST;
	header->nlmsg_seq = number;
	request->idiag_states = UINT32_MAX;
	request->id.idiag_if = one->interface;
	request->id.idiag_cookie[0] = one->cookie ? (uint32_t)one->cookie : INET_DIAG_NOCOOKIE;
	request->id.idiag_cookie[1] = one->cookie ? (uint32_t)(one->cookie >> 32) : INET_DIAG_NOCOOKIE;
	sock_diag_put_endpoint(&one->local, request->id.idiag_src, &request->id.idiag_sport);
	sock_diag_put_endpoint(&one->remote, request->id.idiag_dst, &request->id.idiag_dport);
}

static int send_requests(struct left_overs *overs, int type, const struct left_over list[], unsigned count)
{
	_Alignas(struct nlmsghdr) char message[LEFT_OVERS_BATCH * REQUEST_SIZE];

	assert(count <= LEFT_OVERS_BATCH);
	for (unsigned i = 0; i < count; i++)
		put_request(message + i * REQUEST_SIZE, type, i, &list[i]);
	return mnl_socket_sendto(overs->netlink, message, count * REQUEST_SIZE) < 0 ? -errno : 0;
}

/* Reads the next answer. Its number; -1 if there is none, or one that is not for us. */
static int receive(struct left_overs *overs, void *answer, size_t size, unsigned count)
{
	const struct nlmsghdr *header = answer;
	ssize_t received = mnl_socket_recvfrom(overs->netlink, answer, size);

	if (received < 0 || !mnl_nlmsg_ok(header, (int)received) || header->nlmsg_seq >= count)
		return -1;
	return (int)header->nlmsg_seq;
}

static int refusal(const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);

	return mnl_nlmsg_get_payload_len(header) >= sizeof(error->error) ? error->error : -EPROTO;
}

static void read_look(const struct nlmsghdr *header, struct left_over_look *ret_look)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

	if (header->nlmsg_type == NLMSG_ERROR)
		*ret_look = (struct left_over_look){ .error = refusal(header) };
	else if (mnl_nlmsg_get_payload_len(header) >= sizeof(*message))
		*ret_look = (struct left_over_look){
			.tcp_state = message->idiag_state,
			.remaining_ms = message->idiag_timer == TIMER_TIME_WAIT ? message->idiag_expires : 0,
			.cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0],
		};
}

int left_overs_look(struct left_overs *overs, const struct left_over list[], unsigned count,
		    struct left_over_look ret_looks[])
{
	_Alignas(struct nlmsghdr) char answer[2048];
	int error = send_requests(overs, SOCK_DIAG_BY_FAMILY, list, count), number;

	if (error)
		return error;
	for (unsigned i = 0; i < count; i++)
		ret_looks[i].error = -EPROTO;
	while ((number = receive(overs, answer, sizeof(answer), count)) >= 0)
		read_look((const struct nlmsghdr *)answer, &ret_looks[number]);
	return 0;
}

int left_overs_end(struct left_overs *overs, const struct left_over list[], unsigned count, int ret_errors[])
{
	_Alignas(struct nlmsghdr) char answer[2048];
	int error = send_requests(overs, SOCK_DESTROY, list, count), number;

	if (error)
		return error;
	/* No answer is a success. */
	memset(ret_errors, 0, count * sizeof(ret_errors[0]));
	while ((number = receive(overs, answer, sizeof(answer), count)) >= 0)
		ret_errors[number] = refusal((const struct nlmsghdr *)answer);
	return 0;
}

int left_overs_try(struct left_overs *overs)
{
	/* Nobody is connected to port 0. */
	const struct left_over nobody = { .local.address = berth_address_v4(0),
					  .remote.address = berth_address_v4(0) };
	int refused, error = left_overs_end(overs, &nobody, 1, &refused);

	if (error)
		return error;
	return refused == -ENOENT || refused == -ESTALE ? 0 : refused;
}
