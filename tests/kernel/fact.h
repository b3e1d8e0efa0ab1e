/* SPDX-License-Identifier: MIT
 *
 * What every program of this folder begins with. One program checks one fact about the kernel that
 * Berth leans on; its opening comment says the fact and who leans on it.
 *
 * Exit status: 0 the kernel does so, 1 it does not (the failed line is marked), 77 it cannot be asked
 * here (no namespaces, or a kernel older than the feature; one line says which).
 *
 * All sockets are on 127.0.0.1 or ::1 of a network namespace that only this process is in.
 */
#ifndef BERTH_TESTS_KERNEL_FACT_H
#define BERTH_TESTS_KERNEL_FACT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

enum {
	FACT_HOLDS = 0,
	FACT_FAILS = 1,
	FACT_CANNOT_ASK = 77,
	FACT_RANGE_FIRST = 40000, /* ip_local_port_range of the namespace: 1,000 ports */
	FACT_RANGE_LAST = 40999,
	/* enum tcp_state of the kernel, as sock_diag reports it */
	FACT_TCP_ESTABLISHED = 1,
	FACT_TCP_FIN_WAIT2 = 5,
	FACT_TCP_TIME_WAIT = 6,
	FACT_TCP_CLOSE = 7,
	FACT_TCP_BOUND_INACTIVE = 13,
};

static int fact_failures;

/* Prints one line that was checked. */
#define FACT(holds, ...)                                   \
	do {                                               \
		bool fact_holds_ = (holds);                \
		fact_failures += !fact_holds_;             \
		printf(fact_holds_ ? "ok    " : "FAILS "); \
		printf(__VA_ARGS__);                       \
		putchar('\n');                             \
		fflush(stdout);                            \
	} while (0)

/* For what must work before the fact can be asked. */
#define MUST(call)                                                                                      \
	({                                                                                              \
		long must_ = (call);                                                                    \
		if (must_ < 0) {                                                                        \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(errno)); \
			exit(FACT_FAILS);                                                               \
		}                                                                                       \
		must_;                                                                                  \
	})

static inline int fact_done(void)
{
	return fact_failures ? FACT_FAILS : FACT_HOLDS;
}

static inline void fact_cannot_ask(const char *why)
{
	printf("cannot ask: %s: %s\n", why, strerror(errno));
	exit(FACT_CANNOT_ASK);
}

static inline void fact_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		fprintf(stderr, "%s: cannot write '%s': %s\n", path, text, strerror(errno));
		exit(FACT_FAILS);
	}
	close(fd);
}

/* name below /proc/sys/net/ipv4 */
static inline void fact_sysctl(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fact_write_file(path, value);
}

/* Moves into a new network namespace with lo up and the small port range above. Not being root, it
 * takes a user namespace too, in which this user is root. */
static inline void fact_enter_namespace(void)
{
	unsigned uid = getuid();
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	char map[32];
	int fd;

	if (unshare(CLONE_NEWNET | (uid ? CLONE_NEWUSER : 0)))
		fact_cannot_ask("unshare");
	if (uid) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		fact_write_file("/proc/self/uid_map", map);
	}
	fd = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(ioctl(fd, SIOCSIFFLAGS, &lo));
	close(fd);
	fact_sysctl("ip_local_port_range", "40000 40999");
}

static inline struct sockaddr_in fact_loopback(unsigned port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return address;
}

static inline int fact_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static inline int fact_socket(void)
{
	return MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* The three calls return 0 or the errno, so that a fact can name the one it wants. */
static inline int fact_bind(int fd, unsigned port)
{
	struct sockaddr_in address = fact_loopback(port);

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

static inline int fact_connect(int fd, unsigned port)
{
	struct sockaddr_in address = fact_loopback(port);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

/* lo = hi = port; 0 takes the option back */
static inline int fact_set_range(int fd, unsigned port)
{
	return fact_set(fd, SOL_IP, IP_LOCAL_PORT_RANGE, (int)(port << 16 | port)) ? errno : 0;
}

static inline unsigned fact_local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	MUST(getsockname(fd, (struct sockaddr *)&address, &length));
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static inline int fact_listener(unsigned port)
{
	int fd = fact_socket();

	MUST(fact_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	MUST(-fact_bind(fd, port));
	MUST(listen(fd, 1024));
	return fd;
}

/* Asks sock_diag for exactly one connection 127.0.0.1:local -> 127.0.0.1:remote; no dump. False if
 * there is none. */
static inline bool fact_query(unsigned local, unsigned remote, struct inet_diag_msg *ret_message)
{
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} buffer = { 0 };
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer.bytes);
	struct inet_diag_req_v2 *request;
	struct mnl_socket *netlink = mnl_socket_open(NETLINK_SOCK_DIAG);
	bool found = false;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = ~0u;
	request->id.idiag_sport = htons(local);
	request->id.idiag_dport = htons(remote);
	request->id.idiag_src[0] = request->id.idiag_dst[0] = htonl(INADDR_LOOPBACK);
	request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (netlink && mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(netlink, header, header->nlmsg_len) > 0 &&
	    mnl_socket_recvfrom(netlink, buffer.bytes, sizeof(buffer)) > 0 &&
	    buffer.header.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
		memcpy(ret_message, mnl_nlmsg_get_payload(&buffer.header), sizeof(*ret_message));
		found = true;
	}
	if (netlink)
		mnl_socket_close(netlink);
	return found;
}

/* Counts the sockets of this namespace on local port that a dump of sock_diag with these states lists; the last one is told. -1
 * if the dump broke off. */
static inline int fact_dump(uint32_t states, unsigned port, struct inet_diag_msg *ret_message)
{
	char buffer[16384];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;
	struct mnl_socket *netlink = mnl_socket_open(NETLINK_SOCK_DIAG);
	int count = 0, length;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = states;
	if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(netlink, header, header->nlmsg_len) < 0)
		fact_cannot_ask("sock_diag");
	while ((length = (int)mnl_socket_recvfrom(netlink, buffer, sizeof(buffer))) > 0) {
		for (header = (void *)buffer; mnl_nlmsg_ok(header, length);
		     header = mnl_nlmsg_next(header, &length)) {
			struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

			if (header->nlmsg_type == NLMSG_DONE) {
				mnl_socket_close(netlink);
				return count;
			}
			if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
			    ntohs(message->id.idiag_sport) != port)
				continue;
			count++;
			*ret_message = *message;
		}
	}
	mnl_socket_close(netlink);
	return -1;
}

/* Ends the connection that fd has made to listener, fd's side first, and returns when its local port
 * is in TIME_WAIT. */
static inline void fact_close_into_time_wait(int fd, int listener)
{
	unsigned local = fact_local_port(fd), remote = fact_local_port(listener);
	int peer = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	struct inet_diag_msg message;
	char byte;

	close(fd);
	MUST(read(peer, &byte, 1));
	close(peer);
	for (int tries = 0; tries < 1000; tries++) {
		if (fact_query(local, remote, &message) && message.idiag_state == FACT_TCP_TIME_WAIT)
			return;
		poll(NULL, 0, 1);
	}
	fprintf(stderr, "port %u did not reach TIME_WAIT\n", local);
	exit(FACT_FAILS);
}

#endif
