/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/map_picture.h"
#include "view/text.h"

#define LINES	      16u
#define LINE_PORTS    (BERTH_PORTS / LINES)
#define LABEL_COLUMNS 7u
#define PARTLY	      ':'

/* The mixed colour of the ports [first, first + count). What little is not free must be seen: it weighs at least a
 * third. */
static struct map_colour mix(const struct view_port_map *map, unsigned first, unsigned count)
{
	unsigned ground[3] = { 0 }, busy[3] = { 0 }, grounds = 0, busies = 0;
	unsigned share;
	uint8_t result[3];

	for (unsigned port = first; port < first + count; port++) {
		const struct map_colour *colour = &map_palette[map->use[port]];
		bool is_ground = map->use[port] <= VIEW_FREE;
		unsigned *sum = is_ground ? ground : busy;

		sum[0] += colour->red;
		sum[1] += colour->green;
		sum[2] += colour->blue;
		*(is_ground ? &grounds : &busies) += 1;
	}
	share = busies == 0 ? 0 : 85 + 170 * busies / count; /* of 255 */
	for (unsigned i = 0; i < 3; i++)
		result[i] = (uint8_t)(((busies ? busy[i] / busies : 0) * share +
				       (grounds ? ground[i] / grounds : 0) * (255 - share)) /
				      255);
	return (struct map_colour){ .red = result[0], .green = result[1], .blue = result[2] };
}

/* The letter of the use that most of these ports have. Where most are free to be given out but not all, PARTLY; what
 * there is outside the range is not to be overlooked, so there the free ones do not count. */
static char letter(const struct view_port_map *map, unsigned first, unsigned count)
{
	unsigned uses[VIEW_PORT_USES] = { 0 };
	unsigned most = VIEW_FREE;

	for (unsigned port = first; port < first + count; port++)
		uses[map->use[port]]++;
	for (unsigned use = VIEW_FREE + 1; use < VIEW_PORT_USES; use++)
		if (uses[use] > uses[most])
			most = use;
	if (uses[most] == 0)
		most = VIEW_OUTSIDE;
	if (most == VIEW_FREE && uses[VIEW_FREE] + uses[VIEW_OUTSIDE] < count)
		return PARTLY;
	return map_palette[most].letter;
}

/* A half block: its upper half in one colour, its lower half in another. */
static void print_halves(const struct map_colour *upper, const struct map_colour *lower)
{
	printf("\033[38;2;%u;%u;%um\033[48;2;%u;%u;%um\u2580", upper->red, upper->green, upper->blue,
	       lower->red, lower->green, lower->blue);
}

static void print_line(const struct map_picture *picture, unsigned line, unsigned width, bool colour)
{
	unsigned first = line * LINE_PORTS;
	unsigned step = LINE_PORTS / width / (colour ? 2 : 1);

	printf("%5u  ", first);
	for (unsigned i = 0; i < width; i++) {
		unsigned port = first + i * step;

		if (colour) {
			struct map_colour upper = mix(picture->map, port, step);
			struct map_colour lower = mix(picture->map, port + width * step, step);

			print_halves(&upper, &lower);
		} else {
			putchar(letter(picture->map, port, step));
		}
	}
	puts(colour ? "\033[0m" : "");
}

/* Entries side by side, as many as fit. */
static void print_legend(const struct map_picture *picture, bool colour, unsigned columns)
{
	uint32_t count[VIEW_PORT_USES];
	unsigned at = 0;

	view_port_map_count(picture->map, count);
	for (unsigned use = 0; use < VIEW_PORT_USES; use++) {
		const struct map_colour *entry = &map_palette[use];
		char number[VIEW_NUMBER_TEXT], text[64];
		unsigned width;

		if (!count[use])
			continue;
		snprintf(text, sizeof(text), "%s %s", entry->legend, view_number_text(count[use], number));
		width = (unsigned)strlen(text) + (colour ? 3 : 4);
		if (at)
			fputs(at + 2 + width > columns ? "\n" : "  ", stdout);
		at = at && at + 2 + width <= columns ? at + 2 + width : width;
		if (colour)
			printf("\033[48;2;%u;%u;%um  \033[0m %s", entry->red, entry->green, entry->blue,
			       text);
		else
			printf("'%c' %s", entry->letter, text);
	}
	puts(colour ? "" : "\n':' mostly free");
}

void map_print(const struct map_picture *picture, unsigned columns, bool colour)
{
	unsigned width = 32;

	while (width < MAP_SIDE && width * 2 + LABEL_COLUMNS <= columns)
		width *= 2;
	puts(picture->title);
	for (unsigned line = 0; line < LINES; line++)
		print_line(picture, line, width, colour);
	print_legend(picture, colour, columns);
}
