/* SPDX-License-Identifier: MIT
 *
 * berth top: keys, signals and time, in the process that draws.
 */
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/explain_text.h"
#include "cli/top_screen.h"
#include "daemon/owners.h"
#include "host/clock.h"

#define KEY_ESCAPE 27
#define KEY_DELETE 127

/* Set by the handlers of the signals that end it, and of that of a new size. */
static volatile sig_atomic_t ended, resized;

static void note_end(int number)
{
	ended = number;
}

static void note_size(int number)
{
	(void)number;
	resized = true;
}

/* ---- what the keys do ---- */

static void select_shown(struct top_screen *screen, size_t place)
{
	size_t lines = top_screen_lines(), count = screen->model.shown_count;

	screen->has_selected = count > 0;
	if (count == 0)
		return;
	if (place >= count)
		place = count - 1;
	screen->selected = top_model_shown(&screen->model, place)->pair;
	if (place < screen->first)
		screen->first = place;
	if (place >= screen->first + lines)
		screen->first = place - lines + 1;
}

/* After the order or the size has changed: the selected one stays, and stays in sight. */
static void keep_selection(struct top_screen *screen)
{
	size_t place = screen->is_followed ? top_model_find(&screen->model, &screen->selected) : 0;

	if (screen->page == TOP_DETAIL)
		return;
	if (screen->first >= screen->model.shown_count || !screen->is_followed)
		screen->first = 0;
	select_shown(screen, place < screen->model.shown_count ? place : 0);
}

/* Moves by so many lines, without passing the first. */
static size_t moved(size_t from, long by)
{
	return by < 0 && (size_t)-by > from ? 0 : from + (size_t)by;
}

/* How far a key moves; 0 if it is none that does. */
static long movement(int key)
{
	long page = (long)top_screen_lines();

	switch (key) {
	case KEY_UP:
	case 'k':
		return -1;
	case KEY_DOWN:
	case 'j':
		return 1;
	case KEY_PPAGE:
		return -page;
	case KEY_NPAGE:
		return page;
	case KEY_HOME:
		return -(long)TOP_DESTINATIONS;
	case KEY_END:
		return (long)TOP_DESTINATIONS;
	default:
		return 0;
	}
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; text && *text; text++)
		lines += *text == '\n';
	return lines;
}

static void scroll_by(struct top_screen *screen, long by)
{
	size_t lines = lines_of(screen->detail), first = moved(screen->detail_first, by);
	size_t last = lines > top_screen_lines() ? lines - top_screen_lines() : 0;

	screen->detail_first = first < last ? first : last;
}

/* A letter of the filter. */
static void type(struct top_screen *screen, int key)
{
	char *filter = screen->model.filter;
	size_t length = strlen(filter);

	if (key == KEY_ESCAPE)
		filter[0] = '\0';
	if (key == KEY_ESCAPE || key == '\n' || key == KEY_ENTER)
		screen->is_typing = false;
	else if ((key == KEY_BACKSPACE || key == KEY_DELETE || key == '\b') && length)
		filter[length - 1] = '\0';
	else if (key > ' ' && key < KEY_DELETE && length + 1 < sizeof(screen->model.filter))
		memcpy(filter + length, (const char[]){ (char)key, '\0' }, 2);
	top_model_arrange(&screen->model);
	keep_selection(screen);
}

static void go_back(struct top_screen *screen)
{
	screen->page = TOP_LIST;
	free(screen->detail);
	screen->detail = NULL;
	keep_selection(screen);
}

/* Keys of the list. */
static void use_list_key(struct top_screen *screen, int key)
{
	size_t place;

	switch (key) {
	case '\n':
	case KEY_ENTER:
		if (!screen->has_selected)
			return;
		screen->page = TOP_DETAIL;
		screen->detail_first = 0;
		return;
	case 's':
		screen->model.sort = (screen->model.sort + 1) % TOP_SORTS;
		top_model_arrange(&screen->model);
		keep_selection(screen);
		return;
	case '/':
		screen->is_typing = true;
		return;
	default:
		if (!screen->has_selected || movement(key) == 0)
			return;
		place = moved(top_model_find(&screen->model, &screen->selected), movement(key));
		screen->is_followed = place > 0;
		select_shown(screen, place);
	}
}

/* False: the end. */
static bool use_key(struct top_screen *screen, int key)
{
	if (screen->is_typing) {
		type(screen, key);
		return true;
	}
	switch (key) {
	case 'q':
		return false;
	case ' ':
	case 'p':
		screen->is_paused = !screen->is_paused;
		return true;
	case '?':
	case 'h':
		screen->page = TOP_HELP;
		return true;
	case KEY_ESCAPE:
	case KEY_BACKSPACE:
	case KEY_DELETE:
	case KEY_LEFT:
		go_back(screen);
		return true;
	case KEY_RESIZE:
		keep_selection(screen);
		return true;
	default:
		if (screen->page == TOP_LIST)
			use_list_key(screen, key);
		else if (screen->page == TOP_DETAIL)
			scroll_by(screen, movement(key));
		return true;
	}
}

/* ---- looking ---- */

/* Writes the explanation of the selected destination. 0 or negative errno. */
static int write_detail(struct top_screen *screen)
{
	const struct view_snapshot *now = top_model_now(&screen->model);
	const struct destination destination = { .pair = screen->selected, .addresses = 1 };
	struct view_explanation explanation;
	struct view_process *process = NULL;
	struct explain_document document = { .destination = &destination,
					     .now = now,
					     .explanation = &explanation };
	char *text = NULL;
	size_t size;
	int error = view_explain(now, top_model_before(&screen->model), &screen->selected, &explanation);

	if (!error)
		error = view_processes(now, &screen->selected, &process, &document.processes);
	if (!error) {
		document.process = process;
		document.advices = view_advise(now, &explanation, document.advice);
		document.out = open_memstream(&text, &size);
		error = document.out ? 0 : -errno;
	}
	if (!error) {
		explain_print(&document);
		fclose(document.out);
		free(screen->detail);
		screen->detail = text;
	}
	free(process);
	return error;
}

static int look(struct top_screen *screen)
{
	bool detail = screen->page == TOP_DETAIL;
	int error = top_model_look(&screen->model, detail ? VIEW_ALL : VIEW_RANGE,
				   detail ? NULL : &screen->owners);

	if (!error && detail)
		error = write_detail(screen);
	keep_selection(screen);
	return error;
}

/* ---- the loop ---- */

/* From now on the signals that end it, and that of a new size, arrive only in ppoll(), which gets *ret_mask. */
static void take_signals(sigset_t *ret_mask)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = note_end }, size_action = { .sa_handler = note_size };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaction(ends[i], &action, NULL);
		sigaddset(&blocked, ends[i]);
	}
	sigaction(SIGWINCH, &size_action, NULL);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, ret_mask);
}

/* Waits for a key, a signal, or the next look. False if the terminal is gone. */
static bool wait_for_event(uint64_t until_ns, bool is_paused, const sigset_t *mask)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now_ns = clock_ns(), left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	const struct timespec left = { .tv_sec = (time_t)(left_ns / 1000000000u),
				       .tv_nsec = (long)(left_ns % 1000000000u) };

	return ppoll(&keys, 1, is_paused ? NULL : &left, mask) <= 0 ||
	       !(keys.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int loop(struct top_screen *screen, const sigset_t *mask)
{
	uint64_t next_ns = 0;
	unsigned looks = 0;
	int key, error = 0;

	while (!ended && !error) {
		bool wants_detail = screen->page == TOP_DETAIL && !screen->detail;

		if (wants_detail || (!screen->is_paused && clock_ns() >= next_ns)) {
			if (screen->options->count && looks++ == screen->options->count)
				break;
			next_ns = clock_ns() + (uint64_t)(screen->options->interval_s * 1e9);
			error = look(screen);
		}
		top_screen_draw(screen);
		if (!wait_for_event(next_ns, screen->is_paused, mask))
			break;
		if (resized) {
			resized = false;
			top_screen_resize();
		}
		while ((key = getch()) != ERR)
			if (!use_key(screen, key))
				return 0;
	}
	return error;
}

int top_screen_run(const void *options)
{
	static struct top_screen screen;
	sigset_t mask;
	int error;

	screen.options = options;
	screen.owners = owners_open(false);
	top_screen_open();
	take_signals(&mask);
	error = loop(&screen, &mask);
	endwin();
	free(screen.detail);
	top_model_free(&screen.model);
	port_owners_close(&screen.owners);
	return error ? failure("top", "cannot read the kernel's socket table: %s", strerror(-error))
		     : EXIT_OK;
}
