/* SPDX-License-Identifier: MIT
 *
 * What a command of berth is: a row in the table of cli/main.c and one file of its own.
 */
#ifndef BERTH_CLI_COMMAND_H
#define BERTH_CLI_COMMAND_H

#include <getopt.h>
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

/* The options of a command, as getopt_long() reads them. Every command has --help, and most have --json. */
enum {
	OPTION_JSON = 256,
	OPTION_OWN, /* the first long option of a command's own that has no letter */
};
struct command_options {
	const char *command, *help;
	const char *letters; /* begin with ':', so that it is said here what is wrong */
	const struct option *names;
	/* What is said of a word that is no option; NULL: the command takes words, from argv[optind] on. */
	const char *no_words;
	/* Takes one option of the command's own, its value in optarg. -1 to go on, or the exit status. */
	int (*take)(int option, void *request);
};

/* Reads them; request is handed on. -1 to go on, or the exit status: after --help, or a mistake. */
int read_options(const struct command_options *options, int argc, char **argv, void *request);

/* Prints a document on stdout, on lines of its own, and gives the reference up. 0, or -ENOMEM if it is NULL. */
int print_json(json_t *document, size_t flags);

#endif
