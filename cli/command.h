/* SPDX-License-Identifier: MIT
 *
 * What a command of berth is: a row in the table of cli/main.c and one file of its own.
 */
#ifndef BERTH_CLI_COMMAND_H
#define BERTH_CLI_COMMAND_H

#include <jansson.h>

/* Exit statuses every command shares (a program that berth runs has its own). */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* the work could not be done; one line on stderr says why */
	EXIT_USAGE = 2,	 /* the command line is wrong; one line on stderr says where */
};

struct command {
	const char *name;
	const char *arguments; /* as in a synopsis */
	const char *summary;   /* one line, for berth --help */
	/* argv[0] is the command's name. Returns the exit status. Whether what is on stdout could be written
	 * is seen to by who calls. */
	int (*main)(int argc, char **argv);
};

int command_config(int argc, char **argv);
int command_daemon(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_detach(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_map(int argc, char **argv);
int command_record(int argc, char **argv);

int command_run(int argc, char **argv);
int command_sim(int argc, char **argv);
int command_status(int argc, char **argv);
int command_top(int argc, char **argv);

/* Prints "berth COMMAND: message" and a newline to stderr; returns EXIT_USAGE or EXIT_FAILED,
 * so that a caller can say `return usage_error(...)`. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
int failure(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What getopt_long() returned, with an option string that begins with ':', and is none of the command's own: 'h'
 * prints the help, ':' and '?' are mistakes. Returns the exit status. */
int common_option(const char *command, const char *help, int option, char **argv);

/* Prints a document on stdout, on lines of its own, and gives the reference up. 0, or -ENOMEM if it is NULL. */
int print_json(json_t *document, size_t flags);

#endif
