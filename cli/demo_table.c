/* SPDX-License-Identifier: MIT */
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/demo_judge.h"
#include "cli/demo_table.h"

#define RULE_WIDTH 78

enum paint {
	PLAIN,
	BOLD,
	DIM,
	GOOD,
	BAD,
};

static const char *const paints[] = { "", "\033[1m", "\033[2m", "\033[32m", "\033[1;31m" };

void demo_table_start(struct demo_table *table, FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	bool terminal = isatty(fileno(out));

	setlocale(LC_CTYPE, "");
	*table = (struct demo_table){
		.out = out,
		.progress = terminal && isatty(STDERR_FILENO) ? stderr : NULL,
		.colour = terminal && !(no_color && *no_color),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
}

/* Text in a column of width (negative: to the left), painted; the paint does not count. */
static void cell(const struct demo_table *table, enum paint paint, int width, const char *text)
{
	bool painted = table->colour && paint != PLAIN;

	fprintf(table->out, "%s%*s%s", painted ? paints[paint] : "", width, text, painted ? "\033[0m" : "");
}

static void rule(const struct demo_table *table)
{
	const char *piece = table->utf8 ? "\u2500" : "-";
	char line[RULE_WIDTH * 3 + 1] = "";

	for (size_t i = 0; i < RULE_WIDTH; i++)
		memcpy(line + i * strlen(piece), piece, strlen(piece) + 1);
	fputc(' ', table->out);
	cell(table, DIM, 0, line);
	fputc('\n', table->out);
}

void demo_table_progress(const struct demo_table *table, const char *format, ...)
{
	va_list arguments;

	if (!table->progress)
		return;
	fflush(table->out);
	fputs("\r\033[K", table->progress);
	va_start(arguments, format);
	vfprintf(table->progress, format, arguments);
	va_end(arguments);
	fflush(table->progress);
}

/* One of the ten steps in the three walks: what happened, and whether that is what one hopes for. */
struct step_cell {
	enum paint paint;
	char text[16];
};

static struct step_cell said(enum paint paint, const char *text)
{
	struct step_cell step = { .paint = paint };

	snprintf(step.text, sizeof(step.text), "%s", text);
	return step;
}

static struct step_cell port_cell(unsigned port)
{
	struct step_cell step = { .paint = PLAIN };

	snprintf(step.text, sizeof(step.text), "%u", port);
	return step;
}

static struct step_cell error_cell(int error)
{
	return said(BAD, strerrorname_np(error) ? strerrorname_np(error) : "unknown error");
}

static bool failed_in(const struct demo_walk *walk, enum demo_call call)
{
	return walk->error && walk->last_call == call;
}

static struct step_cell step_ok(const struct demo_walk *walk)
{
	(void)walk;
	return said(PLAIN, "done");
}

static struct step_cell step_first_port(const struct demo_walk *walk)
{
	return port_cell(walk->first_port);
}

static struct step_cell step_waits(const struct demo_walk *walk)
{
	return said(PLAIN, walk->first_waits ? "seen" : "not seen");
}

static struct step_cell step_other(const struct demo_walk *walk)
{
	return walk->other_waits ? port_cell(walk->other_port) : said(PLAIN, "not seen");
}

static struct step_cell step_asks_again(const struct demo_walk *walk)
{
	return failed_in(walk, DEMO_BIND) ? error_cell(walk->error) : said(PLAIN, "done");
}

static struct step_cell step_second_port(const struct demo_walk *walk)
{
	bool same = walk->second_port == walk->first_port;
	struct step_cell step = { .paint = same ? BAD : GOOD };

	if (failed_in(walk, DEMO_BIND))
		return said(DIM, "-");
	snprintf(step.text, sizeof(step.text), "%s, %u", same ? "yes" : "no", walk->second_port);
	return step;
}

static struct step_cell step_connects(const struct demo_walk *walk)
{
	if (failed_in(walk, DEMO_BIND))
		return said(DIM, "-");
	return walk->error ? error_cell(walk->error) : said(GOOD, "connected");
}

static struct step_cell step_error(const struct demo_walk *walk)
{
	return walk->error ? said(BAD, "yes") : said(GOOD, "no error");
}

static const struct {
	const char *text;
	struct step_cell (*happened)(const struct demo_walk *walk);
} steps[] = {
	{ " 1 a program asks for any port", step_ok },
	{ " 2 it is given one", step_first_port },
	{ " 3 it names a destination, A", step_ok },
	{ " 4 it connects and sends", step_ok },
	{ " 5 it closes first", step_ok },
	{ " 6 the connection enters TIME_WAIT", step_waits },
	{ "   (and one to B, from the other port)", step_other },
	{ " 7 the program asks for any port again", step_asks_again },
	{ " 8 it is given the same port", step_second_port },
	{ " 9 it connects to A again", step_connects },
	{ "10 it gets an error", step_error },
};

void demo_table_title(const struct demo_table *table, const char *kernel)
{
	char text[128];

	snprintf(text, sizeof(text), " Linux %.*s, a private network namespace, real sockets\n\n",
		 (int)strcspn(kernel, "-"), kernel);
	cell(table, DIM, 0, text);
}

void demo_table_walks(const struct demo_table *table, const struct demo_walks *walks)
{
	const struct demo_walk *walk[] = { &walks->stock, &walks->stock_reuse, &walks->berth };
	static const int widths[] = { -12, -15, 0 };

	cell(table, BOLD, -40, " The ten steps, with two ports");
	cell(table, BOLD, -12, "stock Linux");
	cell(table, BOLD, -15, "reuse allowed*");
	cell(table, BOLD, 0, "Berth\n");
	rule(table);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		fprintf(table->out, " %-39s", steps[i].text);
		for (size_t k = 0; k < 3; k++) {
			struct step_cell step = steps[i].happened(walk[k]);

			cell(table, step.paint, widths[k], step.text);
		}
		fputc('\n', table->out);
	}
	cell(table, DIM, 0,
	     " * ip_autobind_reuse=1 and SO_REUSEADDR. TCP timestamps are off in this part.\n\n");
	fflush(table->out);
}

static const char *divider(const struct demo_table *table)
{
	return table->utf8 ? "\u2502" : "|";
}

void demo_table_head(const struct demo_table *table)
{
	cell(table, BOLD, -40, " Connections made");
	cell(table, BOLD, -18, "stock Linux");
	fprintf(table->out, "%s ", divider(table));
	cell(table, BOLD, 0, "Berth\n");
	fprintf(table->out, "  %-31s%5s%7s%7s%5s %s%7s%7s%5s\n", "bind to port 0, then connect", "tried",
		"IPv4 ", "IPv6 ", "us", divider(table), "IPv4 ", "IPv6 ", "us");
	rule(table);
}

void demo_table_group(const struct demo_table *table, unsigned destinations, unsigned ports)
{
	char text[80];

	snprintf(text, sizeof(text), " %u destination%s: room for %u connections", destinations,
		 destinations == 1 ? "" : "s", destinations * ports);
	cell(table, BOLD, 0, text);
	fputc('\n', table->out);
}

/* The letter of a way to fail; the first failure of its kind is given the next one. */
static char letter_of(struct demo_table *table, const struct demo_failure *failure)
{
	unsigned i;

	for (i = 0; i < table->legend_count; i++)
		if (table->legend[i].call == failure->call && table->legend[i].error == failure->error)
			break;
	if (i == DEMO_LEGEND_SIZE)
		return '?';
	if (i == table->legend_count)
		table->legend[table->legend_count++] = *failure;
	return (char)('a' + i);
}

static const struct demo_failure *commonest(const struct demo_count *count)
{
	const struct demo_failure *most = &count->failure[0];

	for (unsigned i = 1; i < DEMO_FAILURE_KINDS; i++)
		if (count->failure[i].count > most->count)
			most = &count->failure[i];
	return most;
}

static void count_cell(struct demo_table *table, const struct demo_row *row, unsigned family,
		       enum demo_side side)
{
	const struct demo_count *count = &row->count[family][side];
	bool full = count->made + demo_slack(&row->load) >= demo_room(&row->load);
	char text[16];

	if (family >= row->families) {
		cell(table, DIM, 7, "- ");
		return;
	}
	snprintf(text, sizeof(text), "%u%c", count->made,
		 count->failed ? letter_of(table, commonest(count)) : ' ');
	cell(table, full ? GOOD : BAD, 7, text);
}

static unsigned mean_us(const struct demo_row *row, enum demo_side side)
{
	uint64_t elapsed = 0, attempts = 0;

	for (unsigned family = 0; family < row->families; family++) {
		elapsed += row->count[family][side].elapsed_us;
		attempts += row->load.attempts;
	}
	return attempts ? (unsigned)(elapsed / attempts) : 0;
}

void demo_table_row(struct demo_table *table, const struct demo_row *row)
{
	const struct demo_load *load = &row->load;
	char text[48];

	snprintf(text, sizeof(text), "%s%s%s", load->keep ? "kept open" : "closed",
		 load->timestamps ? "" : ", timestamps off", load->reuse ? ", reuse*" : "");
	fprintf(table->out, "   %-30s%5u", text, load->attempts);
	count_cell(table, row, 0, DEMO_STOCK);
	count_cell(table, row, 1, DEMO_STOCK);
	fprintf(table->out, "%5u %s", mean_us(row, DEMO_STOCK), divider(table));
	count_cell(table, row, 0, DEMO_BERTH);
	count_cell(table, row, 1, DEMO_BERTH);
	fprintf(table->out, "%5u\n", mean_us(row, DEMO_BERTH));
	fflush(table->out);
}

void demo_table_legend(const struct demo_table *table)
{
	rule(table);
	for (unsigned i = 0; i < table->legend_count; i++) {
		const struct demo_failure *failure = &table->legend[i];
		const char *name = strerrorname_np(failure->error);

		fprintf(table->out, "%s%c: %s fails, %s", i ? ";  " : " ", (char)('a' + i),
			demo_call_name(failure->call), name ? name : "unknown error");
	}
	fputs(table->legend_count ? "\n" : "", table->out);
	cell(table, DIM, 0, " us: mean time of bind + connect, failed ones too\n\n");
}

void demo_table_closing(const struct demo_table *table, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cell(table, BOLD, 0, text);
	fputc('\n', table->out);
}
