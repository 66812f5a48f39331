/* GET /v1/models: keepd's table of models, those that are served, in the shape of the API. */
#define _GNU_SOURCE
#include "gateway/gateway.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct question {
	struct gateway *g;
	struct http_exchange *x;
	int sock;
	struct event *ev;
	struct fd_map data;
};

static void question_free(struct question *q)
{
	if (q->ev)
		event_free(q->ev);
	fd_close(&q->sock);
	fd_unmap(&q->data);
	free(q);
}

static void on_gone(struct http_exchange *x)
{
	question_free(x->ctx);
}

static void fail(struct question *q, const char *why)
{
	struct api_error e;
	struct http_exchange *x = q->x;
	x->gone = NULL;
	question_free(q);
	api_refuse(&e, 503, "unavailable", NULL, "%s", why);
	reply_error(x, API_CHAT, &e);
}

/* One line of the table, where its model is served. */
static void model_write(struct jsonw *w, const char *line, size_t len)
{
	json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *name = json_object_get(j, "name"),
	       *digest = json_object_get(j, "model"), *status = json_object_get(j, "status");
	if (json_is_string(name) && json_is_string(digest) && json_is_string(status) &&
		!strcmp(json_string_value(status), "accepted")) {
		jsonw_object(w);
		jsonw_kv_str(w, "id", json_string_value(name));
		jsonw_kv_str(w, "object", "model");
		jsonw_kv_u64(w, "created", (u64)MAX(json_integer_value(json_object_get(j, "time_s")), 0));
		jsonw_kv_str(w, "owned_by", "keep");
		jsonw_kv_str(w, "digest", json_string_value(digest));
		jsonw_object_end(w);
	}
	json_decref(j);
}

static void answer(struct question *q)
{
	struct jsonw w;
	struct http_exchange *x = q->x;
	const char *at = (const char *)q->data.data, *end = at + q->data.len;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	jsonw_object(&w);
	jsonw_kv_str(&w, "object", "list");
	jsonw_key(&w, "data");
	jsonw_array(&w);
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((nl ? nl : end) - at);
		model_write(&w, at, n);
		at += n + 1;
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	x->gone = NULL;
	reply_json(x, "", &w);
	jsonw_fini(&w);
	question_free(q);
}

static void on_frame(evutil_socket_t fd, short what, void *ctx)
{
	static const struct ipc_rule rules[] = {
		{ .type = CTL_DATA, .state = 1, .len = sizeof(struct proto_data), .wants_fd = true },
		{ .type = CTL_END, .state = 1, .len = sizeof(struct proto_end) },
	};
	struct question *q = ctx;
	struct ipc_frame f;
	u64 seen = 0;
	int r = ipc_recv(q->sock, &f);
	if (r == 2)
		return;
	bool ok = r == 0 && ipc_match(rules, ARRAY_LEN(rules), 1, &seen, &f),
	     over = ok && f.h.type == CTL_END;
	if (ok && !over) {
		fd_unmap(&q->data);
		ok = !fd_map_sealed(f.fd, SIZE_MAX, &q->data);
	}
	if (r == 0)
		ipc_frame_fini(&f);
	if (over)
		answer(q);
	else if (!ok)
		fail(q, "the gate did not answer");
}

static int ask(struct question *q)
{
	struct proto_query b = { .what = QUERY_MODELS };
	int r = ipc_connect(q->g->run_dir, "ctl.sock", &q->sock);
	if (!r && fcntl(q->sock, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	r = r ? r : ipc_send(q->sock, CTL_QUERY, 0, &b, sizeof b, -1);
	if (r)
		return r;
	q->ev = event_new(q->g->base, q->sock, EV_READ | EV_PERSIST, on_frame, q);
	return q->ev && !event_add(q->ev, NULL) ? 0 : -ENOMEM;
}

void gateway_models_answer(struct gateway *g, struct http_exchange *x)
{
	struct api_error e;
	struct question *q = calloc(1, sizeof *q);
	if (!q) {
		api_refuse(&e, 503, NULL, NULL, "out of memory");
		reply_error(x, API_CHAT, &e);
		return;
	}
	*q = (struct question){ .g = g, .x = x, .sock = -1 };
	x->ctx = q;
	x->gone = on_gone;
	if (ask(q))
		fail(q, "the gate does not answer");
}
