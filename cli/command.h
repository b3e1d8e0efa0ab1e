/* SPDX-License-Identifier: MIT
 *
 * What a command of berth is: a row in the table of cli/main.c and one file of its own.
 */
#ifndef BERTH_CLI_COMMAND_H
#define BERTH_CLI_COMMAND_H

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
	/* argv[0] is the command's name. Returns the exit status. */
	int (*main)(int argc, char **argv);
};

int command_daemon(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_detach(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_run(int argc, char **argv);

/* Prints "berth COMMAND: message" and a newline to stderr; returns EXIT_USAGE or EXIT_FAILED,
 * so that a caller can say `return usage_error(...)`. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
int failure(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
