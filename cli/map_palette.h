/* SPDX-License-Identifier: MIT
 *
 * What each use of a port looks like, in every kind of picture.
 */
#ifndef BERTH_CLI_MAP_PALETTE_H
#define BERTH_CLI_MAP_PALETTE_H

#include <stdint.h>

#include "view/port_map.h"

/* Ports in a row of a picture, and rows. */
#define MAP_SIDE 256u

struct map_colour {
	uint8_t red, green, blue;
	char letter; /* without colours */
	const char *legend;
};

/* By enum view_port_use. The colours keep apart for red-green blindness (blue against orange, and by lightness). */
extern const struct map_colour map_palette[VIEW_PORT_USES];

#endif
