/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct command commands[] = {
	{ "demo", "[--json]", "the ten steps on this kernel, without and with Berth", command_demo },
	{ "run", "[OPTION...] [--] PROGRAM [ARGUMENT...]", "run a program with smart ports", command_run },
	{ "daemon", "[OPTION...]", "smart ports for the whole machine, by eBPF", command_daemon },
	{ "detach", "[--pin=DIR] [--json]", "remove what the daemon has attached", command_detach },
	{ "doctor", "[--mode=supervise|kernel] [--json]",
	  "what this kernel offers, and which settings are traps", command_doctor },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int complain(int status, const char *command, const char *format, va_list arguments)
{
	fprintf(stderr, "berth%s%s: ", *command ? " " : "", command);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	return status;
}

int usage_error(const char *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(EXIT_USAGE, command, format, arguments);
	va_end(arguments);
	return EXIT_USAGE;
}

int failure(const char *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(EXIT_FAILED, command, format, arguments);
	va_end(arguments);
	return EXIT_FAILED;
}

static void print_help(FILE *out)
{
	fputs("Berth gives TCP connections their local ports.\n\nUsage:\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  berth %s %s\n      %s\n", commands[i].name, commands[i].arguments,
			commands[i].summary);
	fputs("  berth --help | --version\n\n\"man berth\" has the options and the exit statuses.\n", out);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("berth " BERTH_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	return usage_error("", "no command '%s'; 'berth --help' lists them", argv[1]);
}
