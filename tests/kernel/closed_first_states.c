/* SPDX-License-Identifier: MIT
 *
 * What tracepoint sock:inet_sock_set_state shows of a connect(), in this order: CLOSE to SYN_SENT with the source address
 * chosen, in the connect() hooks still unknown for a socket that is bound to none, and with the port if the socket has one;
 * then what becomes of it. A socket that goes to TIME_WAIT is shown as FIN_WAIT2 to CLOSE. All this also where connect()
 * fails because no port is left: SYN_SENT to CLOSE.
 *
 * Kernel mode learns from it which source address a destination gets.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/kernel/fact.h"

#define TRACING "/sys/kernel/tracing"

static char instance[64];
static int listener, trace_fd;
static unsigned far_port; /* by which this process's connections are told from others' on the machine */

static void write_trace(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	fact_write_file(path, text);
}

static void remove_instance(void)
{
	close(trace_fd);
	rmdir(instance);
}

/* An instance of its own: whoever traces meanwhile is not disturbed. The mount is this process's own. */
static void start_trace(void)
{
	char filter[64], path[128];

	if (geteuid() != 0)
		fact_cannot_ask("tracefs is for root");
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		fact_cannot_ask("mount tracefs");
	snprintf(instance, sizeof(instance), TRACING "/instances/berth-fact-%d", (int)getpid());
	if (mkdir(instance, 0700))
		fact_cannot_ask("a trace instance");
	snprintf(path, sizeof(path), "%s/trace_pipe", instance);
	trace_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	atexit(remove_instance);
	/* Only the clients' side. */
	snprintf(filter, sizeof(filter), "protocol == 6 && dport == %u", far_port);
	write_trace("events/sock/inet_sock_set_state/filter", filter);
	write_trace("events/sock/inet_sock_set_state/enable", "1");
}

/* What was traced since, one event a line: "sport saddr OLD NEW". */
static void read_trace(char *ret_text, size_t size)
{
	char raw[65536], *line, *rest = raw;
	ssize_t length;
	size_t total = 0, written = 0;

	while ((length = read(trace_fd, raw + total, sizeof(raw) - 1 - total)) > 0)
		total += (size_t)length;
	raw[total] = '\0';
	ret_text[0] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		char saddr[32], old_state[32], new_state[32];
		const char *fields = strstr(line, "sport=");
		unsigned sport;

		if (fields &&
		    sscanf(fields,
			   "sport=%u dport=%*u saddr=%31s %*s %*s %*s oldstate=TCP_%31s newstate=TCP_%31s",
			   &sport, saddr, old_state, new_state) == 4)
			written += (size_t)snprintf(ret_text + written, size - written, "%u %s %s %s\n",
						    sport, saddr, old_state, new_state);
	}
}

/* Whether these were the events, the first with first_port and the others with port. */
static bool traced(unsigned first_port, unsigned port, const char *const *states, size_t count)
{
	char seen[4096], wanted[256] = "";
	size_t length = 0;

	read_trace(seen, sizeof(seen));
	for (size_t i = 0; i < count; i++)
		length += (size_t)snprintf(wanted + length, sizeof(wanted) - length, "%u 127.0.0.1 %s\n",
					   i == 0 ? first_port : port, states[i]);
	if (strcmp(seen, wanted) == 0)
		return true;
	printf("wanted:\n%sseen:\n%s", wanted, seen);
	return false;
}

static void one_connection(unsigned bind_port)
{
	static const char *const begins[] = { "CLOSE SYN_SENT", "SYN_SENT ESTABLISHED" };
	static const char *const ends[] = { "ESTABLISHED FIN_WAIT1", "FIN_WAIT1 FIN_WAIT2",
					    "FIN_WAIT2 CLOSE" };
	int fd = fact_socket();
	unsigned port;

	if (bind_port) {
		struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(bind_port) };

		MUST(bind(fd, (struct sockaddr *)&any, sizeof(any)));
	}
	MUST(-fact_connect(fd, far_port));
	port = fact_local_port(fd);
	FACT(traced(bind_port, port, begins, 2),
	     bind_port ? "bound to a port on any address: address and port are known"
		       : "not bound: the address is known, the port is not");
	fact_close_into_time_wait(fd, listener);
	FACT(traced(port, port, ends, 3), "closed first: FIN_WAIT2 to CLOSE, never TIME_WAIT");
}

static void no_port_left(void)
{
	static const char *const states[] = { "CLOSE SYN_SENT", "SYN_SENT CLOSE" };
	int first = fact_socket(), second = fact_socket();

	fact_sysctl("ip_local_port_range", "40700 40700");
	MUST(-fact_connect(first, far_port));
	read_trace((char[4096]){ 0 }, 4096);
	FACT(fact_connect(second, far_port) == EADDRNOTAVAIL, "no port left: EADDRNOTAVAIL");
	FACT(traced(0, 0, states, 2), "SYN_SENT to CLOSE");
}

int main(void)
{
	fact_enter_namespace();
	far_port = 10000 + (unsigned)getpid() % 20000;
	listener = fact_listener(far_port);
	start_trace();
	one_connection(0);
	one_connection(40600);
	no_port_left();
	return fact_done();
}
