/* SPDX-License-Identifier: MIT
 *
 * What the administrator has set, as berth.conf(5) documents it: one structure that the supervisor, the
 * daemon and the command line share, and how it is read, written and asked.
 *
 * Nothing here prints, keeps state or holds memory: a struct config is complete in itself and copied by
 * assignment. The functions are safe among threads as long as nobody writes the struct that another reads.
 *
 * A file is taken as a whole or not at all: with a fault, *ret_config is untouched, so that who reads a file
 * anew keeps the settings that it had. Files are untrusted: their size is bounded, as is all that is read.
 */
#ifndef BERTH_CONFIG_CONFIG_H
#define BERTH_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/address.h"
#include "core/port_set.h"
#include "core/port_space.h"

#define CONFIG_DEFAULT_PATH "/etc/berth/berth.conf"

/* Larger files are refused, in bytes. A whole registry is larger; its key Tcpip\Parameters is not. */
#define CONFIG_FILE_MAX 1048576u

#define CONFIG_DESTINATIONS 256u
#define CONFIG_CGROUPS	    32u
#define CONFIG_PATH_SIZE    176u /* with the closing NUL; libinih's lines have no room for much more */

/* What kernel mode does where no port is left for a destination. */
enum config_exhausted {
	CONFIG_EXHAUSTED_FAIL,	    /* connect() fails at once with EADDRNOTAVAIL */
	CONFIG_EXHAUSTED_KERNEL,    /* the kernel searches, as it does on stock Linux */
	CONFIG_EXHAUSTED_TAKE_OVER, /* the longest-waiting connection to it is taken over */
};

/* Destinations that Berth leaves alone. */
struct config_destination {
	struct berth_address address; /* the bits behind the prefix are 0 */
	uint8_t prefix;		      /* bits, of the 128 of the v4-mapped form too: 192.0.2.0/24 has 120 */
	uint16_t port;		      /* 0: every port */
};

struct config {
	/* [Parameters]: the registry's names, core/settings.h has bounds and sources. For the three
	 * numbers 0 is "not set", the default. */
	uint32_t timed_wait_delay;	      /* TcpTimedWaitDelay, seconds; 0: the kernel's own 60 */
	uint32_t max_free_tw_tcbs;	      /* MaxFreeTWTcbs, connections; 0: no limit but the kernel's */
	uint32_t max_user_port;		      /* MaxUserPort, a port; 0: the kernel's range alone */
	struct berth_port_set reserved_ports; /* ReservedPorts */

	/* [Berth] */
	enum berth_policy policy;
	enum config_exhausted exhausted;
	bool time_wait_timestamps_only; /* only connections with timestamps leave TIME_WAIT early (RFC 6191) */
	struct berth_endpoint listen;	/* where the daemon serves its page; never port 0 */
	/* Paths begin with '/'; "" is: not set. Nothing looks here whether they exist. */
	char token_file[CONFIG_PATH_SIZE]; /* set wherever listen is not a loopback address */
	char cgroup[CONFIG_PATH_SIZE];	   /* "": the whole machine */
	unsigned exclude_cgroup_count;
	char exclude_cgroup[CONFIG_CGROUPS][CONFIG_PATH_SIZE];
	unsigned exclude_destination_count;
	struct config_destination exclude_destination[CONFIG_DESTINATIONS];
};

/* Why a file was refused. Line is 0 where it is not about one. The text says what is wrong and what is
 * allowed, in printable ASCII, without a full stop. */
#define CONFIG_FAULT_SIZE 320u
struct config_fault {
	int error; /* errno with which the file could not be read, ENOENT for one; 0: it was refused */
	unsigned line;
	char text[CONFIG_FAULT_SIZE];
};

/* Every setting as it is without a file. */
void config_set_defaults(struct config *ret_config);

/* The whole file, for config_read() or registry_read(); the caller frees it. NULL: *ret_fault says why. */
char *config_load(const char *path, size_t *ret_size, struct config_fault *ret_fault);

/* Reads the text of a berth.conf, which needs no closing NUL. What it does not set has its default. False:
 * *ret_fault says why. */
bool config_read(const char *text, size_t size, struct config *ret_config, struct config_fault *ret_fault);

/* Reads the settings that are meant: those in that file, or with NULL those in CONFIG_DEFAULT_PATH, which need not be
 * there. False: *ret_line says why, as "FILE:LINE: TEXT", or "FILE: TEXT". */
#define CONFIG_LINE_SIZE 640u
bool config_read_settings(const char *path, struct config *ret_config, char ret_line[CONFIG_LINE_SIZE]);

/* That line for a fault in the file of that name. */
void config_fault_line(const char *path, const struct config_fault *fault, char ret_line[CONFIG_LINE_SIZE]);

/* Writes the berth.conf that means the same: what differs from the default. False: nothing does. */
bool config_write(const struct config *config, FILE *out);

/* The next ports of a set that follow each other, *ret_first .. *ret_last, of those that are at least from.
 * False: there are none. From may be 65536. */
bool config_next_ports(const struct berth_port_set *ports, unsigned from, unsigned *ret_first,
		       unsigned *ret_last);

/* The ports that MaxUserPort and ReservedPorts withhold: never to be handed out to a program that did not
 * ask for the one port, whatever net.ipv4.ip_local_port_range and ip_local_reserved_ports say besides. */
void config_withheld_ports(const struct config *config, struct berth_port_set *ret_withheld);

/* For how many seconds a port is kept away from the destination of a connection that was closed here: TcpTimedWaitDelay, where
 * the kernel's own TIME_WAIT, 60 s, would be shorter. 0: for no longer than that. */
uint32_t config_kept_away_s(const struct config *config);

/* What that costs, in one line for the log. Text is a buffer of CONFIG_PRICE_SIZE bytes, and is returned. */
#define CONFIG_PRICE_SIZE 320u
const char *config_kept_away_price(const struct config *config, char *text);

/* Whether exclude-destination names destination. */
bool config_excludes(const struct config *config, const struct berth_endpoint *destination);

/* Each reads the whole text; false, and nothing written, if it is not of that form. Numbers are decimal, or hexadecimal
 * with 0x; endpoints are "127.0.0.1:80", "[::1]:80". */
bool config_parse_number(const char *text, uint32_t *ret_number);
bool config_parse_endpoint(const char *text, struct berth_endpoint *ret_endpoint);

/* "fail", "kernel", "take-over". */
const char *config_exhausted_name(enum config_exhausted exhausted);

/* "192.0.2.0/24:80", "[2001:db8::]/32", as berth.conf has them. Returns text. */
#define CONFIG_DESTINATION_TEXT 64u
const char *config_destination_text(const struct config_destination *destination,
				    char text[CONFIG_DESTINATION_TEXT]);

#endif
