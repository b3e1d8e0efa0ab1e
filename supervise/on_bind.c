/* SPDX-License-Identifier: MIT
 *
 * bind() to port 0, and the calls that end its putting off: listen(), getsockname(), and those after which
 * it would be too late.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "supervise/notification.h"
#include "supervise/supervisor.h"

static int bind_port(struct guest_socket *socket, unsigned port)
{
	sockaddr_set_port(&socket->address, port);
	return bind(socket->fd, (const struct sockaddr *)&socket->address, socket->address_size) < 0 ? -errno
												     : 0;
}

/* To the kernel it is a bind to port 0 that happens to find one of these ports, as the program asked for: a
 * port bound by its number would stay with the socket when its connection has ended
 * (SOCK_BINDPORT_LOCK). */
static int bind_in_range(struct supervisor *supervisor, struct guest_socket *socket, unsigned first,
			 unsigned last)
{
	int error;

	supervisor->shared->record.range_set = true;
	error = steer_local_port_range(socket->fd, first, last);
	if (!error)
		error = bind_port(socket, 0);
	steer_local_port_range(socket->fd, 0, 0);
	supervisor->shared->record.range_set = false;
	return error;
}

/* A port that others are on, or were, can only be bound by its number, and by a socket that shares.
 * Only for the bind: a program that goes on to listen is to be as alone on its port as it expects. */
static int bind_used(struct guest_socket *socket, unsigned port)
{
	bool share = !socket->facts.reuse_address;
	int error;

	if (share)
		steer_reuse_address(socket->fd, true);
	error = bind_port(socket, port);
	if (share)
		steer_reuse_address(socket->fd, false);
	return error;
}

static int bind_picked(struct supervisor *supervisor, struct guest_socket *socket, unsigned port,
		       enum berth_verdict verdict)
{
	if (verdict == BERTH_FRESH)
		return supervisor->has_port_range ? bind_in_range(supervisor, socket, port, port)
						  : bind_port(socket, port);
	return bind_used(socket, port);
}

/* The kernel's own choice, of the ports that the settings leave to be handed out. */
static bool bind_any(struct supervisor *supervisor, struct guest_socket *socket)
{
	const struct port_limits *limits = &supervisor->knowledge.limits;
	unsigned first, last;

	if (!limits->withholds || !supervisor->has_port_range)
		return bind_port(socket, 0) == 0;
	for (unsigned from = 0; port_limits_next(limits, from, &first, &last); from = last + 1)
		if (bind_in_range(supervisor, socket, first, last) == 0)
			return true;
	return false;
}

/* Tries picks while they are fresh, or of whatever rank. */
static bool bind_picks(struct supervisor *supervisor, struct guest_socket *socket, bool only_fresh)
{
	struct knowledge *knowledge = &supervisor->knowledge;
	struct berth_space *space = knowledge_space(knowledge, &socket->local.address, supervisor->now_ns);
	enum berth_verdict verdict;
	unsigned port;

	for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
		verdict = berth_space_pick(space, NULL, supervisor->now_ns, &port);
		if (!berth_verdict_has_port(verdict) || (only_fresh && verdict != BERTH_FRESH))
			return false;
		socket->local.port = (uint16_t)port;
		if (bind_picked(supervisor, socket, port, verdict) == 0) {
			spaces_took(&knowledge->spaces, &socket->local, NULL, supervisor->now_ns);
			return true;
		}
		spaces_refused(&knowledge->spaces, &socket->local, NULL, supervisor->now_ns);
	}
	return false;
}

/* The destination is still unknown and the port must be known now: fresh, waiting, shared. Whether
 * the program will listen is not known either, and that it can only on a port which nobody is on: so
 * where no fresh one is known the kernel searches, as it would have searched in bind(), before a used
 * one is given. For the policy legacy ports in TIME_WAIT are as good as others. Where nothing is found
 * the socket stays without a port. */
static bool settle(struct supervisor *supervisor, struct guest_socket *socket)
{
	bool legacy = supervisor->policy == BERTH_POLICY_LEGACY;

	return bind_picks(supervisor, socket, !legacy) || bind_any(supervisor, socket) ||
	       (!legacy && bind_picks(supervisor, socket, false));
}

enum settlement {
	NOT_PUT_OFF,
	SETTLED,
	NO_PORT_LEFT, /* stays put off: connect(), which knows the destination, may still find one */
};

static enum settlement settle_if_lazy(struct supervisor *supervisor, struct guest_socket *socket,
				      uint64_t cookie)
{
	struct cookie_set *lazy = &supervisor->shared->lazy;

	if (socket->local.port != 0 || !cookie_set_has(lazy, cookie))
		return NOT_PUT_OFF;
	if (!settle(supervisor, socket))
		return NO_PORT_LEFT;
	cookie_set_remove(lazy, cookie);
	cookie_set_add(&supervisor->settled, cookie);
	supervisor->shared->ways[WAY_SETTLED]++;
	return SETTLED;
}

static enum settlement settle_socket_of(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	struct guest_socket socket;
	enum way_out way;

	if (supervisor->shared->lazy.count == 0 || !take_socket(supervisor, call, &socket, &way))
		return NOT_PUT_OFF;
	return settle_if_lazy(supervisor, &socket, socket_cookie(socket.fd));
}

/* Not where the program made a choice itself, or one that Berth does not understand. */
static bool may_put_off(const struct guest_socket *socket)
{
	const struct socket_facts *facts = &socket->facts;

	return facts->closed && socket->local.port == 0 && !facts->bound_to_device && !facts->reuse_port &&
	       !facts->no_port && !facts->own_range;
}

/* Binds the address alone. What bind() says of the address, it says now, to the program. */
static int bind_without_port(struct supervisor *supervisor, const struct guest_socket *socket,
			     const struct sockaddr_storage *address, size_t size)
{
	int error;

	supervisor->shared->record.no_port_set = true;
	error = steer_bind_without_port(socket->fd, true);
	if (error)
		return error;
	return bind(socket->fd, (const struct sockaddr *)address, (socklen_t)size) < 0 ? -errno : 0;
}

struct answer on_bind(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	struct cookie_set *lazy = &supervisor->shared->lazy;
	struct sockaddr_storage address;
	struct berth_endpoint wanted;
	struct guest_socket socket;
	enum way_out way;
	uint64_t cookie;
	size_t size;
	int error;

	if (!read_address(call, &address, &size, &wanted))
		return leave_to_kernel(supervisor, WAY_NOT_TCP);
	if (wanted.port != 0 && lazy->count == 0)
		return leave_to_kernel(supervisor, WAY_OWN_CHOICE);
	if (!take_socket(supervisor, call, &socket, &way))
		return leave_to_kernel(supervisor, way);
	cookie = socket_cookie(socket.fd);
	if (settle_if_lazy(supervisor, &socket, cookie) != NOT_PUT_OFF)
		return answer_by_kernel(); /* which says what is wrong with a second bind */
	if (supervisor->shared->confined)
		return leave_to_kernel(supervisor, WAY_CONFINED);
	if (wanted.port != 0 || cookie == 0 || !may_put_off(&socket))
		return leave_to_kernel(supervisor, WAY_OWN_CHOICE);
	error = bind_without_port(supervisor, &socket, &address, size);
	if (error == -EACCES || error == -EPERM || error == -ENOPROTOOPT)
		return leave_to_kernel(supervisor, WAY_UNREACHABLE); /* perhaps it is only we who may not */
	if (error)
		return answer_result(error);
	supervisor->shared->record.put_off = cookie;
	supervisor->shared->ways[WAY_PUT_OFF]++;
	return answer_result(0);
}

struct answer settle_first(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	/* The kernel would look for a port among those too that are withheld, and listen() fails so. */
	if (settle_socket_of(supervisor, call) == NO_PORT_LEFT && call->data.nr == SYS_listen &&
	    supervisor->knowledge.limits.withholds)
		return answer_result(-EADDRINUSE);
	return answer_by_kernel();
}

struct hiding {
	struct supervisor *supervisor;
	const struct seccomp_notif *call;
};

static void settle_descriptor(void *context, int fd)
{
	const struct hiding *hiding = context;
	struct seccomp_notif call = *hiding->call;

	call.data.args[0] = (unsigned)fd;
	settle_socket_of(hiding->supervisor, &call);
	call_record_undo(&hiding->supervisor->shared->record);
}

/* prctl(PR_SET_DUMPABLE, 0): afterwards a supervisor that is not root's gets none of the program's sockets,
 * and what was put off would stay so. */
struct answer on_hiding(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	struct hiding hiding = { supervisor, call };

	if (supervisor->shared->lazy.count > 0)
		guest_each_socket((pid_t)call->pid, settle_descriptor, &hiding);
	return answer_by_kernel();
}

struct answer on_getsockname(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	if ((int)call->data.args[0] == -1 && call->data.args[2] == SUPERVISED_QUESTION)
		return answer_result(0);
	/* bind() would have failed here, with EADDRINUSE. A port 0 would look like an answer. */
	if (settle_socket_of(supervisor, call) == NO_PORT_LEFT)
		return answer_result(-ENOBUFS);
	return answer_by_kernel();
}
