/* SPDX-License-Identifier: MIT */
#include "cli/sim_report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sim_plot.h"
#include "cli/sim_recorded.h"

#define FIELDS_MAX 40u
#define NOT_KNOWN  ((double)NAN)

/* A run as a row: the same names and numbers in JSON and CSV. */
struct field {
	char name[32];
	double value; /* NOT_KNOWN: null, or empty */
};

struct row {
	struct field field[FIELDS_MAX];
	size_t count;
};

static void put(struct row *row, const char *name, double value)
{
	struct field *field = &row->field[row->count++];

	snprintf(field->name, sizeof(field->name), "%s", name);
	field->value = value;
	/* The names of outcomes and ranks are made to be read. */
	for (char *at = field->name; (at = strchr(at, '-')) != NULL;)
		*at = '_';
}

static double mean(uint64_t sum, uint64_t count)
{
	return count == 0 ? NOT_KNOWN : (double)sum / (double)count;
}

static struct row row_of(const struct sim_run_result *run)
{
	const struct sim_result *r = &run->result;
	bool reuse = r->reuse_known && r->reused != 0, foresight = r->foresight_known;
	struct row row = { .count = 0 };

	put(&row, "attempts", (double)r->attempts);
	for (unsigned i = 0; i < SIM_OUTCOMES; i++)
		put(&row, sim_outcome_names[i], (double)r->outcome[i]);
	put(&row, "failed_share", r->attempts == 0 ? NOT_KNOWN : sim_failed_share(r));
	for (unsigned i = 0; i < SIM_RANKS; i++)
		put(&row, sim_rank_names[i], (double)r->rank[i]);
	put(&row, "first_failure_s", r->first_failure_s < 0 ? NOT_KNOWN : r->first_failure_s);
	put(&row, "probes_mean", mean(r->probes, r->attempts));
	put(&row, "probes_most", r->probes_most);
	put(&row, "reused", r->reuse_known ? (double)r->reused : NOT_KNOWN);
	put(&row, "reuse_least_s", reuse ? r->reuse_least_s : NOT_KNOWN);
	put(&row, "reuse_median_s", reuse ? r->reuse_median_s : NOT_KNOWN);
	put(&row, "entropy_bits", foresight ? r->entropy_bits : NOT_KNOWN);
	put(&row, "entropy_same_bits", r->same_known ? r->entropy_same_bits : NOT_KNOWN);
	put(&row, "entropy_most_bits", r->entropy_most_bits);
	put(&row, "chi_square", foresight ? r->chi_square : NOT_KNOWN);
	put(&row, "chi_square_degrees", foresight ? r->chi_square_degrees : NOT_KNOWN);
	put(&row, "chi_square_sigmas", foresight ? r->chi_square_sigmas : NOT_KNOWN);
	put(&row, "time_wait_mean", r->time_wait_mean);
	put(&row, "time_wait_most", r->time_wait_most);
	put(&row, "evicted", (double)r->evicted);
	put(&row, "shortest_time_wait_s", r->evicted == 0 ? NOT_KNOWN : r->shortest_time_wait_s);
	put(&row, "state_bytes", (double)r->state_bytes);
	return row;
}

/* The rate is not one of the fields: a recording has none. */
static double rate_of(const struct sim_report *report, const struct sim_run_result *run)
{
	return report->options->recording != NULL ? NOT_KNOWN : run->rate;
}

void sim_report_csv(const struct sim_report *report, FILE *out)
{
	for (size_t i = 0; i < report->runs; i++) {
		const struct row row = row_of(&report->run[i]);
		double rate = rate_of(report, &report->run[i]);

		if (i == 0) {
			fputs("policy,rate", out);
			for (size_t k = 0; k < row.count; k++)
				fprintf(out, ",%s", row.field[k].name);
		}
		fprintf(out, "\n%s,", report->run[i].policy->name);
		if (!isnan(rate))
			fprintf(out, "%.15g", rate);
		for (size_t k = 0; k < row.count; k++)
			if (isnan(row.field[k].value))
				fputc(',', out);
			else
				fprintf(out, ",%.15g", row.field[k].value);
	}
	fputc('\n', out);
}

/* Whole numbers without a point. */
static json_t *json_number(double value)
{
	if (isnan(value))
		return json_null();
	if (value == floor(value) && fabs(value) < 0x1p53)
		return json_integer((json_int_t)value);
	return json_real(value);
}

static json_t *json_run(const struct sim_report *report, const struct sim_run_result *run)
{
	const struct row row = row_of(run);
	json_t *object = json_object(), *bins = json_array();

	json_object_set_new(object, "policy", json_string(run->policy->name));
	json_object_set_new(object, "rate", json_number(rate_of(report, run)));
	for (size_t i = 0; i < row.count; i++)
		json_object_set_new(object, row.field[i].name, json_number(row.field[i].value));
	for (unsigned i = 0; i < SIM_BINS; i++)
		json_array_append_new(
			bins, json_pack("[i, i]", run->result.bin_attempts[i], run->result.bin_failures[i]));
	json_object_set_new(object, "by_time", bins);
	if (report->recorded != NULL)
		json_object_set_new(object, "failed_to",
				    sim_recorded_failures_json(report->recorded, &run->result));
	return object;
}

static const char *hold_name(enum sim_hold_shape shape)
{
	static const char *const names[] = { "fixed", "exponential", "pareto" };

	return names[shape];
}

static json_t *json_load(const struct sim_report *report)
{
	const struct sim_options *options = report->options;
	const struct sim_load *load = &options->load;

	if (report->recorded != NULL)
		return sim_recorded_json(report->recorded);
	return json_pack("{s:s, s:i, s:i, s:f, s:s, s:f, s:o, s:f}", "arrivals",
			 load->arrivals == SIM_POISSON ? "poisson" : "fixed", "burst", load->burst,
			 "destinations", load->destinations, "zipf", load->zipf, "hold",
			 hold_name(load->hold.shape), "hold_mean_s", load->hold.mean_s, "hold_alpha",
			 json_number(load->hold.shape == SIM_HOLD_PARETO ? load->hold.alpha : NOT_KNOWN),
			 "closed_here", load->closed_here);
}

json_t *sim_report_json(const struct sim_report *report)
{
	const struct sim_options *options = report->options;
	const struct sim_host_settings *host = &options->host;
	json_t *runs = json_array();

	for (size_t i = 0; i < report->runs; i++)
		json_array_append_new(runs, json_run(report, &report->run[i]));
	return json_pack("{s:s, s:o, s:o, s:i, s:i, s:i, s:o, s:o, s:f, s:f, s:o}", "berth", BERTH_VERSION,
			 "seed", json_integer((json_int_t)options->seed), "load", json_load(report),
			 "first_port", host->first, "last_port", host->last, "addresses", host->addresses,
			 "TcpTimedWaitDelay", json_number((double)host->time_wait_ns / 1e9), "MaxFreeTWTcbs",
			 json_number(host->max_tcbs == SIM_NO_LIMIT ? NOT_KNOWN : host->max_tcbs),
			 "warm_up_s", options->warm_up_s, "measured_s", report->measured_s, "runs", runs);
}

static void text_load(const struct sim_report *report, FILE *out)
{
	const struct sim_options *options = report->options;
	const struct sim_load *load = &options->load;

	if (report->recorded != NULL) {
		sim_recorded_text(report->recorded, out);
	} else {
		fprintf(out, " %s arrivals", load->arrivals == SIM_POISSON ? "Random" : "Regular");
		if (load->burst > 1)
			fprintf(out, ", %u at once", load->burst);
		fprintf(out, " to %u destination%s", load->destinations, load->destinations == 1 ? "" : "s");
		if (load->zipf != 0)
			fprintf(out, " (Zipf %g)", load->zipf);
		fprintf(out, ", open for %g s", load->hold.mean_s);
		if (load->hold.shape != SIM_HOLD_FIXED)
			fprintf(out, " on average (%s)", hold_name(load->hold.shape));
		fprintf(out, ", %g %% closed here first.\n", load->closed_here * 100);
	}
	fprintf(out, " Ports %u-%u of %u address%s, TIME_WAIT %g s", options->host.first, options->host.last,
		options->host.addresses, options->host.addresses == 1 ? "" : "es",
		(double)options->host.time_wait_ns / 1e9);
	if (options->host.max_tcbs != SIM_NO_LIMIT)
		fprintf(out, ", at most %u in it", options->host.max_tcbs);
	fprintf(out, ". Measured: %g s after %g s. Seed %llu.\n", report->measured_s, options->warm_up_s,
		(unsigned long long)options->seed);
}

/* A number that may not be known, in a column. */
static void cell(FILE *out, int width, int digits, double value)
{
	if (isnan(value))
		fprintf(out, "%*s", width, "-");
	else
		fprintf(out, "%*.*f", width, digits, value);
}

static double percent(uint64_t part, uint64_t whole)
{
	return 100 * mean(part, whole);
}

static void text_outcomes(const struct sim_run_result *run, FILE *out)
{
	const struct sim_result *r = &run->result;

	fprintf(out, " %-17s%10llu", run->policy->name, (unsigned long long)r->attempts);
	cell(out, 10, 3, r->attempts == 0 ? NOT_KNOWN : 100 * sim_failed_share(r));
	for (unsigned i = SIM_EXHAUSTED; i < SIM_OUTCOMES; i++)
		fprintf(out, "%10llu", (unsigned long long)r->outcome[i]);
	fprintf(out, "%10llu", (unsigned long long)r->evicted);
	cell(out, 9, 1, r->evicted == 0 ? NOT_KNOWN : r->shortest_time_wait_s);
	fputc('\n', out);
}

static void text_choice(const struct sim_run_result *run, FILE *out)
{
	const struct sim_result *r = &run->result;
	uint64_t given = r->rank[0] + r->rank[1] + r->rank[2] + r->rank[3];
	bool reuse = r->reuse_known && r->reused != 0;

	fprintf(out, " %-17s", run->policy->name);
	for (unsigned i = 0; i < SIM_RANK_TAKEN; i++)
		cell(out, 8, 2, percent(r->rank[i], given));
	cell(out, 8, 1, reuse ? r->reuse_least_s : NOT_KNOWN);
	cell(out, 8, 1, reuse ? r->reuse_median_s : NOT_KNOWN);
	cell(out, 7, 2, r->foresight_known ? r->entropy_bits : NOT_KNOWN);
	cell(out, 7, 2, r->same_known ? r->entropy_same_bits : NOT_KNOWN);
	cell(out, 8, 1, r->foresight_known ? r->chi_square_sigmas : NOT_KNOWN);
	cell(out, 8, 1, mean(r->probes, r->attempts));
	fprintf(out, "%7u%11llu\n", r->probes_most, (unsigned long long)r->state_bytes);
}

static void text_one_rate(const struct sim_report *report, FILE *out)
{
	if (report->options->recording == NULL)
		fprintf(out, " %g connections a second.\n", report->run[0].rate);
	fprintf(out, "\n %-17s%10s%10s%10s%10s%10s%10s%10s%9s\n", "", "", "failed", "no port", "TIME_WAIT",
		"TIME_WAIT", "in use", "evicted,", "after");
	fprintf(out, " %-17s%10s%10s%10s%10s%10s%10s%10s%9s\n", "policy", "attempts", "%", "left", "here",
		"at peer", "already", "oldest", "s");
	for (size_t i = 0; i < report->runs; i++)
		text_outcomes(&report->run[i], out);
	fprintf(out, "\n %-17s%8s%8s%8s%8s%8s%7s%7s%8s%8s%7s%11s\n", "", "fresh", "shared", "waiting",
		"reused", "after s", "next", "same", "chi-", "probes", "probes", "state");
	fprintf(out, " %-17s%8s%8s%8s%8s%8s%7s%7s%8s%8s%7s%11s\n", "ports given", "%", "%", "%", "least",
		"median", "bits", "bits", "square", "mean", "most", "bytes");
	for (size_t i = 0; i < report->runs; i++)
		text_choice(&report->run[i], out);
	if (report->recorded != NULL)
		sim_recorded_failures_text(report->recorded, report->run, report->runs, out);
	fprintf(out,
		"\n bits: entropy of the next port, after one to anybody and to the same destination; at most %.2f.\n"
		" chi-square: how uneven, in standard deviations; negative is more even than chance.\n",
		report->run[0].result.entropy_most_bits);
}

/* Failures only: a column for each policy would be too wide, so a row for each, and a table for every eight
 * rates. */
static void text_many_rates(const struct sim_report *report, FILE *out)
{
	size_t policies = report->options->policies, rates = report->options->rates;

	for (size_t from = 0; from < rates; from += 8) {
		size_t to = from + 8 < rates ? from + 8 : rates;

		fprintf(out, "\n %-17s", from == 0 ? "failed %, at /s" : "");
		for (size_t k = from; k < to; k++)
			fprintf(out, "%9g", report->options->rate[k]);
		fputc('\n', out);
		for (size_t i = 0; i < policies; i++) {
			fprintf(out, " %-17s", report->options->policy[i]->name);
			for (size_t k = from; k < to; k++)
				cell(out, 9, 3,
				     100 * sim_failed_share(&report->run[k * policies + i].result));
			fputc('\n', out);
		}
	}
}

void sim_report_text(const struct sim_report *report, FILE *out)
{
	text_load(report, out);
	if (report->options->rates > 1)
		text_many_rates(report, out);
	else
		text_one_rate(report, out);
}

/* The values of x, and for each policy those of y. */
static void fill_lines(const struct sim_report *report, size_t points, double *x, double *y)
{
	const struct sim_options *options = report->options;

	for (size_t i = 0; i < points; i++) {
		bool by_rate = options->rates > 1;

		x[i] = by_rate ? options->rate[i] : ((double)i + 0.5) * report->measured_s / SIM_BINS;
		for (size_t k = 0; k < options->policies; k++) {
			const struct sim_result *r =
				&report->run[by_rate ? i * options->policies + k : k].result;
			double share = by_rate ? sim_failed_share(r)
					       : r->bin_failures[i] / fmax(1, r->bin_attempts[i]);

			y[k * points + i] = 100 * share;
		}
	}
}

int sim_report_plot(const struct sim_report *report, const char *path)
{
	const struct sim_options *options = report->options;
	size_t points = options->rates > 1 ? options->rates : SIM_BINS;
	double *value = calloc((options->policies + 1) * points, sizeof(*value));
	struct sim_line line[SIM_POLICIES_MAX];
	const struct sim_plot plot = { .title = "Connections that failed",
				       .x_title = options->rates > 1 ? "connections a second" : "seconds",
				       .y_title = "%",
				       .x = value,
				       .points = points,
				       .line = line,
				       .lines = options->policies };
	int err;

	if (value == NULL)
		return -ENOMEM;
	fill_lines(report, points, value, value + points);
	for (size_t k = 0; k < options->policies; k++)
		line[k] = (struct sim_line){ options->policy[k]->name, value + (k + 1) * points };
	err = sim_plot_write_file(&plot, path);
	free(value);
	return err;
}
