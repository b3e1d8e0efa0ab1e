/* SPDX-License-Identifier: MIT
 *
 * berth top on the terminal: ncurses, any size.
 */
#ifndef BERTH_CLI_TOP_SCREEN_H
#define BERTH_CLI_TOP_SCREEN_H

#include "cli/top_model.h"

struct top_options {
	double interval_s;
	unsigned count; /* looks, and then the end; 0: for ever */
	bool json;
};

/* What is on the screen, beside what the model knows. */
enum top_page {
	TOP_LIST,
	TOP_DETAIL, /* one destination */
	TOP_HELP,
};

struct top_screen {
	const struct top_options *options;
	struct top_model model;
	struct port_owners owners; /* for looks that need no inodes */
	enum top_page page;
	bool is_paused, is_typing; /* a filter */
	struct view_pair selected; /* where has_selected */
	bool has_selected;
	bool is_followed; /* the selected one is kept in sight wherever it goes; otherwise the first is selected */
	size_t first; /* shown on the list's first line */
	char *detail; /* text of TOP_DETAIL, one line each; NULL: none yet */
	size_t detail_first;
};

/* Takes the terminal over; endwin() gives it back. */
void top_screen_open(void);

/* Takes the terminal's size as it is now; a KEY_RESIZE follows if it is another one. What is on the terminal is unknown: it may
 * have been smaller for a moment, which curses by itself would not notice. */
void top_screen_resize(void);

/* Lines of the list, or of the text, that fit. At least 1. */
unsigned top_screen_lines(void);

/* Draws all of it. */
void top_screen_draw(struct top_screen *screen);

/* The loop of the process that draws: argument is a struct top_options. Returns the exit status. */
int top_screen_run(const void *options);

#endif
