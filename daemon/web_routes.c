/* SPDX-License-Identifier: MIT */
#include "daemon/web_routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "daemon/api.h"
#include "daemon/metrics.h"
#include "daemon/page.h"
#include "host/address_text.h"

enum {
	OK = 200,
	BAD_REQUEST = 400,
	NOT_AVAILABLE = 503
};

static struct recent_look look_range, look_all;

/* ---- pieces ---- */

static void say_unavailable(struct http_answer *ret_answer)
{
	http_say(ret_answer, NOT_AVAILABLE, "the kernel's socket table cannot be read, or memory is short\n");
}

static void send_json(struct http_answer *ret_answer, json_t *document)
{
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (!text) {
		say_unavailable(ret_answer);
		return;
	}
	ret_answer->type = "application/json";
	ret_answer->body = text;
	ret_answer->size = strlen(text);
}

static bool read_most(const struct http_request *request, size_t *ret_most)
{
	const char *text = http_argument(request, "destinations");
	uint32_t most = API_DESTINATIONS;

	if (text && (!config_parse_number(text, &most) || most > API_DESTINATIONS_MAX))
		return false;
	*ret_most = most;
	return true;
}

/* remote and local, both or none. *ret_pair is NULL or pair. */
static bool read_pair(const struct http_request *request, struct view_pair *pair, struct view_pair **ret_pair)
{
	const char *remote = http_argument(request, "remote"), *local = http_argument(request, "local");

	*ret_pair = remote ? pair : NULL;
	if (!remote || !local)
		return !remote && !local;
	memset(pair, 0, sizeof(*pair));
	return config_parse_endpoint(remote, &pair->remote) && address_from_text(local, &pair->local);
}

/* ---- the paths ---- */

static void metrics(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	struct pinned_reader *pinned = context;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int error = out ? recent_look_renew(&look_range, VIEW_RANGE) : -ENOMEM;

	(void)request;
	pinned_refresh(pinned);
	if (!error)
		error = metrics_write(out, &look_range, pinned);
	if (out && fclose(out) != 0)
		error = -ENOMEM;
	if (error) {
		free(text);
		say_unavailable(ret_answer);
		return;
	}
	ret_answer->type = METRICS_TYPE;
	ret_answer->body = text;
	ret_answer->size = size;
}

static void status(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	struct pinned_reader *pinned = context;
	size_t most;

	if (!read_most(request, &most)) {
		http_say(ret_answer, BAD_REQUEST, "destinations: a number from 0 to 256\n");
		return;
	}
	pinned_refresh(pinned);
	if (recent_look_renew(&look_range, VIEW_RANGE))
		say_unavailable(ret_answer);
	else
		send_json(ret_answer, api_status(&look_range, pinned, most));
}

static void map(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	struct view_pair pair, *wanted;

	(void)context;
	if (!read_pair(request, &pair, &wanted))
		http_say(
			ret_answer, BAD_REQUEST,
			"remote=ADDRESS:PORT and local=ADDRESS, both or none, an IPv6 address of remote in brackets\n");
	else if (recent_look_renew(&look_all, VIEW_ALL))
		say_unavailable(ret_answer);
	else
		send_json(ret_answer, api_map(&look_all, wanted));
}

static void healthz(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	(void)context, (void)request;
	http_say(ret_answer, OK, "ok\n");
}

static void page(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	const struct page_file *file = page_find(http_path(request));

	(void)context;
	ret_answer->type = file->type;
	ret_answer->body = file->start;
	ret_answer->size = (size_t)(file->end - file->start);
	ret_answer->body_is_static = true;
}

const struct http_route web_routes[] = {
	{ "/", true, page },
	{ "/page.css", true, page },
	{ "/page.js", true, page },
	{ "/icon.svg", true, page },
	{ "/healthz", true, healthz },
	{ "/metrics", false, metrics },
	{ "/api/v1/status", false, status },
	{ "/api/v1/map", false, map },
	{ 0 },
};
