/* SPDX-License-Identifier: MIT
 *
 * The sysctls that decide over local ports, of the caller's network namespace, and what goes wrong with them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/doctor_report.h"
#include "core/port_set.h"
#include "host/socket_table.h"
#include "host/sysctl.h"

#define GROUP	  DOCTOR_SETTINGS
#define FEW_PORTS 1000u
#define SHOWN	  5u /* ports that are listed by number */

static const char *yes_no(bool yes, const char *if_yes, const char *if_no)
{
	return yes ? if_yes : if_no;
}

/* The first number in a file of /proc/sys/net/ipv4. False where there is none. */
static bool read_number(const char *name, long *ret_number)
{
	char path[128];
	FILE *file;
	bool read;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	file = fopen(path, "re");
	read = file && fscanf(file, "%ld", ret_number) == 1;
	if (file)
		fclose(file);
	return read;
}

/* ---- the range ---- */

static unsigned reserved_in_range(const struct port_sysctls *ports)
{
	unsigned count = 0;

	for (unsigned port = ports->first; port <= ports->last; port++)
		count += berth_port_set_contains(&ports->reserved, port);
	return count;
}

static void look_at_range(struct doctor_report *report, const struct port_sysctls *ports)
{
	unsigned size = ports->last - ports->first + 1, reserved = reserved_in_range(ports);
	bool few = size - reserved < FEW_PORTS;

	doctor_add(report, GROUP, "ip_local_port_range", few ? DOCTOR_TRAP : DOCTOR_OK,
		   "%u to %u: %u ports%s", ports->first, ports->last, size,
		   few ? ", few for many connections to one destination: widen it" : "");
	doctor_add(report, GROUP, "ip_local_reserved_ports", reserved > size / 2 ? DOCTOR_TRAP : DOCTOR_OK,
		   "%u of the range are never handed out%s", reserved,
		   reserved > size / 2 ? ": most of it is lost" : "");
}

/* ---- ports that servers hold within it ---- */

static void note_held(void *context, const struct socket_entry *entry)
{
	if (entry->state == SOCKET_HELD)
		berth_port_set_add(context, entry->local.port);
}

/* 0 or negative errno. */
static int add_held(struct socket_table *table, int family, const struct port_sysctls *ports,
		    struct berth_port_set *held)
{
	char piece[SOCKET_TABLE_PIECE];
	int status = socket_table_dump(table, family, ports->first, ports->last);

	while (status >= 0) {
		status = socket_table_receive(table, piece, sizeof(piece));
		if (status >= 0)
			status = socket_table_read(piece, (size_t)status, note_held, held);
		if (status == 0)
			break;
	}
	return status;
}

static int read_held(const struct port_sysctls *ports, struct berth_port_set *held)
{
	struct socket_table table = { 0 };
	int error = socket_table_open(&table);

	if (error)
		return error;
	error = add_held(&table, AF_INET, ports, held);
	if (error == 0)
		error = add_held(&table, AF_INET6, ports, held);
	socket_table_close(&table);
	return error;
}

/* "40000 40001 and 7 more". How many there are. */
static unsigned list_held(const struct port_sysctls *ports, const struct berth_port_set *held, char *ret_text,
			  size_t size)
{
	unsigned count = 0;
	size_t length = 0;

	*ret_text = '\0';
	for (unsigned port = ports->first; port <= ports->last; port++) {
		if (!berth_port_set_contains(held, port) || berth_port_set_contains(&ports->reserved, port))
			continue;
		if (count++ < SHOWN)
			length += (size_t)snprintf(ret_text + length, size - length, " %u", port);
	}
	if (count > SHOWN)
		snprintf(ret_text + length, size - length, " and %u more", count - SHOWN);
	return count;
}

static void look_at_holders(struct doctor_report *report, const struct port_sysctls *ports)
{
	struct berth_port_set held = { 0 };
	char listed[128];

	if (read_held(ports, &held) < 0)
		return;
	if (list_held(ports, &held, listed, sizeof(listed)) == 0)
		doctor_add(report, GROUP, "servers in the range", DOCTOR_OK, "none: no port of it is held");
	else
		doctor_add(
			report, GROUP, "servers in the range", DOCTOR_TRAP,
			"held, but not reserved:%s. While such a server restarts, a connection may take its port: put "
			"fixed ones into ip_local_reserved_ports",
			listed);
}

/* ---- TIME_WAIT ---- */

static void look_at_reuse(struct doctor_report *report)
{
	long value;

	if (read_number("tcp_tw_reuse", &value))
		doctor_add(
			report, GROUP, "tcp_tw_reuse", DOCTOR_OK, "%ld: %s", value,
			value == 0
				? "the kernel's own choice takes no port in TIME_WAIT with that destination"
			: value == 1
				? "connect() may take over a TIME_WAIT after a second; it does nothing for bind() to port 0"
				: "as 1, but on loopback only");
	if (read_number("ip_autobind_reuse", &value))
		doctor_add(
			report, GROUP, "ip_autobind_reuse", value ? DOCTOR_TRAP : DOCTOR_OK, "%ld: %s", value,
			yes_no(value != 0,
			       "bind() to port 0 may hand out a port whose TIME_WAIT is with the very destination: "
			       "connect() then fails with EADDRNOTAVAIL. Berth needs no such setting",
			       "bind() to port 0 hands out no port in use; without Berth it ends with EADDRINUSE after one range"));
}

static void look_at_timestamps(struct doctor_report *report, const struct port_sysctls *ports)
{
	doctor_add(report, GROUP, "tcp_timestamps", ports->timestamps ? DOCTOR_OK : DOCTOR_TRAP, "%s",
		   yes_no(ports->timestamps, "on: a TIME_WAIT can be taken over by a new connection",
			  "off: a port in TIME_WAIT is lost to its destination for a minute"));
}

/* A number that stands after a word in the lines of a file; -1 where there is none. */
static long find_number(const char *path, const char *line_start, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[4096], *place;
	long number = -1;

	if (!file)
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file)) {
		place = strncmp(line, line_start, strlen(line_start)) == 0 ? strstr(line, word) : NULL;
		if (place)
			sscanf(place + strlen(word), "%ld", &number);
	}
	fclose(file);
	return number;
}

/* TcpExt has a line of names, and one of numbers below it. */
static long find_counter(const char *name)
{
	FILE *file = fopen("/proc/net/netstat", "re");
	char names[8192], numbers[8192];
	long number = -1;

	if (!file)
		return -1;
	while (number < 0 && fgets(names, sizeof(names), file) && fgets(numbers, sizeof(numbers), file)) {
		char *name_rest, *number_rest;
		const char *one = strtok_r(names, " \n", &name_rest);
		const char *value = strtok_r(numbers, " \n", &number_rest);

		for (; one && value;
		     one = strtok_r(NULL, " \n", &name_rest), value = strtok_r(NULL, " \n", &number_rest))
			if (strcmp(one, name) == 0)
				sscanf(value, "%ld", &number);
	}
	fclose(file);
	return number;
}

static void look_at_buckets(struct doctor_report *report)
{
	long limit, now = find_number("/proc/net/sockstat", "TCP:", " tw "),
		    refused = find_counter("TCPTimeWaitOverflow");
	bool reached;

	if (!read_number("tcp_max_tw_buckets", &limit) || now < 0)
		return;
	reached = now >= limit || refused > 0;
	doctor_add(
		report, GROUP, "tcp_max_tw_buckets", reached ? DOCTOR_TRAP : DOCTOR_OK,
		"%ld of %ld in TIME_WAIT, %ld refused since the start%s", now, limit,
		refused < 0 ? 0 : refused,
		reached ? ": connections are ended without the protection of TIME_WAIT, the newest first; raise it"
			: "");
}

void doctor_look_at_settings(struct doctor_report *report)
{
	struct port_sysctls ports;

	if (port_sysctls_read(&ports) == 0) {
		look_at_range(report, &ports);
		look_at_holders(report, &ports);
		look_at_timestamps(report, &ports);
	}
	look_at_reuse(report);
	look_at_buckets(report);
}
