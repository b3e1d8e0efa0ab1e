/* SPDX-License-Identifier: MIT
 *
 * connect(): the destination is known, so the port is chosen for it.
 *
 * Theory of operation
 *
 * The supervisor makes the connection itself, on its copy of the program's descriptor: only so does
 * it hear at once, from the kernel's own atomic check, that a port is taken, and can try the next.
 * For that moment the socket is non-blocking and its IP_LOCAL_PORT_RANGE is one port wide; both are
 * put back before the program is answered. A non-blocking connect() is answered with what came of
 * it. A blocking one is let run: the kernel finds a connection on its way, waits for it as it would
 * have, and returns what becomes of it (__inet_stream_connect, SS_CONNECTING), with the program's
 * own timeouts and signals.
 *
 * Picks come in the order of their rank. A connection in TIME_WAIT with this very destination is
 * taken over by the kernel itself if tcp_tw_reuse says so; an explicit bind of a sharing socket may
 * take it over whenever the connection used timestamps (RFC 6191; tcp_twsk_unique), but cannot be
 * taken back, so it is done only where a look-up has just shown the TIME_WAIT and timestamps are
 * known to be in use. An explicit bind is also what reaches a shared port that somebody else bound
 * explicitly, which connect()'s own choice never takes; and where IP_LOCAL_PORT_RANGE is missing
 * (before Linux 6.3) it is the way for all ranks. A look-up comes first, always, and from there to the
 * connection no other run of Berth has the same port for the same destination (claim.h).
 *
 * Where the settings keep ports away from a destination for longer than the kernel's TIME_WAIT, no port is taken over, and none
 * that is kept away is tried; nor does the kernel search among them, unless the settings leave it to the kernel
 * what is done when no port is left.
 *
 * The socket gets SO_REUSEADDR, and keeps it: its TIME_WAIT inherits it, and only such a TIME_WAIT
 * ever lets another socket bind its port.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "supervise/claim.h"
#include "supervise/supervisor.h"

#define PROBES	      8
#define UNKEPT_PROBES 64

static_assert(WAY_FRESH + BERTH_SHARED == (int)WAY_SHARED && WAY_FRESH + BERTH_WAITING == (int)WAY_WAITING,
	      "ways out and verdicts in the same order");

/* One connect() call under way. */
struct attempt {
	struct supervisor *supervisor;
	struct guest_socket socket;
	struct sockaddr_storage address; /* of the destination */
	size_t address_size;
	struct berth_endpoint remote;
	struct berth_endpoint local; /* as it will be: source address, and the port being tried */
	struct peer *peer;
	bool stuck; /* explicitly bound: no other port can be tried on this socket */
};

static bool defers_connect(int fd)
{
	int on = 0;
	socklen_t size = sizeof(on);

	return getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, &size) == 0 && on;
}

static bool may_steer(const struct attempt *attempt)
{
	const struct socket_facts *facts = &attempt->socket.facts;

	return attempt->socket.local.port == 0 && attempt->remote.port != 0 && !facts->bound_to_device &&
	       !facts->reuse_port && !facts->own_range && !defers_connect(attempt->socket.fd);
}

/* The local address that the connection will have: bound, learned, or asked of the routing table. */
static bool find_source(struct attempt *attempt)
{
	const struct berth_address *bound = &attempt->socket.local.address;

	attempt->peer = peer_of(&attempt->supervisor->peers, &attempt->remote.address);
	if (!address_is_any(bound))
		attempt->local.address = *bound;
	else if (attempt->peer->has_source)
		attempt->local.address = attempt->peer->source;
	else
		return route_source(&attempt->address, attempt->address_size, &attempt->local.address) == 0;
	return true;
}

static int connect_now(struct attempt *attempt)
{
	attempt->supervisor->shared->record.connecting = true;
	return connect(attempt->socket.fd, (const struct sockaddr *)&attempt->address,
		       (socklen_t)attempt->address_size) < 0
		       ? -errno
		       : 0;
}

/* Connects from one of these ports. -EADDRNOTAVAIL: the kernel refused all of them. */
static int connect_by_range(struct attempt *attempt, unsigned first, unsigned last)
{
	struct call_record *record = &attempt->supervisor->shared->record;
	int result;

	record->range_set = true;
	result = steer_local_port_range(attempt->socket.fd, first, last);
	if (result == 0)
		result = connect_now(attempt);
	if (result == -EADDRNOTAVAIL) {
		steer_local_port_range(attempt->socket.fd, 0, 0);
		record->range_set = false;
	}
	return result;
}

/* Taking a TIME_WAIT over is part of Berth's own rule alone: with the older policies, for which a waiting port
 * is one in TIME_WAIT with whomever, the refusal is the failure that they are there to show. */
static bool is_takeover(const struct attempt *attempt, enum berth_verdict verdict)
{
	return verdict == BERTH_WAITING && attempt->supervisor->policy == BERTH_POLICY_BERTH;
}

static bool may_bind(const struct attempt *attempt, enum berth_verdict verdict)
{
	const struct supervisor *supervisor = attempt->supervisor;

	if (verdict == BERTH_FRESH && supervisor->has_port_range)
		return false; /* somebody has it, whom we do not know */
	if (is_takeover(attempt, verdict) && (!supervisor->knowledge.limits.sysctls.timestamps ||
					      attempt->peer->timestamps != TIMESTAMPS_USED))
		return false;
	return supervisor->lookups.netlink != NULL;
}

/* Whether an explicit bind, which cannot be taken back, would meet what the pick promised. */
static bool is_as_picked(struct attempt *attempt, enum berth_verdict verdict)
{
	struct socket_entry entry;
	int found =
		socket_table_find(&attempt->supervisor->lookups, &attempt->local, &attempt->remote, &entry);

	return is_takeover(attempt, verdict) ? found == 0 && entry.state == SOCKET_TIME_WAIT
					     : found == -ENOENT;
}

/* Binds the port, to the address that the program bound or to none, and connects: the source address
 * stays the kernel's choice. -EADDRNOTAVAIL: the kernel refused one or the other. */
static int connect_by_bind(struct attempt *attempt)
{
	struct sockaddr_storage address = attempt->socket.address;

	sockaddr_set_port(&address, attempt->local.port);
	if (bind(attempt->socket.fd, (const struct sockaddr *)&address, attempt->socket.address_size) < 0)
		return -EADDRNOTAVAIL;
	attempt->stuck = true;
	return connect_now(attempt);
}

/* The same for what was picked, from the look-up on under a claim. Where none can be made, without: the
 * look-up alone is wrong once in some ten thousand times. */
static int connect_by_claim(struct attempt *attempt, enum berth_verdict verdict)
{
	int claim = claim_take(attempt->local.port, &attempt->remote);
	int result = -EADDRNOTAVAIL;

	if (claim != -EADDRINUSE && is_as_picked(attempt, verdict))
		result = connect_by_bind(attempt);
	if (claim >= 0)
		close(claim);
	return result;
}

static int connect_from(struct attempt *attempt, enum berth_verdict verdict)
{
	int result = -EADDRNOTAVAIL;

	if (attempt->supervisor->has_port_range)
		result = connect_by_range(attempt, attempt->local.port, attempt->local.port);
	if (result == -EADDRNOTAVAIL && may_bind(attempt, verdict))
		result = connect_by_claim(attempt, verdict);
	return result;
}

static bool is_begun(int result)
{
	return result == 0 || result == -EINPROGRESS;
}

/* The kernel says which port it really was; outside ip_local_port_range it did not follow us. */
static void learn(struct attempt *attempt)
{
	struct supervisor *supervisor = attempt->supervisor;
	struct cookie_set *lazy = &supervisor->shared->lazy;
	unsigned wanted = attempt->local.port;
	struct sockaddr_storage address;
	socklen_t size;

	if (lazy->count > 0)
		cookie_set_remove(lazy, socket_cookie(attempt->socket.fd));
	if (local_endpoint(attempt->socket.fd, &address, &size, &attempt->local) < 0)
		return;
	if (attempt->local.port != wanted)
		knowledge_doubt_sysctls(&supervisor->knowledge);
	spaces_took(&supervisor->knowledge.spaces, &attempt->local, &attempt->remote, supervisor->now_ns);
	peer_connected(&supervisor->peers, attempt->peer, attempt->socket.fd, &attempt->local,
		       &attempt->remote);
}

/* No port seems left. What is known may be out of date, and the connections of a program that opens
 * and closes fast are in TIME_WAIT long before a dump shows it: some ports are looked up. The one
 * that has waited longest of them, or one that is free after all. */
static enum berth_verdict probe_ports(struct attempt *attempt, unsigned *ret_port)
{
	struct supervisor *supervisor = attempt->supervisor;
	uint32_t least_ms = UINT32_MAX;
	struct socket_entry entry;
	int found;

	for (int look = 0; look < PROBES && supervisor->lookups.netlink; look++) {
		attempt->local.port = (uint16_t)port_limits_any(&supervisor->knowledge.limits,
								&supervisor->knowledge.random);
		found = socket_table_find(&supervisor->lookups, &attempt->local, &attempt->remote, &entry);
		if (found == -ENOENT && attempt->local.port != 0) {
			*ret_port = attempt->local.port;
			return BERTH_SHARED;
		}
		if (found == 0 && entry.state == SOCKET_TIME_WAIT && entry.remaining_ms < least_ms) {
			*ret_port = attempt->local.port;
			least_ms = entry.remaining_ms;
		}
	}
	return least_ms < UINT32_MAX ? BERTH_WAITING : BERTH_EXHAUSTED;
}

static enum berth_verdict pick(struct attempt *attempt, unsigned *ret_port)
{
	struct supervisor *supervisor = attempt->supervisor;
	struct berth_space *space =
		knowledge_space(&supervisor->knowledge, &attempt->local.address, supervisor->now_ns);

	return berth_space_pick(space, &attempt->remote, supervisor->now_ns, ret_port);
}

static bool is_kept(struct attempt *attempt, const struct berth_endpoint *local)
{
	struct supervisor *supervisor = attempt->supervisor;

	return knowledge_is_kept(&supervisor->knowledge, local, &attempt->remote, supervisor->now_ns);
}

/* The same where ports are kept away, which no look-up shows: of the others some are looked up, from one drawn at random on. */
static enum berth_verdict probe_unkept(struct attempt *attempt, unsigned *ret_port)
{
	struct supervisor *supervisor = attempt->supervisor;
	const struct port_limits *limits = &supervisor->knowledge.limits;
	unsigned start = port_limits_any(limits, &supervisor->knowledge.random), port = start, last;
	struct socket_entry entry;
	bool around = false;

	for (unsigned looks = 0; looks < UNKEPT_PROBES && supervisor->lookups.netlink; port++) {
		if (!port_limits_next(limits, port, &port, &last)) {
			if (around || !port_limits_next(limits, 0, &port, &last))
				break;
			around = true;
		}
		if (around && port >= start)
			break;
		attempt->local.port = (uint16_t)port;
		if (is_kept(attempt, &attempt->local))
			continue;
		looks++;
		if (socket_table_find(&supervisor->lookups, &attempt->local, &attempt->remote, &entry) ==
		    -ENOENT) {
			*ret_port = port;
			return BERTH_SHARED;
		}
	}
	return BERTH_EXHAUSTED;
}

/* The older policies, blind to the destination, know only what a dump has shown. */
static enum berth_verdict choose(struct attempt *attempt, unsigned *ret_port)
{
	struct supervisor *supervisor = attempt->supervisor;
	enum berth_verdict verdict = pick(attempt, ret_port);
	bool keeps = supervisor->policy == BERTH_POLICY_BERTH && knowledge_keeps(&supervisor->knowledge);

	if (verdict != BERTH_EXHAUSTED && !(keeps && verdict == BERTH_WAITING))
		return verdict;
	if (keeps)
		return probe_unkept(attempt, ret_port);
	if (supervisor->policy == BERTH_POLICY_BERTH)
		return probe_ports(attempt, ret_port);
	knowledge_refresh(&supervisor->knowledge, supervisor->now_ns);
	return pick(attempt, ret_port);
}

/* Tries ports until one is not refused. -EADDRNOTAVAIL: none was found, *ret_way says why. */
static int try_ports(struct attempt *attempt, enum way_out *ret_way)
{
	struct supervisor *supervisor = attempt->supervisor;
	enum berth_verdict verdict;
	unsigned port;
	int result;

	*ret_way = WAY_GIVEN_UP;
	for (int tries = 0; tries < MOST_ATTEMPTS; tries++) {
		verdict = choose(attempt, &port);
		if (!berth_verdict_has_port(verdict)) {
			*ret_way = WAY_EXHAUSTED;
			break;
		}
		attempt->local.port = (uint16_t)port;
		if (is_kept(attempt, &attempt->local)) {
			*ret_way = WAY_COLLISION; /* the older policies pick it all the same */
			break;
		}
		result = connect_from(attempt, verdict);
		if (result != -EADDRNOTAVAIL) {
			*ret_way = (enum way_out)(WAY_FRESH + (int)verdict);
			return result;
		}
		supervisor->shared->ways[WAY_REFUSED]++;
		spaces_refused(&supervisor->knowledge.spaces, &attempt->local, &attempt->remote,
			       supervisor->now_ns);
		if (attempt->stuck)
			attempt->peer->timestamps = TIMESTAMPS_UNKNOWN;
		if (supervisor->policy != BERTH_POLICY_BERTH || attempt->stuck) {
			*ret_way = WAY_COLLISION; /* the older policies have no second try */
			break;
		}
	}
	return -EADDRNOTAVAIL;
}

/* Whether a port that is kept away could be the kernel's own choice, which is not to be made then. */
static bool must_not_leave(const struct supervisor *supervisor)
{
	return knowledge_keeps(&supervisor->knowledge) &&
	       supervisor->family->options->config->exhausted != CONFIG_EXHAUSTED_KERNEL;
}

/* Shortens first .. last to those at its beginning that are all kept away, or all not. Whether they are. */
static bool cut_kept(struct attempt *attempt, unsigned first, unsigned *last)
{
	struct berth_endpoint local = attempt->local;
	unsigned port = first;
	bool kept;

	local.port = (uint16_t)first;
	kept = is_kept(attempt, &local);
	while (port < *last) {
		local.port = (uint16_t)(port + 1);
		if (is_kept(attempt, &local) != kept)
			break;
		port++;
	}
	*last = port;
	return kept;
}

/* The kernel's own search, of the ports that the settings leave to be handed out. */
static int search_ports(struct attempt *attempt)
{
	const struct port_limits *limits = &attempt->supervisor->knowledge.limits;
	bool step_over = must_not_leave(attempt->supervisor);
	unsigned first, last;
	int result = -EADDRNOTAVAIL;

	for (unsigned from = 0; result == -EADDRNOTAVAIL && port_limits_next(limits, from, &first, &last);
	     from = last + 1)
		if (!step_over || !cut_kept(attempt, first, &last))
			result = connect_by_range(attempt, first, last);
	return result;
}

/* After a policy's one try there is no search; nor among ports that are just known to be taken or kept away. */
static bool may_search(const struct supervisor *supervisor, enum way_out way)
{
	if (must_not_leave(supervisor))
		return way == WAY_GIVEN_UP && supervisor->has_port_range;
	return way != WAY_COLLISION;
}

static void make_nonblocking(struct attempt *attempt, bool *ret_blocking)
{
	int flags = fcntl(attempt->socket.fd, F_GETFL);

	*ret_blocking = !(flags & O_NONBLOCK);
	if (!*ret_blocking)
		return;
	attempt->supervisor->shared->record.made_nonblocking = true;
	fcntl(attempt->socket.fd, F_SETFL, flags | O_NONBLOCK);
}

static struct answer steer(struct attempt *attempt)
{
	struct supervisor *supervisor = attempt->supervisor;
	enum way_out way;
	bool blocking;
	int result;

	make_nonblocking(attempt, &blocking);
	if (!attempt->socket.facts.reuse_address)
		steer_reuse_address(attempt->socket.fd, true);
	result = try_ports(attempt, &way);
	if (result == -EADDRNOTAVAIL && may_search(supervisor, way)) {
		if (!must_not_leave(supervisor) &&
		    (!supervisor->knowledge.limits.withholds || !supervisor->has_port_range))
			return leave_to_kernel(supervisor, way);
		result = search_ports(attempt);
	}
	if (result == -EACCES || result == -EPERM)
		return leave_to_kernel(supervisor, WAY_UNREACHABLE); /* perhaps it is only we who may not */
	if (is_begun(result) || result == -EADDRNOTAVAIL)
		supervisor->shared->ways[way]++;
	if (is_begun(result))
		learn(attempt);
	if (result == -EINPROGRESS && blocking)
		return answer_by_kernel();
	return answer_result(result);
}

/* A socket on which connect() was begun before. If that was us, and the program did not hear of it,
 * it hears now. */
static struct answer on_begun(struct supervisor *supervisor, int fd)
{
	bool unheard = supervisor->unheard != 0 && supervisor->unheard == socket_cookie(fd);

	if (unheard && fcntl(fd, F_GETFL) & O_NONBLOCK)
		return answer_result(-EINPROGRESS);
	return leave_to_kernel(supervisor, WAY_OWN_CHOICE);
}

/* Whether the socket's port is kept away, or in a TIME_WAIT that is not known yet and would be taken over. */
static bool is_settled_kept(struct attempt *attempt)
{
	struct supervisor *supervisor = attempt->supervisor;
	struct socket_entry entry;

	if (!find_source(attempt))
		return false;
	attempt->local.port = attempt->socket.local.port;
	return is_kept(attempt, &attempt->local) ||
	       (supervisor->lookups.netlink &&
		socket_table_find(&supervisor->lookups, &attempt->local, &attempt->remote, &entry) == 0 &&
		entry.state == SOCKET_TIME_WAIT);
}

/* The port was chosen before the destination was known, and connects as it is. Its TIME_WAIT is to be
 * shareable like any other that Berth leaves. */
static void share_settled_port(const struct attempt *attempt)
{
	struct supervisor *supervisor = attempt->supervisor;

	steer_reuse_address(attempt->socket.fd, true);
	spaces_connects(&supervisor->knowledge.spaces, &attempt->socket.local, &attempt->remote,
			supervisor->now_ns);
}

struct answer on_connect(struct supervisor *supervisor, const struct seccomp_notif *call)
{
	struct attempt attempt = { .supervisor = supervisor };
	enum way_out way;

	if (supervisor->shared->confined)
		return leave_to_kernel(supervisor, WAY_CONFINED);
	if (!read_address(call, &attempt.address, &attempt.address_size, &attempt.remote))
		return leave_to_kernel(supervisor, WAY_NOT_TCP);
	if (config_excludes(supervisor->family->options->config, &attempt.remote))
		return leave_to_kernel(supervisor, WAY_EXCLUDED);
	if (!take_socket(supervisor, call, &attempt.socket, &way))
		return leave_to_kernel(supervisor, way);
	if (!attempt.socket.facts.closed)
		return on_begun(supervisor, attempt.socket.fd);
	if (attempt.socket.local.port != 0 &&
	    cookie_set_has(&supervisor->settled, socket_cookie(attempt.socket.fd))) {
		if (must_not_leave(supervisor) && is_settled_kept(&attempt)) {
			supervisor->shared->ways[WAY_COLLISION]++;
			return answer_result(-EADDRNOTAVAIL);
		}
		share_settled_port(&attempt);
	}
	if (!may_steer(&attempt))
		return leave_to_kernel(supervisor, WAY_OWN_CHOICE);
	if (!find_source(&attempt))
		return leave_to_kernel(supervisor, WAY_UNREACHABLE);
	return steer(&attempt);
}
