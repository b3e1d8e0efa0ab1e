/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"

#include <math.h>
#include <time.h>

#include "daemon/event.h"
#include "daemon/hooks.h"
#include "daemon/settings.h"
#include "host/address_text.h"
#include "host/clock.h"
#include "view/port_report.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP berth_%s %s\n# TYPE berth_%s %s\n", name, help, name, type);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
	head(out, name, "gauge", help);
	fprintf(out, "berth_%s %.15g\n", name, value);
}

static void counter(FILE *out, const char *name, const char *help, double value)
{
	head(out, name, "counter", help);
	fprintf(out, "berth_%s %.15g\n", name, value);
}

/* A label's value, with what the format wants to have escaped. */
static void quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

/* ---- the range and the sockets ---- */

static void write_ports(FILE *out, const struct port_report *report)
{
	const struct view_snapshot *now = report->now;
	unsigned range = now->ports.last - now->ports.first + 1;

	gauge(out, "range_ports", "Ports of net.ipv4.ip_local_port_range.", range);
	gauge(out, "usable_ports",
	      "Ports of the range that are neither reserved nor bound: all that connect() can be given.",
	      report->usable);
	head(out, "sockets", "gauge",
	     "TCP sockets of the network namespace: in use (connections and listeners), in TIME_WAIT.");
	fprintf(out, "berth_sockets{state=\"in_use\"} %u\nberth_sockets{state=\"time_wait\"} %u\n",
		now->totals.in_use, now->totals.time_wait);
	head(out, "range_connections", "gauge",
	     "Connections on ports of the range, TIME_WAIT included, by who began them.");
	fprintf(out,
		"berth_range_connections{begun=\"here\"} %u\nberth_range_connections{begun=\"elsewhere\"} %u\n",
		now->begun, now->inbound);
}

static void write_addresses(FILE *out, const struct port_report *report)
{
	char text[ENDPOINT_TEXT];

	head(out, "fresh_ports", "gauge",
	     "Usable ports of a local address that no socket is on: all that bind() to port 0 can be given.");
	for (unsigned i = 0; i < report->addresses; i++)
		fprintf(out, "berth_fresh_ports{local=\"%s\"} %u\n",
			address_text(&report->address[i].address, text), report->address[i].fresh);
}

static void write_settings(FILE *out, const struct view_snapshot *now)
{
	gauge(out, "sysctl_tcp_timestamps", "net.ipv4.tcp_timestamps: 1 if on.", now->ports.timestamps);
	gauge(out, "sysctl_tcp_tw_reuse", "net.ipv4.tcp_tw_reuse: 0 never, 1 everywhere, 2 on loopback only.",
	      now->reuse.tw_reuse);
	gauge(out, "sysctl_tcp_tw_reuse_delay_seconds",
	      "net.ipv4.tcp_tw_reuse_delay: TIME_WAIT must be so old to be taken over.",
	      now->reuse.reuse_delay_ms / 1000.0);
	gauge(out, "sysctl_ip_autobind_reuse", "net.ipv4.ip_autobind_reuse: 1 if on.",
	      now->reuse.autobind_reuse);
	gauge(out, "sysctl_tcp_max_tw_buckets",
	      "net.ipv4.tcp_max_tw_buckets: more connections than that the kernel does not keep in TIME_WAIT.",
	      now->reuse.max_tw_buckets);
}

/* ---- destinations ---- */

static void write_labels(FILE *out, const char *name, const struct view_pair *pair)
{
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT];

	fprintf(out, "berth_%s{remote=\"%s\",local=\"%s\"", name, endpoint_text(&pair->remote, remote),
		address_text(&pair->local, local));
}

static void write_destination_ports(FILE *out, const struct port_report *report)
{
	head(out, "destination_ports", "gauge",
	     "Usable ports by what they are to one of the fullest destinations: used by a connection, waiting in "
	     "TIME_WAIT, free.");
	for (size_t i = 0; i < report->destinations; i++) {
		const struct report_destination *one = &report->destination[i];
		const struct {
			const char *state;
			uint32_t ports;
		} parts[] = { { "used", one->outlook.used },
			      { "waiting", one->outlook.waiting },
			      { "free", one->outlook.free } };

		for (unsigned part = 0; part < 3; part++) {
			write_labels(out, "destination_ports", &one->pair);
			fprintf(out, ",state=\"%s\"} %u\n", parts[part].state, parts[part].ports);
		}
	}
}

/* One number of each of the fullest destinations; one that is not known has no sample. */
static void write_each(FILE *out, const struct port_report *report, const char *name, const char *help,
		       double (*number)(const struct port_report *report,
					const struct report_destination *destination))
{
	head(out, name, "gauge", help);
	for (size_t i = 0; i < report->destinations; i++) {
		double value = number(report, &report->destination[i]);

		if (isnan(value))
			continue;
		write_labels(out, name, &report->destination[i].pair);
		if (isinf(value))
			fputs("} +Inf\n", out);
		else
			fprintf(out, "} %.6g\n", value);
	}
}

static double blocked_ratio(const struct port_report *report, const struct report_destination *destination)
{
	return report->usable ? (double)destination->outlook.blocked / report->usable : NAN;
}

static double taken_per_s(const struct port_report *report, const struct report_destination *destination)
{
	(void)report;
	return destination->outlook.taken_per_s;
}

static double seconds_left(const struct port_report *report, const struct report_destination *destination)
{
	(void)report;
	return destination->outlook.seconds_left;
}

/* What the destinations have that are not among the fullest. */
static void write_others(FILE *out, const struct port_report *report)
{
	const struct view_snapshot *now = report->now;
	uint64_t used = 0, waiting = 0;

	for (uint32_t number = 0; number < now->destinations.count; number++) {
		used += now->count[number].used;
		waiting += now->count[number].waiting;
	}
	for (size_t i = 0; i < report->destinations; i++) {
		used -= report->destination[i].outlook.used;
		waiting -= report->destination[i].outlook.waiting;
	}
	head(out, "other_destinations_connections", "gauge",
	     "Connections on usable ports to all destinations that have no samples of their own, in sum.");
	fprintf(out, "berth_other_destinations_connections{state=\"used\"} %llu\n", (unsigned long long)used);
	fprintf(out, "berth_other_destinations_connections{state=\"waiting\"} %llu\n",
		(unsigned long long)waiting);
}

static void write_destinations(FILE *out, const struct port_report *report)
{
	gauge(out, "destinations", "Pairs of local address and destination that have connections.",
	      report->now->reached);
	write_destination_ports(out, report);
	write_each(out, report, "destination_blocked_ratio",
		   "Share of the usable ports that connect() to a destination cannot be given, 0 to 1.",
		   blocked_ratio);
	write_each(out, report, "destination_taken_ports_per_second",
		   "Ports that are taken for a destination, a second.", taken_per_s);
	write_each(out, report, "destination_exhausted_in_seconds",
		   "Seconds until no port is left for a destination, if it goes on like this; +Inf: never.",
		   seconds_left);
	write_others(out, report);
}

/* ---- kernel mode ---- */

/* What is counted besides the answers. */
static void write_besides(FILE *out, const struct pinned *pinned, const char *name, const char *help,
			  enum wire_way way)
{
	head(out, name, "counter", help);
	for (int hook = 0; hook < WIRE_HOOKS; hook++)
		fprintf(out, "berth_%s{program=\"%s\"} %llu\n", name, wire_hook_name((enum wire_hook)hook),
			(unsigned long long)pinned->ways[hook][way]);
}

static void write_kernel_mode(FILE *out, const struct pinned *pinned)
{
	gauge(out, "kernel_mode_hooks", "eBPF programs that are attached.", pinned->hooks);
	gauge(out, "withheld_ports", "Ports that MaxUserPort and ReservedPorts withhold.",
	      settings_withheld(&pinned->settings));
	head(out, "calls_total", "counter",
	     "bind() to port 0 and connect() that kernel mode saw, by the program that did and how they were answered.");
	for (int hook = 0; hook < WIRE_HOOKS; hook++)
		for (int way = 0; way < WIRE_WAYS_OUT; way++)
			fprintf(out, "berth_calls_total{program=\"%s\",answer=\"%s\"} %llu\n",
				wire_hook_name((enum wire_hook)hook), wire_way_name((enum wire_way)way),
				(unsigned long long)pinned->ways[hook][way]);
	write_besides(out, pinned, "looks_total",
		      "Ports that kernel mode looked at in the kernel's bind table.", WIRE_LOOK);
	write_besides(out, pinned, "misses_total", "Of these, those that could not be given.", WIRE_MISS);
	write_besides(out, pinned, "refused_binds_total",
		      "Binds that the kernel refused all the same, each answered with another port.",
		      WIRE_BIND_REFUSED);
	write_besides(out, pinned, "surveys_total",
		      "Walks over the range, to learn anew what is taken for a destination.", WIRE_SURVEY);
}

/* ---- events, and TIME_WAIT ---- */

static void write_events(FILE *out, const struct pinned *pinned)
{
	head(out, "events_total", "counter",
	     "Calls of connect() for which there was no port, by event: 4231 ports-exhausted, every port was in use; 4227 "
	     "time-wait-collision, connections in TIME_WAIT were in the way.");
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		fprintf(out, "berth_events_total{event=\"%s\",number=\"%u\"} %llu\n", event_name(kind),
			event_number(kind), (unsigned long long)event_total(pinned, kind));
}

static void write_governor(FILE *out, const struct pinned *pinned)
{
	const struct wire_settings *settings = &pinned->settings;
	const uint64_t *governed = pinned->governed;

	head(out, "max_free_tw_tcbs", "gauge",
	     "MaxFreeTWTcbs: more connections than that are not left in TIME_WAIT. No sample: not set.");
	if (settings->governed_cap)
		fprintf(out, "berth_max_free_tw_tcbs %u\n", settings->governed_cap);
	head(out, "timed_wait_delay_seconds", "gauge",
	     "TcpTimedWaitDelay: longer than that none is left in TIME_WAIT. No sample: not set.");
	if (settings->governed_delay_s)
		fprintf(out, "berth_timed_wait_delay_seconds %u\n", settings->governed_delay_s);
	counter(out, "time_wait_entered_total",
		"Connections seen to enter TIME_WAIT, while that is governed.",
		(double)governed[WIRE_ENTERED]);
	head(out, "time_wait_ended_total", "counter",
	     "Of these, those that were ended early, by the setting that asked for it.");
	fprintf(out, "berth_time_wait_ended_total{setting=\"MaxFreeTWTcbs\"} %llu\n",
		(unsigned long long)governed[WIRE_ENDED_CAP]);
	fprintf(out, "berth_time_wait_ended_total{setting=\"TcpTimedWaitDelay\"} %llu\n",
		(unsigned long long)governed[WIRE_ENDED_DELAY]);
	counter(out, "time_wait_ended_late_total",
		"Of those that TcpTimedWaitDelay ended: more than 100 ms after their time.",
		(double)governed[WIRE_ENDED_LATE]);
	counter(out, "time_wait_gone_total", "Were to be ended and had gone: taken over, reset, or over.",
		(double)governed[WIRE_GONE]);
	counter(out, "time_wait_spared_total",
		"Stayed, as they have no timestamps, or it is not known (time-wait-timestamps-only).",
		(double)governed[WIRE_SPARED]);
	counter(out, "time_wait_readings_total", "Readings of the whole socket table.",
		(double)governed[WIRE_DUMPED]);
	counter(out, "time_wait_reports_lost_total",
		"Reports of closed connections for which there was no room; a reading follows.",
		(double)governed[WIRE_LOST]);
}

static void write_self(FILE *out, const struct recent_look *look, const struct pinned *pinned)
{
	struct timespec spent;

	head(out, "info", "gauge", "Always 1; what is running is in the labels.");
	fputs("berth_info{version=\"" BERTH_VERSION "\",cgroup=", out);
	quoted(out, pinned->cgroup);
	fputs("} 1\n", out);
	gauge(out, "look_age_seconds", "Age of the look at the socket table that these numbers are from.",
	      (double)(clock_ns() - look->now.taken_ns) / 1e9);
	gauge(out, "look_cpu_seconds", "CPU time that this look took.", (double)look->cost_ns / 1e9);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	fprintf(out,
		"# HELP process_cpu_seconds_total CPU time of the process that answers this.\n"
		"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
		(double)spent.tv_sec + (double)spent.tv_nsec / 1e9);
}

int metrics_write(FILE *out, const struct recent_look *look, const struct pinned_reader *pinned)
{
	struct port_report report;
	int error = port_report_make(&report, &look->now, recent_look_before(look), METRICS_DESTINATIONS);

	if (error)
		return error;
	write_self(out, look, &pinned->pinned);
	write_ports(out, &report);
	write_addresses(out, &report);
	write_destinations(out, &report);
	write_settings(out, report.now);
	write_kernel_mode(out, &pinned->pinned);
	write_events(out, &pinned->pinned);
	write_governor(out, &pinned->pinned);
	port_report_free(&report);
	return 0;
}
