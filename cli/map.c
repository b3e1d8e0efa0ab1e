/* SPDX-License-Identifier: MIT
 *
 * berth map: the 65,536 ports as a picture.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/destination.h"
#include "cli/map_picture.h"
#include "daemon/owners.h"
#include "host/address_text.h"
#include "view/port_report.h"

#define USUAL_COLUMNS 80u

static const char help[] =
	"Usage: berth map [OPTION...] [ADDRESS:PORT]\n"
	"\n"
	"The 65,536 local ports as a picture: of all connections that were begun here, or as they look to\n"
	"a connect() to one destination. Needs no privilege.\n"
	"\n"
	"      --from=ADDRESS  the local address; otherwise the one that the routing table says\n"
	"      --color=WHEN    24-bit colours: auto (a terminal that has them), always, never (letters)\n"
	"      --png=FILE      a picture of 256 rows of 256 ports, 4 pixels each; '-' is standard output\n"
	"      --svg=FILE      a drawing with legend\n"
	"      --json          print one object\n"
	"  -h, --help          this text\n"
	"\n"
	"The object: remote and local (null: of all), range as in 'berth status --help', count (ports by\n"
	"use), and runs[], which cover all ports: first, last, use. A use is outside (free, outside the\n"
	"range), free, reserved, elsewhere (busy with other destinations), waiting-0-10 ...\n"
	"waiting-50-60 (TIME_WAIT, seconds), connected, held (bound or listening).\n";

enum colour_when {
	COLOUR_AUTO,
	COLOUR_ALWAYS,
	COLOUR_NEVER
};

struct map_options {
	const char *from, *png, *svg;
	enum colour_when colour;
	bool json;
};

enum {
	OPTION_FROM = OPTION_OWN,
	OPTION_COLOUR,
	OPTION_PNG,
	OPTION_SVG
};

static const struct option long_options[] = {
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "color", required_argument, NULL, OPTION_COLOUR },
	{ "png", required_argument, NULL, OPTION_PNG },
	{ "svg", required_argument, NULL, OPTION_SVG },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int take_colour(const char *when, enum colour_when *ret_colour)
{
	static const char *const names[] = { "auto", "always", "never" };

	for (enum colour_when colour = COLOUR_AUTO; colour <= COLOUR_NEVER; colour++) {
		if (strcmp(when, names[colour]) == 0) {
			*ret_colour = colour;
			return -1;
		}
	}
	return usage_error("map", "--color=%s: auto, always or never", when);
}

static int take_option(int option, void *context)
{
	struct map_options *options = context;

	switch (option) {
	case OPTION_FROM:
		options->from = optarg;
		return -1;
	case OPTION_COLOUR:
		return take_colour(optarg, &options->colour);
	case OPTION_PNG:
		options->png = optarg;
		return -1;
	case OPTION_SVG:
		options->svg = optarg;
		return -1;
	default:
		options->json = true;
		return -1;
	}
}

static const struct command_options command_options = { "map", help, ":h", long_options, NULL, take_option };

/* Whether the terminal takes 24-bit colours is said by COLORTERM, if at all; NO_COLOR (no-color.org) forbids. */
static bool wants_colour(enum colour_when when)
{
	const char *no_color = getenv("NO_COLOR"), *colorterm = getenv("COLORTERM");

	if (when != COLOUR_AUTO)
		return when == COLOUR_ALWAYS;
	setlocale(LC_CTYPE, "");
	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && colorterm &&
	       (strcmp(colorterm, "truecolor") == 0 || strcmp(colorterm, "24bit") == 0) &&
	       strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static unsigned columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : USUAL_COLUMNS;
}

static json_t *map_json(const struct view_snapshot *now, const struct view_pair *pair,
			const struct view_port_map *map)
{
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];
	json_t *counts = json_object(), *runs = json_array();
	uint32_t count[VIEW_PORT_USES];

	view_port_map_count(map, count);
	for (unsigned use = 0; use < VIEW_PORT_USES; use++)
		json_object_set_new(counts, view_port_use_name((enum view_port_use)use),
				    json_integer(count[use]));
	for (unsigned first = 0, last; first < BERTH_PORTS; first = last + 1) {
		last = view_port_map_run(map, first);
		json_array_append_new(
			runs, json_pack("{s:i, s:i, s:s}", "first", (int)first, "last", (int)last, "use",
					view_port_use_name((enum view_port_use)map->use[first])));
	}
	return json_pack("{s:s?, s:s?, s:o, s:o, s:o}", "remote",
			 pair ? endpoint_text(&pair->remote, remote) : NULL, "local",
			 pair ? address_text(&pair->local, local) : NULL, "range", range_json(now), "count",
			 counts, "runs", runs);
}

/* Writes a picture into a file, or to standard output for "-". */
static int save(const char *path, const struct map_picture *picture,
		bool (*write)(const struct map_picture *picture, FILE *file))
{
	FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	int error = 0;

	if (!file)
		return failure("map", "%s: %s", path, strerror(errno));
	if (!write(picture, file) || fflush(file) != 0)
		error = errno ? errno : EIO;
	if (file != stdout)
		fclose(file);
	return error ? failure("map", "%s: %s", path, strerror(error)) : EXIT_OK;
}

static int show(const struct map_options *options, const struct view_snapshot *now,
		const struct view_pair *pair)
{
	static struct view_port_map map;
	char title[2 * ENDPOINT_TEXT + 64] = "The local ports of this host";
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];
	struct map_picture picture = { &map, title };
	int status = EXIT_OK;

	if (pair)
		snprintf(title, sizeof(title), "The local ports of %s towards %s",
			 address_text(&pair->local, local), endpoint_text(&pair->remote, remote));
	view_port_map(now, pair, &map);
	if (options->png)
		status = save(options->png, &picture, map_write_png);
	if (options->svg && status == EXIT_OK)
		status = save(options->svg, &picture, map_write_svg);
	if (options->json && print_json(map_json(now, pair, &map), JSON_COMPACT) < 0)
		return failure("map", "cannot print: %s", strerror(ENOMEM));
	if (!options->png && !options->svg && !options->json)
		map_print(&picture, columns(), wants_colour(options->colour));
	return status;
}

int command_map(int argc, char **argv)
{
	struct map_options options = { 0 };
	struct destination destination = { 0 };
	static struct view_snapshot now;
	struct port_owners owners;
	int status = read_options(&command_options, argc, argv, &options), error;

	if (status >= 0)
		return status;
	if (argc - optind > 1)
		return usage_error("map", "unexpected '%s'; one ADDRESS:PORT at most", argv[optind + 1]);
	if (options.from && optind == argc)
		return usage_error("map", "--from needs an ADDRESS:PORT to look at");
	if (optind < argc) {
		status = destination_read("map", argv[optind], options.from, &destination);
		if (status == EXIT_OK && destination.route_error)
			status = failure("map", "no way leads to %s: %s", argv[optind],
					 strerror(-destination.route_error));
	} else {
		status = EXIT_OK;
	}
	if (status != EXIT_OK)
		return status;
	owners = owners_open(true);
	error = view_look(&now, VIEW_ALL, &owners);
	port_owners_close(&owners);
	if (error)
		return failure("map", "cannot read the kernel's socket table: %s", strerror(-error));
	status = show(&options, &now, optind < argc ? &destination.pair : NULL);
	view_free(&now);
	return status;
}
