/* SPDX-License-Identifier: MIT
 *
 * The file of berth sim --plot: a PNG or an SVG, drawn by gnuplot; an SVG without gnuplot is a simple one of our own.
 */
#ifndef BERTH_CLI_SIM_PLOT_H
#define BERTH_CLI_SIM_PLOT_H

#include <stdbool.h>

#include "sim/plot.h"

/* Whether the name ends as one of a picture that can be drawn. */
bool sim_plot_is_picture(const char *path);

/* Whether gnuplot is needed for it, and is not there. Starts it to see. */
bool sim_plot_lacks_gnuplot(const char *path);

/* Writes the file. 0 or negative errno; -EPROTO: gnuplot could not draw it. */
int sim_plot_write_file(const struct sim_plot *plot, const char *path);

#endif
