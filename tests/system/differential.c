/* SPDX-License-Identifier: MIT
 *
 * Random socket calls from a seed, one line of output each. What is done depends on the seed alone, never on
 * an outcome, so the same seed can be run on stock Linux and under Berth and the lines compared one by one
 * (test_differential.py is the judge).
 *
 *   differential SEED OPERATIONS FIRST
 *
 * SEED also says which explicit ports are used: FIRST to FIRST + 15, outside the ephemeral range, so that
 * processes at the same time do not meet. A line is
 *
 *   NUMBER SLOT OPERATION ARGUMENTS -> OUTCOME
 *
 * where OUTCOME is "ok", the name of an errno, or what was seen. A port of the ephemeral range is only called
 * "ephemeral", as it differs from run to run; "ephemeral-changed" is one that is not what the socket had when it was last asked.
 *
 * Outcomes must not depend on time: who closes first waits for the other side, so that TIME_WAIT has been
 * reached or no state is left at all when the next call is made.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

enum {
	SLOTS = 12,
	EXPLICIT_PORTS = 16,
	SINK = 7001,
	NOBODY = 7099
};
enum {
	EPHEMERAL_FIRST = 32768,
	EPHEMERAL_LAST = 60999
};
/* milliseconds, for something over loopback that may never come */
enum {
	LONG_ENOUGH = 500
};

/* One socket of the program. fd is -1 where there is none; calls are made on it nevertheless. */
struct slot {
	int fd;
	int family, type;
	int peer;      /* what an own listener accepted from it, or -1 */
	unsigned port; /* when it was last asked */
	bool listens;
	bool bound; /* and not connected since, which may have let go of the port */
};

/* Shared with forked processes, so that what they learn is not lost. */
static struct slot *slots;
static unsigned first_port, seed;
static uint64_t state;

/* xorshift64*: the sequence is part of no contract, it only has to be the same in both runs */
static unsigned draw(unsigned bound)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned)((state * 0x2545f4914f6cdd1dull) >> 33) % bound;
}

static const char *outcome(int result)
{
	return result < 0 ? strerrorname_np(errno) : "ok";
}

/* --- addresses ------------------------------------------------------------------------------- */

enum host {
	LOOPBACK,
	WILDCARD,
	SECOND,
	MAPPED,
	FOREIGN,
	HOSTS
};

static const char *const host_names[] = { "loopback", "wildcard", "second", "mapped", "foreign" };
static const char *const host4[] = { "127.0.0.1", "0.0.0.0", "127.0.0.2", "127.0.0.1", "192.0.2.1" };
static const char *const host6[] = { "::1", "::", "::ffff:127.0.0.2", "::ffff:127.0.0.1", "2001:db8::1" };

static socklen_t inet_address(struct sockaddr_storage *storage, int family, enum host host, unsigned port)
{
	struct sockaddr_in6 *in6 = (void *)storage;
	struct sockaddr_in *in = (void *)storage;

	memset(storage, 0, sizeof(*storage));
	if (family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		inet_pton(AF_INET6, host6[host], &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, host4[host], &in->sin_addr);
	return sizeof(*in);
}

/* Sockets of even slots stay with IPv4, in its mapped form on IPv6 sockets: one that has met a mapped address
 * and then connects to a real IPv6 one sends its SYN nowhere, on stock Linux too. */
static enum host host_for(const struct slot *slot, unsigned value)
{
	static const enum host even[] = {
		MAPPED, MAPPED, MAPPED, MAPPED, SECOND, WILDCARD, WILDCARD, FOREIGN
	};
	static const enum host odd[] = { LOOPBACK, LOOPBACK, LOOPBACK, LOOPBACK,
					 LOOPBACK, WILDCARD, WILDCARD, FOREIGN };

	return (slot - slots) % 2 ? odd[value % 8] : even[value % 8];
}

/* An abstract name whose address is as long as one of IPv4, IPv6 or neither: the lengths that a filter
 * might take for TCP. */
static socklen_t unix_address(struct sockaddr_storage *storage, unsigned name)
{
	static const socklen_t lengths[] = { 16, 28, 40 };
	struct sockaddr_un *un = (void *)storage;

	memset(storage, 0, sizeof(*storage));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path + 1, 12, "%u.%u", seed, name);
	return lengths[name % 3];
}

/* --- what a program sees ------------------------------------------------------------------------ */

static unsigned port_in(const struct sockaddr_storage *storage)
{
	if (storage->ss_family != AF_INET && storage->ss_family != AF_INET6)
		return 0;
	return ntohs(((const struct sockaddr_in *)storage)->sin_port);
}

static void show_name(const struct sockaddr_storage *name, socklen_t length, struct slot *slot)
{
	char text[INET6_ADDRSTRLEN] = "unix";
	unsigned port = port_in(name);

	if (name->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)name)->sin_addr, text, sizeof(text));
	else if (name->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)name)->sin6_addr, text, sizeof(text));
	printf("length %u %s ", length, text);
	if (port < EPHEMERAL_FIRST || port > EPHEMERAL_LAST)
		printf("port %u\n", port);
	else
		printf("port ephemeral%s\n", slot && slot->port && slot->port != port ? "-changed" : "");
	if (slot)
		slot->port = port;
}

/* --- the operations ------------------------------------------------------------------------------ */

/* Everything an operation may want, drawn before it is known which it is: the sequence of draws does not
 * depend on what the sockets do. */
struct choice {
	unsigned slot, other, operation, a, b, c, forked;
};

/* Lets go of a slot. A connection to an own listener is closed from this side first, and both sides wait. */
static void release(struct slot *slot, bool reset)
{
	struct linger linger = { .l_onoff = 1 };
	struct pollfd gone = { .events = POLLIN };
	char byte;

	if (slot->fd >= 0 && slot->type == SOCK_STREAM && slot->family != AF_UNIX) {
		if (reset) {
			setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		} else if (slot->peer >= 0) {
			shutdown(slot->fd, SHUT_WR);
			gone.fd = slot->peer;
			poll(&gone, 1, LONG_ENOUGH);
			close(slot->peer);
			slot->peer = -1;
			gone.fd = slot->fd;
			poll(&gone, 1, LONG_ENOUGH);
		} else if (shutdown(slot->fd, SHUT_WR) == 0 && !slot->listens) {
			gone.fd = slot->fd;
			while (poll(&gone, 1, LONG_ENOUGH) == 1 && recv(slot->fd, &byte, 1, MSG_DONTWAIT) > 0)
				;
		}
	}
	if (slot->fd >= 0)
		close(slot->fd);
	if (slot->peer >= 0) {
		gone.fd = slot->peer;
		poll(&gone, 1, LONG_ENOUGH);
		close(slot->peer);
	}
	*slot = (struct slot){ .fd = -1, .peer = -1 };
}

static void op_socket(struct slot *slot, const struct choice *choice)
{
	static const int families[] = { AF_INET, AF_INET6, AF_INET, AF_INET6, AF_UNIX };
	static const char *const names[] = { "IPv4", "IPv6", "IPv4", "IPv6", "unix" };
	bool nonblocking = choice->b % 3 == 0, datagram = choice->c % 8 == 0;
	int fd;

	release(slot, choice->c & 1);
	slot->family = families[choice->a % 5];
	slot->type = datagram ? SOCK_DGRAM : SOCK_STREAM;
	fd = socket(slot->family, slot->type | (nonblocking ? SOCK_NONBLOCK : 0), 0);
	printf("socket %s%s%s -> %s\n", names[choice->a % 5], datagram ? " datagram" : "",
	       nonblocking ? " nonblocking" : "", outcome(fd));
	/* a number that only this slot has, so that EBADF is never another slot's socket */
	slot->fd = dup2(fd, 100 + (int)(slot - slots));
	close(fd);
}

static void op_bind(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	enum host host = host_for(slot, choice->a);
	unsigned port = choice->b % 8 < 5 ? 0 : first_port + choice->b % EXPLICIT_PORTS;
	int family = choice->c % 16 == 0 ? AF_INET : slot->family;
	socklen_t length;
	int result;

	if (slot->family == AF_UNIX) {
		length = choice->b % 4 == 0 ? sizeof(sa_family_t) : unix_address(&address, choice->b % 6);
		address.ss_family = AF_UNIX;
		result = bind(slot->fd, (struct sockaddr *)&address, length);
		printf("bind unix name %u length %u -> %s\n", choice->b % 6, length, outcome(result));
		return;
	}
	length = inet_address(&address, family, host, port);
	if (choice->c % 32 == 1)
		length = 12;
	else if (choice->c % 32 == 2)
		length = sizeof(address);
	else if (choice->c % 32 == 3)
		address.ss_family = AF_UNSPEC;
	result = bind(slot->fd, choice->c % 64 == 5 ? (void *)8 : (void *)&address, length);
	if (result == 0)
		slot->bound = true;
	printf("bind family %d %s port %u length %u variant %u -> %s\n", family, host_names[host], port,
	       length, choice->c % 64, outcome(result));
}

/* A socket has a name also when a connection that failed has let go of its port, which anybody may have now. */
static bool holds_port(const struct slot *slot)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return slot->bound || getpeername(slot->fd, (struct sockaddr *)&peer, &length) == 0;
}

/* bind to the address and port that another slot has: whether it may share them is a matter of SO_REUSEADDR and
 * SO_REUSEPORT of both. Only within a family, as in the other one a third socket may have the port. */
static void op_bind_like(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	struct slot *other = &slots[choice->other];
	socklen_t length = sizeof(address);
	int result;

	if (slot->family == AF_UNIX || slot->family != other->family || slot->type != other->type ||
	    !holds_port(other)) {
		printf("bind like %u, no pair -> ok\n", choice->other);
		return;
	}
	getsockname(other->fd, (struct sockaddr *)&address, &length);
	result = bind(slot->fd, (struct sockaddr *)&address, length);
	printf("bind like %u -> %s\n", choice->other, outcome(result));
}

/* Waits for the end of a connection that has begun; returns "ok" or its error. */
static const char *finish_connect(struct slot *slot)
{
	struct pollfd ready = { .fd = slot->fd, .events = POLLOUT };
	int error = 0;
	socklen_t length = sizeof(error);

	if (poll(&ready, 1, 5000) != 1)
		return "hangs";
	getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error ? strerrorname_np(error) : "ok";
}

/* Takes the connection that slot has made to an own listener out of its queue; the two must agree on its
 * name. */
static const char *accept_peer(struct slot *slot, struct slot *listener)
{
	struct sockaddr_storage name, peer;
	socklen_t name_length = sizeof(name), peer_length = sizeof(peer);
	struct pollfd ready = { .fd = listener->fd, .events = POLLIN };
	int fd;

	if (poll(&ready, 1, LONG_ENOUGH) != 1)
		return "nothing to accept";
	fd = accept(listener->fd, (struct sockaddr *)&peer, &peer_length);
	if (fd < 0)
		return strerrorname_np(errno);
	if (slot->peer >= 0)
		close(slot->peer);
	slot->peer = dup2(fd, 200 + (int)(slot - slots));
	close(fd);
	getsockname(slot->fd, (struct sockaddr *)&name, &name_length);
	return port_in(&name) == port_in(&peer) ? "accepted" : "accepted from another port";
}

static void connect_and_show(struct slot *slot, const struct sockaddr_storage *address, socklen_t length,
			     struct slot *listener)
{
	int flags = fcntl(slot->fd, F_GETFL), result, error;

	slot->bound = false;
	result = connect(slot->fd, (const struct sockaddr *)address, length);
	error = errno;
	printf("-> %s", outcome(result));
	if (result < 0 && error == EINPROGRESS) {
		const char *end = finish_connect(slot);

		printf(" then %s", end);
		result = strcmp(end, "ok") == 0 ? 0 : -1;
	}
	if (fcntl(slot->fd, F_GETFL) != flags)
		printf(" FLAGS CHANGED");
	if (result == 0 && listener && slot->type == SOCK_STREAM)
		printf(" %s", accept_peer(slot, listener));
	putchar('\n');
}

static void op_connect(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	/* not FOREIGN, and on even slots not WILDCARD, which an IPv6 socket takes for ::1 */
	enum host host = host_for(slot, choice->a % ((slot - slots) % 2 ? 7 : 5));
	unsigned port = choice->b % 8 == 0 ? NOBODY : SINK + choice->b % 4;
	socklen_t length;

	if (slot->family == AF_UNIX) {
		length = unix_address(&address, choice->b % 6);
		printf("connect unix name %u length %u ", choice->b % 6, length);
	} else if (choice->c % 16 == 0) {
		length = sizeof(address.ss_family) + 14 * (choice->c % 32 == 0);
		memset(&address, 0, sizeof(address));
		printf("connect to AF_UNSPEC length %u ", length);
		slot->port = 0;
	} else {
		length = inet_address(&address, choice->c % 16 == 1 ? AF_INET : slot->family, host, port);
		/* of a datagram it hangs on cgroup programs of the host whether this leaves the socket with a port */
		if (choice->c % 32 == 2 && slot->type == SOCK_STREAM)
			length = 8;
		printf("connect %s port %u length %u ", host_names[host], port, length);
	}
	connect_and_show(slot, &address, length, NULL);
}

/* connect to a socket of this program that listens */
static void op_connect_own(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage address;
	struct slot *listener = &slots[choice->other];
	socklen_t length = sizeof(address);
	unsigned port;

	if (slot->family == AF_UNIX || listener->family == AF_UNIX || !listener->listens ||
	    slot == listener || slot->type != SOCK_STREAM) {
		printf("connect to %u, no pair -> ok\n", choice->other);
		return;
	}
	getsockname(listener->fd, (struct sockaddr *)&address, &length);
	port = port_in(&address);
	length = inet_address(&address, slot->family, host_for(slot, 0), port);
	printf("connect to %u ", choice->other);
	connect_and_show(slot, &address, length, listener);
}

static void op_listen(struct slot *slot, const struct choice *choice)
{
	int result = listen(slot->fd, 16 + (int)(choice->a % 16));

	if (result == 0)
		slot->listens = slot->bound = true;
	printf("listen -> %s\n", outcome(result));
}

static void op_getsockname(struct slot *slot, const struct choice *choice)
{
	static const socklen_t lengths[] = { sizeof(struct sockaddr_storage), 28, 16, 4, 0 };
	struct sockaddr_storage name = { 0 };
	socklen_t length = lengths[choice->a % 16 < 12 ? 0 : choice->a % 5];
	bool whole = length >= 8, bad = choice->b % 32 == 0;
	int result = getsockname(slot->fd, bad ? (void *)8 : (void *)&name, &length);

	if (result < 0 || !whole) {
		printf("getsockname%s -> %s length %u\n", bad ? " bad" : "", outcome(result), length);
		return;
	}
	printf("getsockname -> ");
	show_name(&name, length, slot);
}

static void op_getpeername(struct slot *slot, const struct choice *choice)
{
	struct sockaddr_storage name = { 0 };
	socklen_t length = sizeof(name);

	(void)choice;
	printf("getpeername -> ");
	if (getpeername(slot->fd, (struct sockaddr *)&name, &length))
		puts(strerrorname_np(errno));
	else
		show_name(&name, length, NULL);
}

static void op_set(struct slot *slot, const struct choice *choice)
{
	int value = choice->b % 4 != 0, result;
	unsigned range_first = 33000 + seed % 200 * 100;

	switch (choice->a % 6) {
	case 0:
		result = setsockopt(slot->fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
		printf("set SO_REUSEADDR %d -> %s\n", value, outcome(result));
		break;
	case 1:
		result = setsockopt(slot->fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
		printf("set SO_REUSEPORT %d -> %s\n", value, outcome(result));
		break;
	case 2:
		result = setsockopt(slot->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &value, sizeof(value));
		printf("set IP_BIND_ADDRESS_NO_PORT %d -> %s\n", value, outcome(result));
		break;
	case 3:
		value = value ? (int)((range_first + 99) << 16 | range_first) : 0;
		result = setsockopt(slot->fd, SOL_IP, IP_LOCAL_PORT_RANGE, &value, sizeof(value));
		printf("set IP_LOCAL_PORT_RANGE %#x -> %s\n", value, outcome(result));
		break;
	case 4:
		result = setsockopt(slot->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", value ? 3 : 0);
		printf("set SO_BINDTODEVICE %d -> %s\n", value, outcome(result));
		break;
	default:
		result = setsockopt(slot->fd, SOL_IPV6, IPV6_V6ONLY, &value, sizeof(value));
		printf("set IPV6_V6ONLY %d -> %s\n", value, outcome(result));
	}
}

/* Everything that can be asked of a socket but SO_REUSEADDR, which Berth may set. */
static void op_get(struct slot *slot, const struct choice *choice)
{
	static const struct {
		int level, name;
	} options[] = {
		{ SOL_SOCKET, SO_REUSEPORT },	 { SOL_IP, IP_BIND_ADDRESS_NO_PORT },
		{ SOL_IP, IP_LOCAL_PORT_RANGE }, { SOL_SOCKET, SO_BINDTOIFINDEX },
		{ SOL_SOCKET, SO_ERROR },	 { SOL_SOCKET, SO_ACCEPTCONN },
		{ SOL_SOCKET, SO_TYPE },	 { SOL_SOCKET, SO_PROTOCOL },
	};
	(void)choice;
	printf("get -> flags %#x", fcntl(slot->fd, F_GETFL));
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = 0;
		socklen_t length = sizeof(value);
		int result = getsockopt(slot->fd, options[i].level, options[i].name, &value, &length);

		printf(result < 0 ? " %s" : " %.0s%#x", outcome(result), value);
	}
	putchar('\n');
}

/* The sink closes when it sees the end; an own peer does not. */
static void wait_until_closed(struct slot *slot)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	for (int tries = 0; tries < 2000 && slot->peer < 0; tries++) {
		if (getsockopt(slot->fd, SOL_TCP, TCP_INFO, &info, &length) || info.tcpi_state == TCP_CLOSE)
			return;
		poll(NULL, 0, 1);
	}
}

static void op_shutdown(struct slot *slot, const struct choice *choice)
{
	int result = shutdown(slot->fd, (int)(choice->a % 3));

	printf("shutdown %u -> %s\n", choice->a % 3, outcome(result));
	if (result == 0 && choice->a % 3 != SHUT_RD && !slot->listens)
		wait_until_closed(slot);
	if (result == 0)
		slot->listens = slot->bound = false;
}

/* The slot goes on with a duplicate; what is known of the socket must not hang on the number. */
static void op_dup(struct slot *slot, const struct choice *choice)
{
	int fd = dup(slot->fd);

	(void)choice;
	printf("dup -> %s\n", outcome(fd));
	if (fd < 0)
		return;
	close(slot->fd);
	dup2(fd, 100 + (int)(slot - slots));
	close(fd);
}

static void op_close(struct slot *slot, const struct choice *choice)
{
	release(slot, choice->a & 1);
	printf("close %s -> ok\n", choice->a & 1 ? "with a reset" : "in order");
}

static void op_nonblocking(struct slot *slot, const struct choice *choice)
{
	int result = fcntl(slot->fd, F_SETFL, choice->a & 1 ? O_NONBLOCK : 0);

	printf("fcntl nonblocking %u -> %s\n", choice->a & 1, outcome(result));
}

/* weight: how often of all; forkable: does not make or close descriptors of this process */
static const struct operation {
	void (*run)(struct slot *slot, const struct choice *choice);
	unsigned weight;
	bool forkable;
} operations[] = {
	{ op_socket, 24, false },     { op_bind, 22, true },	    { op_bind_like, 4, true },
	{ op_connect, 22, true },     { op_connect_own, 8, false }, { op_listen, 8, true },
	{ op_getsockname, 14, true }, { op_getpeername, 3, true },  { op_set, 12, true },
	{ op_get, 8, true },	      { op_shutdown, 2, true },	    { op_dup, 3, false },
	{ op_close, 6, false },	      { op_nonblocking, 3, true },
};

enum {
	OPERATIONS = sizeof(operations) / sizeof(operations[0])
};

static const struct operation *pick_operation(unsigned value)
{
	unsigned total = 0;

	for (int i = 0; i < OPERATIONS; i++)
		total += operations[i].weight;
	value %= total;
	for (int i = 0; i < OPERATIONS; i++) {
		if (value < operations[i].weight)
			return &operations[i];
		value -= operations[i].weight;
	}
	return &operations[0];
}

static void run_one(unsigned number)
{
	struct choice choice = { draw(SLOTS), draw(SLOTS), draw(65536), draw(65536),
				 draw(65536), draw(65536), draw(12) };
	struct slot *slot = &slots[choice.slot];
	/* calls without a socket are worth making, but not most of the time */
	bool fill = slot->fd < 0 && choice.forked % 4 != 0;
	const struct operation *operation = fill ? &operations[0] : pick_operation(choice.operation);
	bool forked = choice.forked == 0 && operation->forkable;
	pid_t pid;

	printf("%u %u %s", number, choice.slot, forked ? "forked " : "");
	fflush(stdout);
	pid = forked ? fork() : 0;
	if (pid == 0) {
		operation->run(slot, &choice);
		fflush(stdout);
		if (forked)
			_exit(0);
	} else {
		waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: differential SEED OPERATIONS FIRST\n", stderr);
		return 2;
	}
	seed = strtoul(argv[1], NULL, 10);
	first_port = strtoul(argv[3], NULL, 10);
	state = 0x9e3779b97f4a7c15ull * (seed + 1);
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < SLOTS; i++)
		slots[i] = (struct slot){ .fd = -1, .peer = -1 };
	for (unsigned i = 0; i < strtoul(argv[2], NULL, 10); i++) {
		alarm(30);
		run_one(i);
	}
	return 0;
}
