/* SPDX-License-Identifier: MIT
 *
 * berth doctor: what this kernel offers, and which settings are traps.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/doctor_report.h"

static const char help[] =
	"Usage: berth doctor [--mode=supervise|kernel] [--json]\n"
	"Tries what each mode needs of this kernel, and looks at the settings that matter. Changes nothing.\n"
	"Exit status: 0 the modes can be had by the caller, 1 one cannot, 2 usage.\n\n"
	"  --mode=supervise|kernel\n"
	"                         only this mode, and the settings\n"
	"  --json                 print one object: berth and kernel (versions), checks[] (group, name, verdict, text),\n"
	"                         modes (supervise, kernel: can they be had?), traps (how many)\n"
	"  -h, --help             this text\n";

enum {
	OPTION_MODE = OPTION_OWN
};

static const struct option long_options[] = {
	{ "mode", required_argument, NULL, OPTION_MODE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct request {
	bool wanted[DOCTOR_GROUPS];
	bool json;
};

static int take_option(int option, void *context)
{
	struct request *request = context;

	if (option == OPTION_JSON) {
		request->json = true;
		return -1;
	}
	request->wanted[DOCTOR_SUPERVISE] = strcmp(optarg, "supervise") == 0;
	request->wanted[DOCTOR_KERNEL] = strcmp(optarg, "kernel") == 0;
	return request->wanted[DOCTOR_SUPERVISE] || request->wanted[DOCTOR_KERNEL]
		       ? -1
		       : usage_error("doctor", "--mode=%s: a mode is supervise or kernel", optarg);
}

static const struct command_options command_options = {
	"doctor", help, ":h", long_options, "'berth doctor --help' shows how", take_option
};

static int examine(const struct request *request)
{
	struct doctor_report report;
	bool missing;

	if (doctor_report_begin(&report) < 0)
		return failure("doctor", "out of memory");
	if (request->wanted[DOCTOR_SUPERVISE])
		doctor_look_at_supervise(&report);
	if (request->wanted[DOCTOR_KERNEL])
		doctor_look_at_kernel(&report);
	doctor_look_at_settings(&report);
	doctor_print(&report, request->wanted, request->json);
	missing = report.missing[DOCTOR_SUPERVISE] || report.missing[DOCTOR_KERNEL];
	doctor_report_end(&report);
	return missing ? EXIT_FAILED : EXIT_OK;
}

int command_doctor(int argc, char **argv)
{
	struct request request = { .wanted = { true, true, true } };
	int status = read_options(&command_options, argc, argv, &request);

	return status >= 0 ? status : examine(&request);
}
