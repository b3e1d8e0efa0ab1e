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

static struct recent_look look;

/* ---- pieces ---- */

static void say_unavailable(struct http_answer *ret_answer)
{
	http_say(ret_answer, NOT_AVAILABLE, "the kernel's socket table cannot be read, or memory is short\n");
}

/* What was made of a look once serves all who ask until the next look. The key says what else it depends on, and has no
 * padding that is not zero. */
struct kept {
	uint64_t taken_ns; /* the look */
	struct view_pair key;
	char *text; /* a JSON object; NULL: none yet */
};

static bool is_kept(const struct kept *kept, const struct view_pair *key)
{
	return kept->text && kept->taken_ns == look.now.taken_ns &&
	       memcmp(&kept->key, key, sizeof(*key)) == 0;
}

/* Takes the document. */
static void keep(struct kept *kept, const struct view_pair *key, json_t *document)
{
	free(kept->text);
	*kept = (struct kept){ look.now.taken_ns, *key,
			       document ? json_dumps(document, JSON_COMPACT) : NULL };
	json_decref(document);
}

/* The members of one object and then those of another, which it takes. NULL: memory is short. */
static char *join(const char *first, json_t *second)
{
	char *rest = second ? json_dumps(second, JSON_COMPACT) : NULL, *text = NULL;

	json_decref(second);
	if (first && rest && asprintf(&text, "%.*s,%s", (int)strlen(first) - 1, first, rest + 1) < 0)
		text = NULL;
	free(rest);
	return text;
}

static void send_json(struct http_answer *ret_answer, const struct kept *kept, json_t *now)
{
	char *text = join(kept->text, now);

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
	return config_parse_endpoint(remote, &pair->remote) && address_from_text(local, &pair->local);
}

/* ---- the paths ---- */

static void metrics(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	struct pinned_reader *pinned = context;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int error = out ? recent_look_renew(&look, &pinned->owners) : -ENOMEM;

	(void)request;
	pinned_refresh(pinned);
	if (!error)
		error = metrics_write(out, &look, pinned);
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
	struct view_pair key = { 0 };
	static struct kept kept;
	size_t most;

	if (!read_most(request, &most)) {
		http_say(ret_answer, BAD_REQUEST, "destinations: a number from 0 to 256\n");
		return;
	}
	if (recent_look_renew(&look, &pinned->owners)) {
		say_unavailable(ret_answer);
		return;
	}
	key.remote.port = (uint16_t)most;
	if (!is_kept(&kept, &key))
		keep(&kept, &key, api_status(&look, most));
	pinned_refresh(pinned);
	send_json(ret_answer, &kept, api_status_now(&look, pinned));
}

static void map(void *context, const struct http_request *request, struct http_answer *ret_answer)
{
	const struct pinned_reader *pinned = context;
	static struct kept of_all, of_one;
	struct view_pair pair = { 0 }, *wanted;
	struct kept *kept;

	if (!read_pair(request, &pair, &wanted)) {
		http_say(
			ret_answer, BAD_REQUEST,
			"remote=ADDRESS:PORT and local=ADDRESS, both or none, an IPv6 address of remote in brackets\n");
		return;
	}
	if (recent_look_renew(&look, &pinned->owners)) {
		say_unavailable(ret_answer);
		return;
	}
	kept = wanted ? &of_one : &of_all;
	if (!is_kept(kept, &pair))
		keep(kept, &pair, api_map(&look, wanted));
	send_json(ret_answer, kept, api_map_now(&look));
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
