/* SPDX-License-Identifier: MIT
 *
 * Connections over loopback, made and taken down by one process that is both of their ends, and timed.
 *
 * On loopback a connect() carries its SYN, the answer and the last ACK through the stack within the call, so nobody else has to
 * run for it; connections are accepted between the timed calls.
 */
#ifndef BERTH_BENCH_CONNECTIONS_H
#define BERTH_BENCH_CONNECTIONS_H

#include "bench/bench.h"

#ifndef IP_LOCAL_PORT_RANGE /* Linux 6.3; glibc of Debian 12 does not have it */
#define IP_LOCAL_PORT_RANGE 51
#endif

#define DEFAULT_FIRST	 32768u /* ip_local_port_range, as Linux begins with */
#define DEFAULT_PORTS	 28232u
#define LISTEN_FIRST	 901u /* the ports of the destinations, which are in nobody's range */
#define BURST_MAX	 100u
#define HELD_MAX	 4000u /* connections, in one process */
#define DESTINATIONS_MAX 64u
#define SLICE		 64u /* ports */
#define SLICE_TRIES	 64u
#define FILL_FAILURES	 50u

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* A listener in a network namespace, and how many connections to it are kept. */
struct destination {
	union address address;
	int netns, listener;
	unsigned held;
};

/* How the program asks for its connections. */
struct caller {
	bool binds;	    /* bind(addr, 0) before connect() */
	bool shares;	    /* with SO_REUSEADDR, without which ip_autobind_reuse has no effect */
	bool binds_no_port; /* with IP_BIND_ADDRESS_NO_PORT */
	bool slices; /* IP_LOCAL_PORT_RANGE: a slice of the range at random, another where that is full, at last the whole */
	bool one_by_one;       /* fills a range with one port after another: its own way would take minutes */
	unsigned first, ports; /* the range */
};

static struct caller caller = { .first = DEFAULT_FIRST, .ports = DEFAULT_PORTS };
static int last_file; /* of those that are not connections */

static inline socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

static inline union address loopback_of(int family, unsigned port)
{
	union address address = { .v4 = loopback(1, port) };

	if (family == AF_INET6)
		address.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						    .sin6_port = htons((uint16_t)port),
						    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	return address;
}

/* The last ones that this process may run on. */
static inline void pin_to_last_cpus(unsigned count)
{
	cpu_set_t allowed, last;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	CPU_ZERO(&last);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && count > 0; cpu--) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_SET(cpu, &last);
		count--;
	}
	check(sched_setaffinity(0, sizeof(last), &last), "sched_setaffinity");
}

/* In the network namespace that we are in. */
static inline void open_destinations(struct destination *destinations, unsigned count, int family)
{
	int netns = check(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/self/ns/net");

	for (unsigned i = 0; i < count; i++) {
		destinations[i] = (struct destination){ loopback_of(family, LISTEN_FIRST + i), netns, 0, 0 };
		destinations[i].listener = last_file =
			start_listener(&destinations[i].address.any, address_size(&destinations[i].address));
	}
}

static inline void go_to(const struct destination *to)
{
	check(setns(to->netns, CLONE_NEWNET), "setns");
}

static inline int connect_to(int fd, const struct destination *to)
{
	return connect(fd, &to->address.any, address_size(&to->address));
}

/* No more than these ports for this socket; 0, 0: the whole range. */
static inline void limit_ports(int fd, unsigned first, unsigned last)
{
	unsigned range = last << 16 | first;

	check(setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)), "IP_LOCAL_PORT_RANGE");
}

static inline int connect_by_slices(int fd, const struct destination *to)
{
	for (unsigned tried = 0; tried < SLICE_TRIES; tried++) {
		unsigned at = (unsigned)random() % (caller.ports / SLICE) * SLICE;

		limit_ports(fd, caller.first + at, caller.first + at + SLICE - 1);
		if (connect_to(fd, to) == 0)
			return 0;
		if (errno != EADDRNOTAVAIL)
			return -1;
	}
	limit_ports(fd, 0, 0);
	return connect_to(fd, to);
}

static inline int bind_to_any(int fd, const struct destination *to)
{
	union address any = loopback_of(to->address.any.sa_family, 0);
	int on = 1;

	if (caller.shares)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (caller.binds_no_port)
		setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, &any.any, address_size(&any));
}

static inline int new_socket(const struct destination *to)
{
	return check(socket(to->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

/* A connection, or -1. The time is that of what the program does to have a port: options, bind() and connect(). */
static inline int timed_connect(const struct destination *to, double *ret_us)
{
	int fd = new_socket(to), result = 0;
	double start = now_us();

	if (caller.binds)
		result = bind_to_any(fd, to);
	if (result == 0)
		result = caller.slices ? connect_by_slices(fd, to) : connect_to(fd, to);
	*ret_us = now_us() - start;
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

/* The ports one after another in an order like the kernel's own: all of the parity that it prefers, then the others. */
static inline unsigned next_port(const struct destination *to)
{
	const unsigned half = (caller.ports + 1) / 2, parity = caller.binds; /* bind() prefers the odd ones */
	unsigned at = to->held < half ? to->held : to->held - half;

	return caller.first + 2 * at + (to->held < half ? parity : !parity);
}

/* A connection from this port, at the cost of one try; or -1. What the kernel keeps of it is what it would keep had it chosen
 * the port itself. */
static inline int connect_from(const struct destination *to, unsigned port)
{
	union address from = loopback_of(to->address.any.sa_family, port);
	int fd = new_socket(to), on = 1, result = 0;

	if (caller.binds) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		result = bind(fd, &from.any, address_size(&from));
	} else {
		limit_ports(fd, port, port);
	}
	if (result == 0 && connect_to(fd, to) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline int accept_one(const struct destination *at)
{
	return check(accept4(at->listener, NULL, NULL, SOCK_CLOEXEC), "accept");
}

/* Hands all connections to a child that does nothing but hold them, and ends when we do: more than a process may have files
 * open. */
static inline void hold(void)
{
	if (fork_child(SIGKILL) == 0) {
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		for (;;)
			pause();
	}
	close_range((unsigned)last_file + 1, ~0u, 0);
}

/* Of a range: at 100 percent one port is left, past it none. */
static inline unsigned ports_of(double percent)
{
	if (percent < 100)
		return (unsigned)(caller.ports * percent / 100);
	return caller.ports - (percent == 100);
}

/* Takes one port more, and keeps it as long as we live, at both ends. False: the call has failed. */
static inline bool take_one(struct destination *to)
{
	static unsigned taken;
	double took;
	int fd = caller.one_by_one ? connect_from(to, next_port(to)) : timed_connect(to, &took);

	if (fd < 0)
		return false;
	accept_one(to);
	to->held++;
	if (++taken % HELD_MAX == 0)
		hold();
	return true;
}

/* Takes ports, of each destination one in turn, until `percent` of all are connected to it, or FILL_FAILURES calls in a row have
 * failed. Returns whether none has, and how many connections there were before the first that has. */
static inline bool fill(struct destination *to, unsigned destinations, double percent, unsigned *ret_before)
{
	unsigned failures[DESTINATIONS_MAX] = { 0 }, held = 0, wanted = ports_of(percent);
	bool failed = false, more = true;

	for (unsigned i = 0; i < destinations; i++)
		held += to[i].held;
	while (more) {
		more = false;
		for (unsigned i = 0; i < destinations; i++) {
			if (to[i].held >= wanted || failures[i] == FILL_FAILURES)
				continue;
			more = true;
			if (take_one(&to[i])) {
				held++;
				failures[i] = 0;
				continue;
			}
			failures[i]++;
			if (!failed)
				*ret_before = held;
			failed = true;
		}
	}
	hold();
	if (!failed)
		*ret_before = held;
	return !failed;
}

/* Makes connections to each of these destinations in turn, and takes all of them down again, with a reset. Returns how many
 * were had; what fails has its time, too. */
static inline unsigned burst(const struct destination *to, unsigned destinations, unsigned count,
			     double *ret_us)
{
	int fds[BURST_MAX];
	unsigned had = 0;

	for (unsigned i = 0; i < count; i++)
		fds[i] = timed_connect(&to[i % destinations], &ret_us[i]);
	for (unsigned i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		abort_connection(fds[i]);
		close(accept_one(&to[i % destinations]));
		had++;
	}
	return had;
}

#endif
