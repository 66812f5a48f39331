/* GET /v1/models: keepd's table of models, those that are served and that the principal may have, in the shape of the API. */
#include "gateway/question.h"

#include <jansson.h>
#include <string.h>

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

static void answer(struct gateway *g, struct http_exchange *x, const char *at, size_t len)
{
	struct jsonw w;
	const char *end = at + len;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	jsonw_object(&w);
	jsonw_kv_str(&w, "object", "list");
	jsonw_key(&w, "data");
	jsonw_array(&w);
	while (len && at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((nl ? nl : end) - at);
		model_write(&w, at, n);
		at += n + 1;
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	reply_json(x, "", &w);
	jsonw_fini(&w);
}

static void failed(struct gateway *g, struct http_exchange *x, const char *why)
{
	struct api_error e;
	api_refuse(&e, 503, "unavailable", NULL, "%s", why);
	reply_error(x, API_CHAT, &e);
}

void gateway_models_answer(struct gateway *g, struct http_exchange *x)
{
	static const struct question_fns fns = { .answer = answer, .failed = failed, .as_client = true };
	const struct proto_query q = { .what = QUERY_MODELS };
	question_ask(g, x, &q, &fns);
}
