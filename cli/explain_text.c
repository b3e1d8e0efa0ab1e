/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cli/explain_text.h"
#include "cli/paragraph.h"
#include "host/address_text.h"
#include "view/text.h"

#define LABEL	   12
#define MOST_SHOWN 8u
#define BARS	   30u
#define DECADES	   6u

/* A number with its separators, for as long as the statement lasts. */
struct number {
	char text[VIEW_NUMBER_TEXT];
};
static const char *say(struct number *number, uint64_t value)
{
	return view_number_text(value, number->text);
}
#define N(value) say(&(struct number){ "" }, value)

/* Kernel mode has bind() share ports, which the kernel by itself does not. */
static void print_bind(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;

	if (is->steered)
		return;
	if (is->fresh == 0)
		print_paragraph(
			document->out, 0, "",
			"bind() to port 0 before it fails with EADDRINUSE: it asks for a port that has no connection "
			"to anybody, and there is none.");
	else if (is->fresh < is->outlook.free)
		print_paragraph(
			document->out, 0, "",
			"A program that calls bind() to port 0 before it has %s ports to choose from: those without "
			"a connection to anybody.",
			N(is->fresh));
}

static void print_verdict(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;

	switch (is->verdict) {
	case VIEW_AT_ONCE:
		print_paragraph(document->out, 0, "", "connect() gets a port at once%s.",
				is->steered ? ": Berth's kernel mode chooses it" : "");
		break;
	case VIEW_SEARCH:
		print_paragraph(
			document->out, 0, "",
			"connect() gets a port, but it is slow: the kernel tries one port after the other, and looks at "
			"about %s of them before it finds one.",
			N(is->search));
		break;
	case VIEW_TAKE_OVER:
		print_paragraph(
			document->out, 0, "",
			"connect() gets a port that is in TIME_WAIT: no other is left. It takes the old "
			"connection over%s.",
			is->steered ? "" : ", after a search of most of the range");
		break;
	case VIEW_EXHAUSTED:
		print_paragraph(document->out, 0, "",
				"connect() fails with EADDRNOTAVAIL: none of the %s ports is left.",
				N(is->usable));
		break;
	}
}

static void print_ports(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;
	const struct port_sysctls *range = &document->now->ports;
	char local[ENDPOINT_TEXT];

	print_paragraph(document->out, LABEL, "Ports",
			"%s in %u-%u, of which %s are usable: not reserved and not bound by anybody.",
			N(range->last - range->first + 1), range->first, range->last, N(is->usable));
	print_paragraph(document->out, LABEL, "",
			"%s have a connection to it, %s wait in TIME_WAIT, %s are free.", N(is->outlook.used),
			N(is->outlook.waiting), N(is->outlook.free));
	if (is->elsewhere)
		print_paragraph(
			document->out, LABEL, "",
			"%s more connections to it leave from other local addresses than %s, each of which has "
			"ports of its own (--from).",
			N(is->elsewhere), address_text(&is->pair.local, local));
}

static void print_states(const struct explain_document *document)
{
	char text[512] = "";
	size_t used = 0;

	for (unsigned state = 0; state < VIEW_STATES; state++) {
		uint32_t count = document->explanation->state[state];

		if (count && used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s",
						 used ? ", " : "", view_state_name(state), N(count));
	}
	print_paragraph(document->out, LABEL, "States", "%s", used ? text : "no connection");
}

const char *explain_holder_text(const struct view_process *process, char *text, size_t size)
{
	const struct passwd *user = getpwuid(process->uid);

	if (process->holder == VIEW_ORPHANED)
		return "closed by its program already";
	if (process->holder == VIEW_PROCESS)
		snprintf(text, size, "%s (pid %d)", process->name, (int)process->pid);
	else if (user)
		snprintf(text, size, "a process of %s that only root may look into", user->pw_name);
	else
		snprintf(text, size, "a process of user %u that only root may look into", process->uid);
	return text;
}

static void print_processes(const struct explain_document *document)
{
	char holder[128];

	for (size_t i = 0; i < document->processes && i < MOST_SHOWN; i++)
		print_paragraph(document->out, LABEL, i ? "" : "Processes", "%s: %s",
				explain_holder_text(&document->process[i], holder, sizeof(holder)),
				N(document->process[i].sockets));
	if (document->processes > MOST_SHOWN)
		print_paragraph(document->out, LABEL, "", "and %zu more", document->processes - MOST_SHOWN);
}

/* Ports that have waited for 10 * decade seconds and up to ten more. */
static uint32_t waited(const struct view_ages *ages, unsigned decade)
{
	uint32_t count = 0;

	for (unsigned s = 0; s < VIEW_AGES / DECADES; s++)
		count += ages->left[VIEW_AGES - 1 - decade * (VIEW_AGES / DECADES) - s];
	return count;
}

static void print_ages(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;
	uint32_t most = 1;

	if (is->outlook.waiting == 0)
		return;
	for (unsigned decade = 0; decade < DECADES; decade++)
		if (waited(&is->ages, decade) > most)
			most = waited(&is->ages, decade);
	for (unsigned decade = 0; decade < DECADES; decade++) {
		uint32_t count = waited(&is->ages, decade);
		int bars = (int)(((uint64_t)count * BARS + most - 1) / most);

		fprintf(document->out, "%-*s%2u-%u s %8s%s%.*s\n", LABEL, decade ? "" : "TIME_WAIT",
			decade * 10, decade * 10 + 10, N(count), bars ? " " : "", bars,
			"##############################");
	}
}

static void print_closing(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;
	char rate[VIEW_NUMBER_TEXT];

	if (is->state[TCP_TIME_WAIT])
		print_paragraph(
			document->out, LABEL, "Closing",
			"This host closes first, on average %s times a second; that is why TIME_WAIT is here, "
			"where it keeps a port for 60 s, and not at the peer.",
			view_rate_text(is->waiting_per_s, rate));
	if (is->state[TCP_CLOSE_WAIT])
		print_paragraph(
			document->out, LABEL, is->state[TCP_TIME_WAIT] ? "" : "Closing",
			"The peer has closed %s connections that programs here keep open (CLOSE-WAIT).",
			N(is->state[TCP_CLOSE_WAIT]));
}

static void print_timestamps(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;
	const char *text = "No connection to it is open, so whether the peer uses them is not known.";

	if (!document->now->ports.timestamps)
		text = "Off on this host (tcp_timestamps): a port in TIME_WAIT cannot be taken over.";
	else if (is->timestamps == VIEW_TIMESTAMPS_OFF)
		text = "The peer does not use them: a port in TIME_WAIT cannot be taken over.";
	else if (is->timestamps == VIEW_TIMESTAMPS_ON && is->takes_over)
		text = "Both ends use them, and tcp_tw_reuse lets connect() take over a port that has been in "
		       "TIME_WAIT for tcp_tw_reuse_delay.";
	else if (is->timestamps == VIEW_TIMESTAMPS_ON)
		text = "Both ends use them, but tcp_tw_reuse does not let connect() take over what is in TIME_WAIT.";
	print_paragraph(document->out, LABEL, "Timestamps", "%s", text);
}

/* Seconds until the first port comes back from TIME_WAIT. There is one. */
static unsigned first_back(const struct view_ages *ages)
{
	unsigned s = 0;

	while (s < VIEW_AGES - 1 && ages->left[s] == 0)
		s++;
	return s + 1;
}

static void print_outlook(const struct explain_document *document)
{
	const struct view_explanation *is = document->explanation;
	const struct view_outlook *outlook = &is->outlook;
	char rate_text[VIEW_NUMBER_TEXT], left_text[VIEW_NUMBER_TEXT];
	const char *rate = view_rate_text(outlook->taken_per_s, rate_text);
	const char *left = view_duration_text(outlook->seconds_left, left_text);
	const char *label = "Outlook";

	if (outlook->taken_per_s == 0)
		print_paragraph(document->out, LABEL, label, "No port was taken while this looked.");
	else if (outlook->taken_per_s > 0 && outlook->seconds_left == 0)
		print_paragraph(document->out, LABEL, label, "%s ports a second are taken.", rate);
	else if (outlook->taken_per_s > 0 && isinf(outlook->seconds_left))
		print_paragraph(document->out, LABEL, label,
				"%s ports a second are taken, and as many come back.", rate);
	else if (outlook->taken_per_s > 0)
		print_paragraph(document->out, LABEL, label,
				"%s ports a second are taken; if it goes on, none is left in %s.", rate,
				left);
	if (!isnan(outlook->taken_per_s))
		label = "";
	if (outlook->waiting && !is->takes_over)
		print_paragraph(document->out, LABEL, label, "The first in TIME_WAIT comes back within %u s.",
				first_back(&is->ages));
}

/* What is said of each advice, with the ports that it brings between the two halves. */
static const struct {
	const char *before, *after;
} sentences[VIEW_ADVICES] = {
	[VIEW_CLOSE_WHEN_PEER_DID] = { "Close what the peer has closed: ",
				       " connections in CLOSE-WAIT hold a port until their program closes them." },
	[VIEW_KEEP_CONNECTIONS] = { "Keep connections open and use them again (keep-alive, a pool): each one that is "
				    "not closed leaves no port in TIME_WAIT, where ",
				    " are now." },
	[VIEW_PEER_CLOSES] = { "Let the peer close first, where the protocol allows it: TIME_WAIT is then the peer's, "
			       "and takes no port on this side, where ",
			       " are now." },
	[VIEW_BERTH_RUN] = { "Start the program with 'berth run': the port is chosen when the destination is known, "
			     "without a search. Ports that it gains by this, if it calls bind() to port 0 first: ",
			     "." },
	[VIEW_MORE_DESTINATIONS] = { "Spread over more addresses or ports of the peer: each has all ",
				     " ports again." },
	[VIEW_MORE_LOCALS] = { "Connect from more local addresses: each has all ", " ports again." },
	[VIEW_WIDER_RANGE] = { "Widen the range: net.ipv4.ip_local_port_range=\"1024 65535\" adds ",
			       " ports. Put the ports of servers into ip_local_reserved_ports first; those listened "
			       "on there now: " },
	[VIEW_FEWER_RESERVED] = { "Reserve fewer ports: ",
				  " of the range are in ip_local_reserved_ports and nobody is on them." },
	[VIEW_TIMESTAMPS] = { "Turn timestamps on, net.ipv4.tcp_timestamps=1: without them none of the ",
			      " ports in TIME_WAIT can be used before its minute is over." },
	[VIEW_TW_REUSE] = { "Set net.ipv4.tcp_tw_reuse=1: connect() takes over what has been in TIME_WAIT for "
			    "tcp_tw_reuse_delay, now up to ",
			    " ports. Timestamps, which both ends must use, keep old segments out (RFC 6191); some "
			    "firewalls and NATs drop a connection that follows so soon." },
	[VIEW_SHORTER_WAIT] = { "Last: end TIME_WAIT before its 60 s are over. This gives ",
				" ports back and gives up what TIME_WAIT is for: a late segment of the old connection "
				"can be taken for one of the new." },
};

static void print_advice(const struct explain_document *document, const struct view_advice *advice,
			 const char *label)
{
	uint32_t listening;
	bool is_wider = advice->id == VIEW_WIDER_RANGE;

	view_wider_range(document->now, &listening);
	print_paragraph(document->out, 4, label, "%s%s%s%s%s", sentences[advice->id].before, N(advice->gain),
			sentences[advice->id].after, is_wider ? N(listening) : "", is_wider ? "." : "");
}

void explain_print(const struct explain_document *document)
{
	const struct destination *to = document->destination;
	char remote[ENDPOINT_TEXT], local[ENDPOINT_TEXT], label[16];

	print_paragraph(document->out, 0, "", "%s from %s%s%s", endpoint_text(&to->pair.remote, remote),
			address_text(&to->pair.local, local),
			to->addresses > 1 ? ", the first address of " : "",
			to->addresses > 1 ? document->asked : "");
	print_verdict(document);
	print_bind(document);
	fputc('\n', document->out);
	print_ports(document);
	print_states(document);
	print_processes(document);
	print_ages(document);
	print_closing(document);
	print_timestamps(document);
	print_outlook(document);
	if (document->advices)
		fprintf(document->out, "\nWhat would help, the safest first:\n");
	for (size_t i = 0; i < document->advices; i++) {
		snprintf(label, sizeof(label), "%2zu. ", i + 1);
		print_advice(document, &document->advice[i], label);
	}
	if (document->advices && document->explanation->outlook.waiting)
		print_paragraph(
			document->out, 0, "",
			"Does not help: tcp_fin_timeout, which is about FIN-WAIT-2; a lower tcp_max_tw_buckets, which "
			"takes TIME_WAIT from the newest connections; SO_LINGER with 0, which loses data.");
}
