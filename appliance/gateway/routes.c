#define _GNU_SOURCE
#include "gateway/console/console.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/openapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_S 60u /* who has to wait longer shall not: a day is spent */

void gateway_principal(const struct http_exchange *x, char *ret)
{
	snprintf(ret, NAME_LEN_MAX + 1, "%.*s", (int)NAME_LEN_MAX, who_of(x)->is.name);
}

void reply_json(struct http_exchange *x, const char *headers, const struct jsonw *w)
{
	static const char lost[] = "{\"error\":{\"message\":\"out of "
				   "memory\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";
	metrics_status(w->full ? 500 : 200);
	if (w->full)
		http_reply(x, 500, "application/json", headers, lost, sizeof lost - 1);
	else
		http_reply(x, 200, "application/json", headers, w->buf, w->len);
}

void reply_stream(struct http_exchange *x, const char *headers)
{
	metrics_status(200);
	http_begin(x, 200, "text/event-stream; charset=utf-8", headers);
}

void reply_error_with(
	struct http_exchange *x, enum api_form form, const struct api_error *e, const char *headers)
{
	char text[2 * REASON_LEN_MAX + 512];
	struct jsonw w;
	jsonw_init(&w, text, sizeof text);
	metrics_status(e->status);
	api_error_write(&w, form, e);
	http_reply(x, e->status, "application/json", headers, w.full ? "{}" : w.buf, w.full ? 2 : w.len);
}

void reply_error(struct http_exchange *x, enum api_form form, const struct api_error *e)
{
	/* nobody shall ask again at once for what will not change */
	char wait[80];
	const char *headers = e->status == 503	 ? "Retry-After: 1\r\n"
			      : e->status >= 500 ? "x-should-retry: false\r\n"
						 : "";
	if (e->status == 429) {
		snprintf(wait, sizeof wait, "Retry-After: %u\r\n%s", MAX(e->retry_s, 1u),
			e->retry_s > MINUTE_S ? "x-should-retry: false\r\n" : "");
		headers = wait;
	}
	reply_error_with(x, form, e, headers);
}

void routes_refuse(void *ctx, struct http_exchange *x, u32 status, const char *why)
{
	struct api_error e;
	api_refuse(&e, status, status == 503 ? "unavailable" : "malformed_request", NULL, "%s", why);
	reply_error(x, API_CHAT, &e);
}

static void on_health(struct gateway *g, struct http_exchange *x)
{
	static const char text[] = "{\"status\":\"ok\"}";
	metrics_status(200);
	http_reply(x, 200, "application/json", "", text, sizeof text - 1);
}

static void on_openapi(struct gateway *g, struct http_exchange *x)
{
	struct jsonw w;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	openapi_write(&w);
	reply_json(x, "", &w);
	jsonw_fini(&w);
}

/* Whatever the page were made to hold: a browser loads and runs nothing for it. */
static void on_docs(struct gateway *g, struct http_exchange *x)
{
	static const char policy[] = "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
				     "Referrer-Policy: no-referrer\r\n";
	struct jsonw w;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	openapi_page(&w);
	metrics_status(w.full ? 500 : 200);
	http_reply(x, w.full ? 500 : 200, "text/html; charset=utf-8", policy, w.full ? "" : w.buf,
		w.full ? 0 : w.len);
	jsonw_fini(&w);
}

static void on_chat(struct gateway *g, struct http_exchange *x)
{
	gateway_answer_begin(g, x, API_CHAT);
}

static void on_completion(struct gateway *g, struct http_exchange *x)
{
	gateway_answer_begin(g, x, API_COMPLETION);
}

static void on_messages(struct gateway *g, struct http_exchange *x)
{
	gateway_answer_begin(g, x, API_MESSAGES);
}

static void on_responses(struct gateway *g, struct http_exchange *x)
{
	gateway_answer_begin(g, x, API_RESPONSES);
}

static void on_count(struct gateway *g, struct http_exchange *x)
{
	gateway_answer_begin(g, x, API_COUNT);
}

static void on_tokenize(struct gateway *g, struct http_exchange *x)
{
	gateway_answer_begin(g, x, API_TOKENIZE);
}

static const struct route {
	const char *method, *path;
	u32 use; /* enum access_use that it takes; 0: anybody may ask */
	void (*serve)(struct gateway *g, struct http_exchange *x);
} routes[] = {
	{ "GET", "/health", 0, on_health },
	{ "GET", "/openapi.json", 0, on_openapi },
	{ "GET", "/docs", 0, on_docs },
	{ "GET", "/v1/models", USE_LIST, gateway_models_answer },
	{ "POST", "/v1/chat/completions", USE_GENERATE, on_chat },
	{ "POST", "/v1/completions", USE_GENERATE, on_completion },
	{ "POST", "/v1/messages", USE_GENERATE, on_messages },
	{ "POST", "/v1/messages/count_tokens", USE_COUNT, on_count },
	{ "POST", "/v1/responses", USE_GENERATE, on_responses },
	{ "POST", "/tokenize", USE_COUNT, on_tokenize },
};

u32 routes_use(const struct http_head *h)
{
	if (console_has(h))
		return console_use(h);
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (http_str_is(h->path, routes[i].path))
			return routes[i].use;
	return 0;
}

void routes_serve(void *ctx, struct http_exchange *x)
{
	struct gateway *g = ctx;
	struct api_error e;
	const struct route *path = NULL;
	if (console_has(x->head)) {
		console_serve(g, x);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!http_str_is(x->head->path, routes[i].path))
			continue;
		path = &routes[i];
		if (http_method_is(x->head, routes[i].method)) {
			routes[i].serve(g, x);
			return;
		}
	}
	if (path) {
		api_refuse(&e, 405, "method", NULL, "%s is asked for with %s", path->path, path->method);
		bool get = !strcmp(path->method, "GET");
		reply_error_with(x, API_CHAT, &e, http_allow(get, !get));
		return;
	}
	api_refuse(&e, 404, "path", NULL, "there is no %.*s here", (int)MIN(x->head->path.len, 100u),
		x->head->path.s);
	reply_error(x, API_CHAT, &e);
}
