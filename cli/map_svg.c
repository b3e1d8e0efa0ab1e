/* SPDX-License-Identifier: MIT
 *
 * A drawing of the map: a path for each use, the legend, and the first port of every sixteenth row.
 */
#include "cli/map_picture.h"
#include "view/text.h"

#define LEFT	    52u
#define TOP	    40u
#define SCALE	    3u
#define LEGEND	    (LEFT + MAP_SIDE * SCALE + 24)
#define LEGEND_STEP 24u
#define WIDTH	    (LEGEND + 240)
#define HEIGHT	    (TOP + MAP_SIDE * SCALE + 20)

/* Text of ours may name what a user typed. */
static void put_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", file);
		else if (*text == '&')
			fputs("&amp;", file);
		else
			fputc(*text, file);
	}
}

/* The runs of ports of one use, none longer than its row. */
static void put_path(FILE *file, const struct view_port_map *map, enum view_port_use use)
{
	const struct map_colour *colour = &map_palette[use];

	fprintf(file, "<path class=\"%s\" fill=\"#%02x%02x%02x\" d=\"", view_port_use_name(use), colour->red,
		colour->green, colour->blue);
	for (unsigned port = 0; port < BERTH_PORTS;) {
		unsigned last = view_port_map_run(map, port);

		if (last / MAP_SIDE != port / MAP_SIDE)
			last = port / MAP_SIDE * MAP_SIDE + MAP_SIDE - 1;
		if (map->use[port] == use)
			fprintf(file, "M%u %uh%uv1h-%uz", port % MAP_SIDE, port / MAP_SIDE, last - port + 1,
				last - port + 1);
		port = last + 1;
	}
	fputs("\"/>\n", file);
}

static void put_legend(FILE *file, const uint32_t count[VIEW_PORT_USES])
{
	unsigned line = 0;

	for (unsigned use = 0; use < VIEW_PORT_USES; use++) {
		const struct map_colour *colour = &map_palette[use];
		unsigned y = TOP + line * LEGEND_STEP;
		char number[VIEW_NUMBER_TEXT];

		if (!count[use])
			continue;
		fprintf(file, "<rect x=\"%u\" y=\"%u\" width=\"14\" height=\"14\" fill=\"#%02x%02x%02x\"/>",
			LEGEND, y, colour->red, colour->green, colour->blue);
		fprintf(file, "<text x=\"%u\" y=\"%u\">%s: %s</text>\n", LEGEND + 22, y + 12, colour->legend,
			view_number_text(count[use], number));
		line++;
	}
}

bool map_write_svg(const struct map_picture *picture, FILE *file)
{
	uint32_t count[VIEW_PORT_USES];

	view_port_map_count(picture->map, count);
	fprintf(file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" "
		"role=\"img\" font-family=\"sans-serif\" font-size=\"14\">\n<title>",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	put_text(file, picture->title);
	fprintf(file, "</title>\n<rect width=\"%u\" height=\"%u\" fill=\"#fff\"/>\n<text x=\"%u\" y=\"24\">",
		WIDTH, HEIGHT, LEFT);
	put_text(file, picture->title);
	fprintf(file,
		"</text>\n<g transform=\"translate(%u %u) scale(%u)\" shape-rendering=\"crispEdges\">\n",
		LEFT, TOP, SCALE);
	for (unsigned use = 0; use < VIEW_PORT_USES; use++)
		if (count[use])
			put_path(file, picture->map, (enum view_port_use)use);
	fputs("</g>\n", file);
	for (unsigned row = 0; row < MAP_SIDE; row += 16)
		fprintf(file, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%u</text>\n", LEFT - 6,
			TOP + row * SCALE + 11, row * MAP_SIDE);
	put_legend(file, count);
	fputs("</svg>\n", file);
	return !ferror(file);
}
