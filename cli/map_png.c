/* SPDX-License-Identifier: MIT */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

#include "cli/map_picture.h"

#define PIXELS 4u /* for each port, along each side */

static void set_palette(png_structp png, png_infop info)
{
	png_color palette[VIEW_PORT_USES];

	for (unsigned use = 0; use < VIEW_PORT_USES; use++)
		palette[use] =
			(png_color){ map_palette[use].red, map_palette[use].green, map_palette[use].blue };
	png_set_PLTE(png, info, palette, VIEW_PORT_USES);
}

static void write_rows(png_structp png, const struct view_port_map *map)
{
	png_byte row[MAP_SIDE * PIXELS];

	for (unsigned y = 0; y < MAP_SIDE * PIXELS; y++) {
		for (unsigned x = 0; x < MAP_SIDE * PIXELS; x++)
			row[x] = map->use[y / PIXELS * MAP_SIDE + x / PIXELS];
		png_write_row(png, row);
	}
}

/* libpng's own way to report: by longjmp. What it has to say is known from the file. */
static void give_up(png_structp png, png_const_charp message)
{
	(void)message;
	png_longjmp(png, 1);
}

static bool write_all(png_structp png, png_infop info, const struct map_picture *picture, FILE *file)
{
	png_text title = { .compression = PNG_TEXT_COMPRESSION_NONE, .key = "Title" };

	if (setjmp(png_jmpbuf(png)))
		return false;
	png_init_io(png, file);
	png_set_IHDR(png, info, MAP_SIDE * PIXELS, MAP_SIDE * PIXELS, 8, PNG_COLOR_TYPE_PALETTE,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	set_palette(png, info);
	title.text = (char *)picture->title;
	png_set_text(png, info, &title, 1);
	png_write_info(png, info);
	write_rows(png, picture->map);
	png_write_end(png, info);
	return true;
}

bool map_write_png(const struct map_picture *picture, FILE *file)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, give_up, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	bool is_whole = info && write_all(png, info, picture, file);

	png_destroy_write_struct(&png, &info);
	return is_whole;
}
