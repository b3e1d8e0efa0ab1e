/* SPDX-License-Identifier: MIT
 *
 * The pictures that berth map makes of a port map.
 */
#ifndef BERTH_CLI_MAP_PICTURE_H
#define BERTH_CLI_MAP_PICTURE_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/map_palette.h"

struct map_picture {
	const struct view_port_map *map;
	const char *title; /* one line */
};

/* Prints it for a terminal of so many columns, with a legend. In colour, a character is two picture elements of several
 * ports each, whose colours are mixed (24-bit colours, UTF-8); without, it is a letter: what most of its ports are, free
 * ones aside. */
void map_print(const struct map_picture *picture, unsigned columns, bool colour);

/* Write a file of MAP_SIDE rows of as many ports, each some pixels wide. False, with errno where it is known, if the
 * file is not whole; the last of it may still be in the file's buffer. */
bool map_write_png(const struct map_picture *picture, FILE *file);
bool map_write_svg(const struct map_picture *picture, FILE *file);

#endif
