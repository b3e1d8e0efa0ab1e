/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct command commands[] = {
	{ "config", "[--json] FILE", "check the settings in FILE, or read them from a .reg file",
	  command_config },
	{ "daemon", "[OPTION...]", "smart ports for the whole machine, by eBPF", command_daemon },
	{ "demo", "[--json]", "the ten steps on this kernel, without and with Berth", command_demo },
	{ "detach", "[--pin=DIR] [--json]", "remove what the daemon has attached", command_detach },
	{ "doctor", "[--mode=supervise|kernel] [--json]",
	  "what this kernel offers, and which settings are traps", command_doctor },
	{ "explain", "[OPTION...] ADDRESS:PORT", "what a connect() to it would get now, and why",
	  command_explain },
	{ "map", "[OPTION...] [ADDRESS:PORT]", "the 65,536 ports as a picture", command_map },
	{ "record", "[OPTION...] FILE", "record what binds, connects and closes", command_record },
	{ "replay", "[OPTION...] FILE", "what was recorded, by several policies side by side, simulated",
	  command_sim },
	{ "run", "[OPTION...] [--] PROGRAM [ARGUMENT...]", "run a program with smart ports", command_run },
	{ "sim", "[--plan] [OPTION...]", "policies side by side, simulated; or: will a load fit",
	  command_sim },
	{ "status", "[OPTION...]", "the port space on one screen", command_status },
	{ "top", "[OPTION...]", "the destinations with the fewest ports left, live", command_top },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	fputs("Berth gives TCP connections their local ports.\n\nUsage:\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  berth %s %s\n      %s\n", commands[i].name, commands[i].arguments,
			commands[i].summary);
	fputs("  berth --help | --version\n\n\"man berth\" has the options and the exit statuses.\n", out);
}

/* Most commands only print: that it could not be written is said here, for all of them. */
static int run_command(const struct command *command, int argc, char **argv)
{
	int status = command->main(argc, argv);

	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK)
		return failure(command->name, "standard output cannot be written");
	return status;
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
			return run_command(&commands[i], argc - 1, argv + 1);
	return usage_error("", "no command '%s'; 'berth --help' lists them", argv[1]);
}
