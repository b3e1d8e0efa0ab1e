/* SPDX-License-Identifier: MIT */
#include "sim/plot.h"

#include <math.h>

#define WIDTH	    960.0
#define LEFT	    70.0
#define RIGHT	    720.0 /* the legend is to the right of it */
#define TOP	    50.0
#define BOTTOM	    450.0
#define ROW	    20.0 /* of the legend */
#define TICKS	    6.0
#define DEEPEST_ROW (BOTTOM + 60)

/* P. Tol's "bright" scheme, which the colour-blind can tell apart; then again, dashed. */
static const char *const colours[] = { "#4477aa", "#ee6677", "#228833", "#aa3377",
				       "#66ccee", "#ccbb44", "#888888" };
static const char *const dashes[] = { "none", "7 3", "2 3" };

#define COLOURS (sizeof(colours) / sizeof(colours[0]))
#define DASHES	(sizeof(dashes) / sizeof(dashes[0]))

/* One axis: values from 0 to that of the last tick are drawn from start to end. */
struct axis {
	double step; /* between ticks */
	unsigned ticks;
	double start, end;
};

/* An axis whose ticks are 1, 2 or 5 times a power of ten. */
static struct axis axis_for(double most, double start, double end)
{
	double power, step;

	if (!(most > 0))
		most = 1;
	power = pow(10, floor(log10(most / TICKS)));
	step = most / TICKS / power;
	step = (step <= 1 ? 1 : step <= 2 ? 2 : step <= 5 ? 5 : 10) * power;
	return (struct axis){ step, (unsigned)ceil(most / step - 1e-9), start, end };
}

static double place(const struct axis *axis, double value)
{
	return axis->start + (axis->end - axis->start) * value / (axis->step * axis->ticks);
}

static double largest(const double *value, size_t count)
{
	double most = 0;

	for (size_t i = 0; i < count; i++)
		most = fmax(most, value[i]);
	return most;
}

static void write_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else
			fputc(*text, out);
	}
}

static void write_label(FILE *out, double x, double y, const char *attributes, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	write_text(out, text);
	fputs("</text>\n", out);
}

static void write_grid_line(FILE *out, double x1, double y1, double x2, double y2)
{
	fprintf(out, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#dddddd\"/>\n", x1, y1, x2, y2);
}

static void write_axes(FILE *out, const struct sim_plot *plot, const struct axis *x, const struct axis *y)
{
	char text[32];

	for (unsigned i = 0; i <= x->ticks; i++) {
		double at = place(x, i * x->step);

		snprintf(text, sizeof(text), "%.6g", i * x->step);
		write_grid_line(out, at, TOP, at, BOTTOM);
		write_label(out, at, BOTTOM + 18, "text-anchor=\"middle\"", text);
	}
	for (unsigned i = 0; i <= y->ticks; i++) {
		double at = place(y, i * y->step);

		snprintf(text, sizeof(text), "%.6g", i * y->step);
		write_grid_line(out, LEFT, at, RIGHT, at);
		write_label(out, LEFT - 8, at + 4, "text-anchor=\"end\"", text);
	}
	fprintf(out, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#222222\"/>\n", LEFT, TOP,
		BOTTOM, RIGHT);
	write_label(out, (LEFT + RIGHT) / 2, BOTTOM + 40, "text-anchor=\"middle\"", plot->x_title);
	write_label(out, LEFT, TOP - 10, "text-anchor=\"start\"", plot->y_title);
}

static void write_stroke(FILE *out, size_t number)
{
	fprintf(out, "fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"",
		colours[number % COLOURS], dashes[number / COLOURS % DASHES]);
}

static void write_line(FILE *out, const struct sim_plot *plot, size_t number, const struct axis *x,
		       const struct axis *y)
{
	const struct sim_line *line = &plot->line[number];
	double row = TOP + ROW * (double)number;

	fputs("<polyline ", out);
	write_stroke(out, number);
	fputs(" points=\"", out);
	for (size_t i = 0; i < plot->points; i++)
		fprintf(out, "%.1f,%.1f ", place(x, plot->x[i]), place(y, line->y[i]));
	fputs("\"/>\n", out);
	/* A single point has no line to see. */
	if (plot->points == 1)
		fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", place(x, plot->x[0]),
			place(y, line->y[0]), colours[number % COLOURS]);
	fprintf(out, "<path d=\"M%.1f %.1fh30\" ", RIGHT + 20, row);
	write_stroke(out, number);
	fputs("/>\n", out);
	write_label(out, RIGHT + 58, row + 4, "text-anchor=\"start\"", line->name);
}

void sim_plot_write(const struct sim_plot *plot, FILE *out)
{
	struct axis x = axis_for(largest(plot->x, plot->points), LEFT, RIGHT), y;
	double most = 0, height = fmax(DEEPEST_ROW, TOP + ROW * (double)plot->lines);

	for (size_t i = 0; i < plot->lines; i++)
		most = fmax(most, largest(plot->line[i].y, plot->points));
	y = axis_for(most, BOTTOM, TOP);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
		"font-size=\"13\" fill=\"#222222\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		WIDTH, height);
	write_label(out, LEFT, 22, "font-size=\"16\" font-weight=\"bold\"", plot->title);
	write_axes(out, plot, &x, &y);
	for (size_t i = 0; i < plot->lines; i++)
		write_line(out, plot, i, &x, &y);
	fputs("</svg>\n", out);
}

/* In single quotes, where gnuplot knows no escape but two of them. */
static void write_quoted(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputc('\'', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

static void write_set(FILE *out, const char *what, const char *text)
{
	fprintf(out, "set %s ", what);
	write_quoted(out, text);
	fputc('\n', out);
}

void sim_plot_write_gnuplot(const struct sim_plot *plot, const char *terminal, FILE *out)
{
	fprintf(out, "set terminal %s size %.0f,%.0f noenhanced background '#ffffff'\n", terminal, WIDTH,
		fmax(DEEPEST_ROW, TOP + ROW * (double)plot->lines));
	write_set(out, "title", plot->title);
	write_set(out, "xlabel", plot->x_title);
	write_set(out, "ylabel", plot->y_title);
	fputs("set key outside right top\nset grid\nset xrange [0:]\nset yrange [0:]\nplot", out);
	for (size_t i = 0; i < plot->lines; i++) {
		fprintf(out, "%s '-' with %s lw 2 lc rgb '%s' dt %zu title ", i == 0 ? "" : ",",
			plot->points == 1 ? "points" : "lines", colours[i % COLOURS],
			i / COLOURS % DASHES + 1);
		write_quoted(out, plot->line[i].name);
	}
	fputc('\n', out);
	for (size_t i = 0; i < plot->lines; i++) {
		for (size_t k = 0; k < plot->points; k++)
			fprintf(out, "%.9g %.9g\n", plot->x[k], plot->line[i].y[k]);
		fputs("e\n", out);
	}
}
