/* SPDX-License-Identifier: MIT
 *
 * Getting at what a call is about, and at what the supervisor needs for all of them.
 */
#include <errno.h>
#include <unistd.h>

#include "supervise/notification.h"
#include "supervise/supervisor.h"

bool take_socket(struct supervisor *supervisor, const struct seccomp_notif *call,
		 struct guest_socket *ret_socket, enum way_out *ret_way)
{
	struct call_record *record = &supervisor->shared->record;
	int fd = guest_take_fd(&supervisor->guests, (pid_t)call->pid, (int)call->data.args[0]);

	*ret_way = WAY_UNREACHABLE;
	if (fd < 0)
		return false;
	record->fd = fd;
	record->has_fd = true;
	/* If the caller is gone, its number may be another's already, and the socket with it. */
	if (!notification_is_pending(LISTENER_FD, call->id))
		return false;
	*ret_way = WAY_NOT_TCP;
	ret_socket->fd = fd;
	return socket_facts_read(fd, &ret_socket->facts) && ret_socket->facts.netns == supervisor->netns &&
	       local_endpoint(fd, &ret_socket->address, &ret_socket->address_size, &ret_socket->local) == 0;
}

bool read_address(const struct seccomp_notif *call, struct sockaddr_storage *ret_address, size_t *ret_size,
		  struct berth_endpoint *ret_endpoint)
{
	unsigned size = (unsigned)call->data.args[2];

	*ret_address = (struct sockaddr_storage){ 0 };
	*ret_size = size;
	return size <= sizeof(*ret_address) &&
	       guest_read((pid_t)call->pid, call->data.args[1], ret_address, size) == 0 &&
	       endpoint_from_sockaddr(ret_address, size, ret_endpoint);
}

static bool kernel_has_port_range(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && steer_local_port_range(fd, 0, 0) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

int supervisor_prepare(struct supervisor *supervisor, const char **ret_step)
{
	const struct port_limits *limits = &supervisor->knowledge.limits;
	int error;

	*ret_step = "ask for the network namespace of a socket (SO_NETNS_COOKIE, Linux 5.14)";
	if (supervisor->netns == 0)
		return -ENOPROTOOPT;
	*ret_step = "read the port range in /proc/sys/net/ipv4, and the kernel's sockets";
	supervisor->has_port_range = kernel_has_port_range();
	supervisor->shared->by_bind = !supervisor->has_port_range;
	socket_table_open(&supervisor->lookups); /* without it, takeovers of TIME_WAIT are not tried */
	error = knowledge_open(&supervisor->knowledge, supervisor->family->options->config,
			       supervisor->now_ns);
	if (error || !limits->withholds || port_limits_any(limits, &supervisor->knowledge.random) != 0)
		return error;
	*ret_step = "MaxUserPort and ReservedPorts leave no port of net.ipv4.ip_local_port_range";
	return -EADDRNOTAVAIL;
}
