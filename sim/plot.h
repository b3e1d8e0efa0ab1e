/* SPDX-License-Identifier: MIT
 *
 * A line chart: a few lines over one axis, axes from 0, a legend. Colours and dashes are told apart in print
 * too. As a simple SVG of our own, or as a script by which gnuplot draws the same.
 */
#ifndef BERTH_SIM_PLOT_H
#define BERTH_SIM_PLOT_H

#include <stddef.h>
#include <stdio.h>

struct sim_line {
	const char *name;
	const double *y; /* as many as x */
};

struct sim_plot {
	const char *title, *x_title, *y_title; /* plain text; so are the names of lines */
	const double *x;		       /* ascending, from 0 on */
	size_t points;			       /* at least 1 */
	const struct sim_line *line;
	size_t lines;
};

/* Writes the chart. What went wrong is for ferror() to say. */
void sim_plot_write(const struct sim_plot *plot, FILE *out);

/* Writes a script for gnuplot 5 that makes the chart on its standard output, with this terminal: "svg", "pngcairo". */
void sim_plot_write_gnuplot(const struct sim_plot *plot, const char *terminal, FILE *out);

#endif
