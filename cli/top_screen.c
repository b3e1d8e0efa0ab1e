/* SPDX-License-Identifier: MIT */
#include "cli/top_screen.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "host/address_text.h"
#include "view/text.h"

#define HEAD_LINES	4u /* title, sockets, addresses, columns */
#define FOOT_LINES	1u
#define NAME_COLUMNS	26
#define NUMBERS		42 /* columns between the name and the sparkline */
#define SPARK		11
#define MOST_SPARK	60
#define LEVELS		8u
#define BAD_PERCENT	80u
#define POOR_PERCENT	50u
#define ESCAPE_DELAY_MS 50 /* a key that begins with an escape comes as one piece */

enum paint {
	PAINT_BAD = 1,
	PAINT_POOR,
};

void top_screen_open(void)
{
	setlocale(LC_ALL, "");
	initscr();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_DELAY_MS);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(PAINT_BAD, COLOR_RED, -1);
		init_pair(PAINT_POOR, COLOR_YELLOW, -1);
	}
}

void top_screen_resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, TRUE);
}

unsigned top_screen_lines(void)
{
	unsigned lines = (unsigned)LINES;

	return lines > HEAD_LINES + FOOT_LINES ? lines - HEAD_LINES - FOOT_LINES : 1;
}

/* A line of text, cut at the right edge. */
static void put_line(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_line(int line, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	mvaddnstr(line, 0, text, COLS);
}

static void draw_title(const struct top_screen *screen)
{
	static const char *const sorts[TOP_SORTS] = { "full", "rate", "time left", "name" };
	char clock[16];
	time_t seconds = time(NULL);
	struct tm local;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &local));
	put_line(0, "berth top %s, every %g s, by %s%s%s%s%s", clock, screen->options->interval_s,
		 sorts[screen->model.sort], screen->is_paused ? ", PAUSED" : "",
		 screen->model.filter[0] || screen->is_typing ? ", only /" : "", screen->model.filter,
		 screen->is_typing ? "_" : "");
}

static void draw_totals(const struct top_model *model)
{
	const struct view_snapshot *now = top_model_now(model);
	char a[VIEW_NUMBER_TEXT], b[VIEW_NUMBER_TEXT], c[VIEW_NUMBER_TEXT], d[VIEW_NUMBER_TEXT];
	char local[ENDPOINT_TEXT];

	put_line(1, "%s ports of %u-%u usable; %s sockets, %s in TIME_WAIT of %s",
		 view_number_text(model->report.usable, a), now->ports.first, now->ports.last,
		 view_number_text(now->totals.in_use, b), view_number_text(now->totals.time_wait, c),
		 view_number_text(now->reuse.max_tw_buckets, d));
	if (model->report.addresses)
		put_line(2, "bind() to port 0 on %s: %s ports that nobody is on",
			 address_text(&model->report.address[0].address, local),
			 view_number_text(model->report.address[0].fresh, a));
}

/* One of LEVELS + 1 heights. */
static const char *level_text(unsigned level)
{
	static const char *const blocks[LEVELS + 1] = { " ",	  "\u2581", "\u2582", "\u2583", "\u2584",
							"\u2585", "\u2586", "\u2587", "\u2588" };
	static const char *const letters[LEVELS + 1] = { " ", ".", ":", "-", "=", "+", "*", "%", "#" };

	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? blocks[level] : letters[level];
}

/* The last looks, the newest at the right, in so many columns: each shows the most of the looks it stands for. The height
 * is the share of the usable ports that is taken, so that lines can be compared. */
static void draw_spark(const struct top_history *history, uint32_t usable, int line, int column, int columns)
{
	unsigned each = (TOP_SAMPLES + (unsigned)columns - 1) / (unsigned)columns;

	for (int i = 0; history && i < columns; i++) {
		unsigned last = TOP_SAMPLES - (unsigned)(columns - 1 - i) * each;
		uint32_t most = 0, level;

		if ((unsigned)(columns - 1 - i) * each >= history->samples)
			continue;
		for (unsigned s = last > each ? last - each : 0; s < last; s++)
			if (history->sample[s] > most)
				most = history->sample[s];
		level = usable ? (uint32_t)(((uint64_t)most * LEVELS + usable - 1) / usable) : 0;
		mvaddstr(line, column + i, level_text(level < LEVELS ? level : LEVELS));
	}
}

static int spark_columns(void)
{
	int columns = SPARK + (COLS > 80 ? (COLS - 80) / 2 : 0);

	return columns < MOST_SPARK ? columns : MOST_SPARK;
}

static int name_columns(void)
{
	return COLS > 80 ? COLS - NUMBERS - spark_columns() - 1 : NAME_COLUMNS;
}

static void draw_destination(const struct top_screen *screen, size_t i, int line)
{
	const struct report_destination *destination = top_model_shown(&screen->model, i);
	const struct view_outlook *outlook = &destination->outlook;
	bool is_selected = screen->has_selected &&
			   memcmp(&destination->pair, &screen->selected, sizeof(screen->selected)) == 0;
	int paint = destination->full_percent >= BAD_PERCENT	? PAINT_BAD
		    : destination->full_percent >= POOR_PERCENT ? PAINT_POOR
								: 0;
	attr_t attributes = (is_selected ? A_REVERSE : 0) | (paint == PAINT_BAD ? A_BOLD : 0);
	char name[TOP_NAME], text[5][VIEW_NUMBER_TEXT];

	top_name(&destination->pair, name);
	attr_set(attributes, (short)(has_colors() ? paint : 0), NULL);
	put_line(line, "%-*.*s%7s%8s%7s%5u%%%7s%8s", name_columns(), name_columns(), name,
		 view_number_text(outlook->used, text[0]), view_number_text(outlook->waiting, text[1]),
		 view_number_text(outlook->free, text[2]), destination->full_percent,
		 view_rate_text(outlook->taken_per_s, text[3]),
		 view_duration_text(outlook->seconds_left, text[4]));
	attr_set(A_NORMAL, 0, NULL);
	draw_spark(top_model_history(&screen->model, &destination->pair), screen->model.report.usable, line,
		   name_columns() + NUMBERS + 1, spark_columns());
}

static void draw_list(const struct top_screen *screen)
{
	attron(A_BOLD);
	put_line(3, "%-*s%7s%8s%7s%6s%7s%8s  %s", name_columns(), "Destination", "used", "waiting", "free",
		 "full", "per s", "full in", "minutes");
	attroff(A_BOLD);
	for (unsigned line = 0; line < top_screen_lines(); line++)
		if (screen->first + line < screen->model.shown_count)
			draw_destination(screen, screen->first + line, (int)(HEAD_LINES + line));
	if (screen->model.shown_count == 0)
		put_line((int)HEAD_LINES,
			 screen->model.filter[0]
				 ? "No destination has that in its name."
				 : "No connection that was begun here is on a port of the range.");
}

/* The lines of a text from the first-th on. */
static void draw_text(const char *text, size_t first)
{
	unsigned line = 0;

	for (; first && *text; first--)
		text += strcspn(text, "\n") + (strchr(text, '\n') != NULL);
	for (; *text && line < top_screen_lines(); line++) {
		int length = (int)strcspn(text, "\n");

		put_line((int)(HEAD_LINES + line), "%.*s", length, text);
		text += length + (text[length] == '\n');
	}
}

static void draw_detail(const struct top_screen *screen)
{
	const struct top_history *history = top_model_history(&screen->model, &screen->selected);

	move(2, 0);
	clrtoeol();
	draw_spark(history, screen->model.report.usable, 2, 0, COLS < MOST_SPARK ? COLS : MOST_SPARK);
	draw_text(screen->detail ? screen->detail : "looking ...", screen->detail_first);
}

static const char help[] =
	"Up Down PgUp PgDn Home End   choose a destination, or scroll\n"
	"Enter                        open it: what connect() would get, and why\n"
	"Esc, Backspace               back\n"
	"s                            sort by: full, rate, time left, name\n"
	"/                            show only names with these letters; Enter ends, Esc forgets\n"
	"Space, p                     pause, and go on\n"
	"q                            quit\n"
	"\n"
	"used     ports with a connection\n"
	"waiting  ports in TIME_WAIT\n"
	"full     ports that connect() cannot have, of those usable\n"
	"per s    ports taken a second\n"
	"full in  when none is left, if it goes on like that\n"
	"minutes  how many were taken, look by look";

void top_screen_draw(struct top_screen *screen)
{
	static const char *const feet[] = {
		[TOP_LIST] = "q quit  Enter open  s sort  / filter  Space pause  ? help",
		[TOP_DETAIL] = "q quit  Esc back  Up Down scroll  Space pause",
		[TOP_HELP] = "Esc back",
	};

	erase();
	draw_title(screen);
	draw_totals(&screen->model);
	if (screen->page == TOP_LIST)
		draw_list(screen);
	else if (screen->page == TOP_DETAIL)
		draw_detail(screen);
	else
		draw_text(help, 0);
	attron(A_REVERSE);
	put_line(LINES - 1, "%s", feet[screen->page]);
	attroff(A_REVERSE);
	move(LINES - 1, 0);
	refresh();
}
