/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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

int read_options(const struct command_options *options, int argc, char **argv, void *request)
{
	const char *command = options->command;
	int option, status = -1;

	while (status < 0 &&
	       (option = getopt_long(argc, argv, options->letters, options->names, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(options->help, stdout);
			return EXIT_OK;
		case ':':
			return usage_error(command, "%s needs a value; 'berth %s --help' lists the options",
					   argv[optind - 1], command);
		case '?':
			return usage_error(command, "no option '%s'; 'berth %s --help' lists them",
					   argv[optind - 1], command);
		default:
			status = options->take(option, request);
		}
	}
	if (status < 0 && options->no_words && optind < argc)
		return usage_error(command, "unexpected '%s'; %s", argv[optind], options->no_words);
	return status;
}

int print_json(json_t *document, size_t flags)
{
	if (!document)
		return -ENOMEM;
	json_dumpf(document, stdout, flags);
	json_decref(document);
	putchar('\n');
	return 0;
}
