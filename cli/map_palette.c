/* SPDX-License-Identifier: MIT */
#include "cli/map_palette.h"

const struct map_colour map_palette[VIEW_PORT_USES] = {
	[VIEW_OUTSIDE] = { 24, 24, 28, ' ', "free, outside the range" },
	[VIEW_FREE] = { 58, 62, 70, '.', "free" },
	[VIEW_RESERVED] = { 128, 108, 148, 'r', "reserved" },
	[VIEW_ELSEWHERE] = { 62, 84, 116, 'e', "with other destinations" },
	[VIEW_WAITING] = { 255, 96, 32, '0', "TIME_WAIT, 0-10 s" },
	[VIEW_WAITING + 1] = { 240, 118, 44, '1', "10-20 s" },
	[VIEW_WAITING + 2] = { 222, 134, 60, '2', "20-30 s" },
	[VIEW_WAITING + 3] = { 202, 146, 80, '3', "30-40 s" },
	[VIEW_WAITING + 4] = { 178, 152, 104, '4', "40-50 s" },
	[VIEW_WAITING + 5] = { 150, 150, 122, '5', "50-60 s" },
	[VIEW_CONNECTED] = { 64, 156, 255, 'c', "connected" },
	[VIEW_HELD] = { 240, 240, 240, 'h', "bound or listening" },
};
