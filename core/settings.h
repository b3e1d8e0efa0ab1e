/* SPDX-License-Identifier: MIT
 *
 * The settings of Windows Server 2003 that have a meaning here: names, bounds, defaults, sources.
 *
 * Values of HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters. The check functions
 * only judge; they change nothing, and the caller says the bounds to the user.
 */
#ifndef BERTH_SETTINGS_H
#define BERTH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* First port given without being asked for; the last is MaxUserPort. Microsoft KB 929851 (start 1025,
 * 3,976 ports by default). */
#define BERTH_FIRST_USER_PORT 1025u

/* Seconds in TIME_WAIT. Bounds: KB 314053, KB 149532. Server 2003's default is 120 for IPv4 and 240 for
 * IPv6 (KB 314053); RFC 9293 section 3.4.2 has 2 MSL = 240. */
#define BERTH_TIMED_WAIT_DELAY_MIN  30u
#define BERTH_TIMED_WAIT_DELAY_MAX  300u
#define BERTH_TIMED_WAIT_DELAY	    120u
#define BERTH_TIMED_WAIT_DELAY_IPV6 240u

/* Connections in TIME_WAIT; one more and the oldest leaves at once (Server 2003 SP1, "Smart TCP port
 * allocation"). The default is from tuning guides of the time; Microsoft's own page is lost. */
#define BERTH_MAX_FREE_TW_TCBS_MIN 1u
#define BERTH_MAX_FREE_TW_TCBS_MAX UINT32_MAX
#define BERTH_MAX_FREE_TW_TCBS	   1000u

/* Highest port given without being asked for. KB 196271, technet cc758002. */
#define BERTH_MAX_USER_PORT_MIN 5000u
#define BERTH_MAX_USER_PORT_MAX 65534u
#define BERTH_MAX_USER_PORT	5000u

/* One numeric setting. All strings are static. */
struct berth_setting {
	const char *name;
	const char *unit; /* for a message: "seconds", "connections", "port" */
	uint32_t min;
	uint32_t max;
	uint32_t initial;
};

/* The numeric setting of that name, upper and lower case alike as in the registry: TcpTimedWaitDelay,
 * MaxFreeTWTcbs, MaxUserPort. NULL if there is none. */
const struct berth_setting *berth_setting_find(const char *name);

/* Whether value is within the bounds of setting. */
bool berth_setting_allows(const struct berth_setting *setting, uint64_t value);

enum berth_reserved_verdict {
	BERTH_RESERVED_OK,
	/* Not of the form "1433-1434" (a single port is "4000-4000"). */
	BERTH_RESERVED_MALFORMED,
	/* The first port is above the last. */
	BERTH_RESERVED_REVERSED,
	/* A port is outside BERTH_FIRST_USER_PORT .. BERTH_MAX_USER_PORT_MAX. */
	BERTH_RESERVED_OUT_OF_RANGE,
};

/* Reads one string of ReservedPorts (KB 812873): ports that are never given unless asked for by number.
 * *ret_first and *ret_last are written only with BERTH_RESERVED_OK. */
enum berth_reserved_verdict berth_reserved_ports_read(const char *text, unsigned *ret_first,
						      unsigned *ret_last);

#endif
