/* SPDX-License-Identifier: MIT */
#include "host/socket_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

#include "host/sock_diag.h"

#define TIMER_TIME_WAIT 3 /* idiag_timer */
/* Neither closed nor begun by the peer and not over: the kernel counts requests (TCP_NEW_SYN_RECV) as the latter. */
#define DUMPED_STATES	(UINT32_MAX & ~(1u << TCP_CLOSE | 1u << TCP_SYN_RECV | 1u << TCP_STATE_NEW_SYN_RECV))

int socket_table_open(struct socket_table *table)
{
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

	if (!netlink)
		return -errno;
	if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;

		mnl_socket_close(netlink);
		return error;
	}
	*table = (struct socket_table){ .netlink = netlink };
	return 0;
}

void socket_table_close(struct socket_table *table)
{
	if (table->netlink)
		mnl_socket_close(table->netlink);
	*table = (struct socket_table){ 0 };
}

/* "Local port at least first, and at most last": each test is two operations, and on failure jumps
 * past the end, which means no (net/ipv4/inet_diag.c, inet_diag_bc_run). */
static void put_port_filter(struct nlmsghdr *header, unsigned first, unsigned last)
{
	const uint16_t size = 4 * sizeof(struct inet_diag_bc_op);
	const struct inet_diag_bc_op program[4] = {
		{ .code = INET_DIAG_BC_S_GE, .yes = 8, .no = size + 4 },
		{ .no = (uint16_t)first },
		{ .code = INET_DIAG_BC_S_LE, .yes = 8, .no = size - 8 + 4 },
		{ .no = (uint16_t)last },
	};

	mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, sizeof(program), program);
}

/* The older form, which has no family in it: both are meant. */
static struct nlmsghdr *new_request_of_both(void *buffer, uint32_t states)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req *request;

	header->nlmsg_type = TCPDIAG_GETSOCK;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->idiag_family = AF_INET;
	request->idiag_states = states;
	return header;
}

static int send_dump(struct socket_table *table, struct nlmsghdr *header)
{
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = ++table->sequence;
	return mnl_socket_sendto(table->netlink, header, header->nlmsg_len) < 0 ? -errno : 0;
}

int socket_table_dump(struct socket_table *table, int family, unsigned first, unsigned last)
{
	char buffer[256];
	struct inet_diag_req_v2 *request;
	struct nlmsghdr *header;

	if (family == AF_UNSPEC) {
		header = new_request_of_both(buffer, DUMPED_STATES);
	} else {
		header = sock_diag_request(buffer, SOCK_DIAG_BY_FAMILY, family, &request);
		request->idiag_states = DUMPED_STATES;
	}
	put_port_filter(header, first, last);
	return send_dump(table, header);
}

static int dump_both(struct socket_table *table, uint32_t states, unsigned first, unsigned last)
{
	char buffer[256];
	struct nlmsghdr *header = new_request_of_both(buffer, states);

	put_port_filter(header, first, last);
	return send_dump(table, header);
}

int socket_table_dump_used(struct socket_table *table, unsigned first, unsigned last)
{
	return dump_both(table, DUMPED_STATES & ~(1u << TCP_STATE_BOUND_INACTIVE), first, last);
}

int socket_table_dump_listeners(struct socket_table *table, unsigned first, unsigned last)
{
	return dump_both(table, 1u << TCP_LISTEN, first, last);
}

int socket_table_dump_left(struct socket_table *table)
{
	char buffer[256];

	return send_dump(table, new_request_of_both(buffer, 1u << TCP_TIME_WAIT | 1u << TCP_FIN_WAIT2));
}

static bool parse_entry(const struct nlmsghdr *header, struct socket_entry *ret_entry)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

	/* An answer is of the type of the request. */
	if ((header->nlmsg_type != SOCK_DIAG_BY_FAMILY && header->nlmsg_type != TCPDIAG_GETSOCK) ||
	    mnl_nlmsg_get_payload_len(header) < sizeof(*message))
		return false;
	*ret_entry = (struct socket_entry){
		.local = sock_diag_endpoint(message->idiag_family, message->id.idiag_src,
					    message->id.idiag_sport),
		.remote = sock_diag_endpoint(message->idiag_family, message->id.idiag_dst,
					     message->id.idiag_dport),
		.cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0],
		.interface = message->id.idiag_if,
		.uid = message->idiag_uid,
		.inode = message->idiag_inode,
		.remaining_ms = message->idiag_timer == TIMER_TIME_WAIT ? message->idiag_expires : 0,
		.tcp_state = message->idiag_state,
	};
	switch (message->idiag_state) {
	case TCP_LISTEN:
		ret_entry->state = SOCKET_HELD;
		break;
	case TCP_CLOSE: /* asked for as TCP_BOUND_INACTIVE, answered as what it is */
		ret_entry->state = SOCKET_HELD;
		ret_entry->tcp_state = TCP_STATE_BOUND_INACTIVE;
		break;
	case TCP_TIME_WAIT:
		ret_entry->state = SOCKET_TIME_WAIT;
		break;
	default:
		ret_entry->state = SOCKET_CONNECTED;
	}
	return true;
}

struct piece {
	void (*see)(void *context, const struct socket_entry *entry);
	void *context;
};

static int see_message(const struct nlmsghdr *header, void *data)
{
	struct piece *piece = data;
	struct socket_entry entry;

	if (parse_entry(header, &entry))
		piece->see(piece->context, &entry);
	return MNL_CB_OK;
}

int socket_table_receive(struct socket_table *table, void *piece, size_t size)
{
	ssize_t received = mnl_socket_recvfrom(table->netlink, piece, size);

	return received < 0 ? -errno : (int)received;
}

int socket_table_read(const void *piece, size_t size,
		      void (*see)(void *context, const struct socket_entry *entry), void *context)
{
	struct piece callback = { see, context };
	int status = mnl_cb_run(piece, size, 0, 0, see_message, &callback);

	return status < 0 ? -errno : status;
}

/* struct tcp_info of a connection; its options are only final once it is established. */
static int see_attribute(const struct nlattr *attribute, void *data)
{
	const struct tcp_info *info = mnl_attr_get_payload(attribute);
	struct socket_entry *entry = data;

	if (mnl_attr_get_type(attribute) != INET_DIAG_INFO ||
	    mnl_attr_get_payload_len(attribute) <= offsetof(struct tcp_info, tcpi_options) + 1)
		return MNL_CB_OK;
	entry->established = info->tcpi_state == TCP_ESTABLISHED;
	entry->timestamps = info->tcpi_options & TCPI_OPT_TIMESTAMPS;
	return MNL_CB_STOP;
}

static int keep_message(const struct nlmsghdr *header, void *data)
{
	if (!parse_entry(header, data))
		return MNL_CB_ERROR;
	mnl_attr_parse(header, sizeof(struct inet_diag_msg), see_attribute, data);
	return MNL_CB_STOP;
}

int socket_table_find(struct socket_table *table, const struct berth_endpoint *local,
		      const struct berth_endpoint *remote, struct socket_entry *ret_entry)
{
	char buffer[256];
	char reply[SOCKET_TABLE_PIECE] __attribute__((aligned(8)));
	struct inet_diag_req_v2 *request;
	int family = sock_diag_family(local);
	struct nlmsghdr *header = sock_diag_request(buffer, SOCK_DIAG_BY_FAMILY, family, &request);
	int status;

	header->nlmsg_flags = NLM_F_REQUEST;
	header->nlmsg_seq = ++table->sequence;
	request->idiag_states = UINT32_MAX;
	request->idiag_ext = 1u << (INET_DIAG_INFO - 1);
	request->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	sock_diag_put_endpoint(local, request->id.idiag_src, &request->id.idiag_sport);
	sock_diag_put_endpoint(remote, request->id.idiag_dst, &request->id.idiag_dport);
	if (mnl_socket_sendto(table->netlink, header, header->nlmsg_len) < 0)
		return -errno;
	status = socket_table_receive(table, reply, sizeof(reply));
	if (status >= 0)
		status = mnl_cb_run(reply, (size_t)status, table->sequence,
				    mnl_socket_get_portid(table->netlink), keep_message, ret_entry) < 0
				 ? -errno
				 : 0;
	return status;
}
