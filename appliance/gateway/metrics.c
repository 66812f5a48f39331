#define _GNU_SOURCE
#include "gateway/metrics.h"
#include "gateway/question.h"

#include <event2/buffer.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#define NS 1e9

/* Seconds to a first token: bounds of the histogram. */
static const f64 bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 };

static const u32 codes[] = { 200, 400, 401, 403, 404, 405, 408, 413, 417, 429, 431, 500, 501, 503, 505 };

static struct {
	u64 code[ARRAY_LEN(codes) + 1]; /* the last: any other */
	u64 gone, spent, refused, undecided;
	u64 first[ARRAY_LEN(bounds) + 1], first_n, first_ns;
	u64 answers, prompt, cached, generated;
} m;

u64 metrics_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

void metrics_status(u32 status)
{
	size_t i = 0;
	while (i < ARRAY_LEN(codes) && codes[i] != status)
		i++;
	m.code[i]++;
}

void metrics_gone(void)
{
	m.gone++;
}

void metrics_refused(u32 end_status)
{
	m.spent += end_status == END_SPENT;
	m.refused += end_status == END_REFUSED;
	m.undecided += end_status == END_UNDECIDED;
}

void metrics_first_token(u64 ns)
{
	size_t i = 0;
	while (i < ARRAY_LEN(bounds) && (f64)ns > bounds[i] * NS)
		i++;
	m.first[i]++;
	m.first_n++;
	m.first_ns += ns;
}

void metrics_outcome(const struct proto_outcome *o)
{
	m.answers++;
	m.prompt += o->n_prompt;
	m.cached += o->n_cached;
	m.generated += o->n_generated;
}

/* ---- the text -------------------------------------------------------------------------------------------------------------- */

enum kind { COUNTER, GAUGE, HISTOGRAM };

static void head(struct evbuffer *b, const char *name, enum kind kind, const char *help)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	evbuffer_add_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

static void one(struct evbuffer *b, const char *name, enum kind kind, const char *help, f64 v)
{
	head(b, name, kind, help);
	evbuffer_add_printf(b, "%s %.15g\n", name, v);
}

static void put_codes(struct evbuffer *b)
{
	head(b, "keep_http_responses_total", COUNTER, "Replies of the gateway by status of HTTP.");
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		evbuffer_add_printf(b, "keep_http_responses_total{code=\"%u\"} %llu\n", codes[i],
			(unsigned long long)m.code[i]);
	evbuffer_add_printf(b, "keep_http_responses_total{code=\"other\"} %llu\n",
		(unsigned long long)m.code[ARRAY_LEN(codes)]);
}

static void put_first(struct evbuffer *b)
{
	static const char name[] = "keep_first_token_seconds";
	u64 sum = 0;
	head(b, name, HISTOGRAM, "From the last byte of a request to its first token.");
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		sum += m.first[i];
		evbuffer_add_printf(
			b, "%s_bucket{le=\"%g\"} %llu\n", name, bounds[i], (unsigned long long)sum);
	}
	evbuffer_add_printf(b, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
		(unsigned long long)m.first_n, name, (f64)m.first_ns / NS, name,
		(unsigned long long)m.first_n);
}

static void put_own(struct evbuffer *b, const struct gateway *g)
{
	one(b, "keep_http_connections", GAUGE, "Connections of clients to the gateway.",
		http_connections(g->http));
	one(b, "keep_gateway_seats", GAUGE, "Principals times models that have a session.",
		seats_count(g->seats));
	put_codes(b);
	one(b, "keep_http_clients_gone_total", COUNTER, "Clients that hung up before their answer was over.",
		(f64)m.gone);
	head(b, "keep_gate_refusals_total", COUNTER, "Requests that the gate did not let through.");
	evbuffer_add_printf(b,
		"keep_gate_refusals_total{reason=\"quota\"} "
		"%llu\nkeep_gate_refusals_total{reason=\"refused\"} "
		"%llu\nkeep_gate_refusals_total{reason=\"undecided\"} %llu\n",
		(unsigned long long)m.spent, (unsigned long long)m.refused, (unsigned long long)m.undecided);
	put_first(b);
	one(b, "keep_http_answers_total", COUNTER, "Answers that came to their end.", (f64)m.answers);
	one(b, "keep_http_prompt_tokens_total", COUNTER, "Tokens of prompts of these answers.",
		(f64)m.prompt);
	one(b, "keep_http_cached_tokens_total", COUNTER, "Of these, found in the cache.", (f64)m.cached);
	one(b, "keep_http_generated_tokens_total", COUNTER, "Tokens that these answers have.",
		(f64)m.generated);
}

/* Where a number stands in keepd's status, and what it is called here. */
static const struct row {
	const char *object, *key; /* object "": at the top */
	const char *name, *help;
	enum kind kind;
	f64 scale;
} rows[] = {
	{ "totals", "prompt_tokens", "llamacpp:prompt_tokens_total", "Number of prompt tokens processed.",
		COUNTER, 1 },
	{ "totals", "prompt_ns", "llamacpp:prompt_seconds_total", "Prompt process time.", COUNTER, NS },
	{ "totals", "generated_tokens", "llamacpp:tokens_predicted_total",
		"Number of generation tokens processed.", COUNTER, 1 },
	{ "totals", "generate_ns", "llamacpp:tokens_predicted_seconds_total", "Predict process time.",
		COUNTER, NS },
	{ "", "requests_running", "llamacpp:requests_processing", "Number of requests processing.", GAUGE,
		1 },
	{ "", "requests_waiting", "llamacpp:requests_deferred", "Number of requests deferred.", GAUGE, 1 },
	{ "", "prompt_tokens_s", "keep_prompt_tokens_now", "Tokens of prompts a second, just now.", GAUGE,
		1 },
	{ "", "generated_tokens_s", "keep_generated_tokens_now", "Tokens of answers a second, just now.",
		GAUGE, 1 },
	{ "totals", "cached_tokens", "keep_cached_tokens_total",
		"Tokens of prompts that were found in the cache.", COUNTER, 1 },
	{ "totals", "drafted_tokens", "llamacpp:spec_decode_num_draft_tokens_total",
		"Guesses at the next tokens that were computed along.", COUNTER, 1 },
	{ "totals", "accepted_tokens", "llamacpp:spec_decode_num_accepted_tokens_total",
		"Of these, guesses that were right, so that a step said several tokens.", COUNTER, 1 },
	{ "totals", "model_drafted_tokens", "keep_draft_model_tokens_total",
		"Of the guesses that were computed along, those of draft models.", COUNTER, 1 },
	{ "totals", "model_accepted_tokens", "keep_draft_model_accepted_tokens_total",
		"Of the guesses of draft models, those that were right.", COUNTER, 1 },
	{ "totals", "set_aside", "keep_set_aside_total",
		"How often an answer was set aside for want of cache, and went on later.", COUNTER, 1 },
	{ "totals", "requests", "keep_requests_total", "Requests that the gate let through since it started.",
		COUNTER, 1 },
	{ "totals", "spent", "keep_quota_refusals_total",
		"Requests that a quota refused since the gate started.", COUNTER, 1 },
	{ "totals", "sync_ns", "keep_log_sync_seconds",
		"What a commit of the log takes with its sync, the mean of the last few.", GAUGE, NS },
	{ "", "log_size", "keep_log_records", "Records of the log.", GAUGE, 1 },
	{ "", "log_unread", "keep_log_unread_records",
		"Records that have not been verified again since the start.", GAUGE, 1 },
	{ "", "witnessed_size", "keep_log_witnessed_records", "Records that enough witnesses have cosigned.",
		GAUGE, 1 },
	{ "", "witnessed_age_s", "keep_log_witnessed_age_seconds", "Age of the newest cosigned checkpoint.",
		GAUGE, 1 },
	{ "", "disk_free", "keep_disk_free_bytes", "Free bytes of the log's medium.", GAUGE, 1 },
	{ "", "disk_kept", "keep_disk_kept_bytes", "Of these, kept for the log.", GAUGE, 1 },
	{ "", "disk_reserve", "keep_disk_reserve_bytes", "Bytes of the reserve.", GAUGE, 1 },
	{ "", "models", "keep_models", "Models in the store.", GAUGE, 1 },
	{ "", "pending", "keep_proposals", "Proposals that wait for a second person.", GAUGE, 1 },
	{ "", "uptime_s", "keep_gate_uptime_seconds", "Since the gate was started.", GAUGE, 1 },
	{ "clock", "behind_s", "keep_clock_behind_seconds",
		"How far the wall clock is behind the floor clock.", GAUGE, 1 },
};

static bool number(const json_t *status, const char *object, const char *key, f64 *ret)
{
	const json_t *v = json_object_get(*object ? json_object_get(status, object) : status, key);
	*ret = json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
	return json_is_number(v) || json_is_boolean(v);
}

static void put_rates(struct evbuffer *b, const json_t *status)
{
	static const char *const names[][2] = { { "llamacpp:prompt_tokens_seconds",
							"Average prompt throughput in tokens/s." },
		{ "llamacpp:predicted_tokens_seconds", "Average generation throughput in tokens/s." } };
	static const char *const keys[][2] = { { "prompt_tokens", "prompt_ns" },
		{ "generated_tokens", "generate_ns" } };
	for (u32 i = 0; i < 2; i++) {
		f64 n = 0, ns = 0;
		if (number(status, "totals", keys[i][0], &n) && number(status, "totals", keys[i][1], &ns))
			one(b, names[i][0], GAUGE, names[i][1], ns > 0 ? n / ns * NS : 0);
	}
}

static void put_status(struct evbuffer *b, const json_t *status)
{
	f64 v;
	const char *gate = json_string_value(json_object_get(status, "gate"));
	const char *version = json_string_value(json_object_get(status, "version"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (number(status, rows[i].object, rows[i].key, &v))
			one(b, rows[i].name, rows[i].kind, rows[i].help, v / rows[i].scale);
	put_rates(b, status);
	one(b, "keep_gate_open", GAUGE, "1 while the gate lets requests through.",
		gate && !strcmp(gate, "open"));
	one(b, "keep_runtime_connected", GAUGE, "1 while a runtime is connected.",
		number(status, "", "runtime", &v) && v > 0);
	one(b, "keep_grants", GAUGE, "Models that are loaded, or on their way.",
		(f64)json_array_size(json_object_get(status, "grants")));
	one(b, "keep_sessions", GAUGE, "Sessions with runtimes.",
		(f64)json_array_size(json_object_get(status, "sessions")));
	if (version && strspn(version, "0123456789.abcdefghijklmnopqrstuvwxyz-+~") == strlen(version)) {
		head(b, "keep_build_info", GAUGE, "Always 1; the label says which version.");
		evbuffer_add_printf(b, "keep_build_info{version=\"%s\"} 1\n", version);
	}
}

/* ---- the listener ---------------------------------------------------------------------------------------------------------- */

static void send_all(struct gateway *g, struct http_exchange *x, const json_t *status)
{
	struct evbuffer *b = evbuffer_new();
	if (!b) {
		http_reply(x, 503, "text/plain", "", "", 0);
		return;
	}
	one(b, "keep_gate_up", GAUGE, "1 when the gate answers.", status != NULL);
	put_own(b, g);
	if (status)
		put_status(b, status);
	size_t n = evbuffer_get_length(b);
	http_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", "", evbuffer_pullup(b, -1), n);
	evbuffer_free(b);
}

static void answer(struct gateway *g, struct http_exchange *x, const char *data, size_t len)
{
	json_t *status = json_loadb(data, len, JSON_DISABLE_EOF_CHECK, NULL);
	send_all(g, x, json_is_object(status) ? status : NULL);
	json_decref(status);
}

/* A gate that does not answer is what a monitor wants to hear of: the rest is said all the same. */
static void failed(struct gateway *g, struct http_exchange *x, const char *why)
{
	send_all(g, x, NULL);
}

void metrics_serve(void *ctx, struct http_exchange *x)
{
	static const struct question_fns fns = { .answer = answer, .failed = failed };
	const struct proto_query q = { .what = QUERY_STATUS };
	if (!http_str_is(x->head->path, "/metrics"))
		http_reply(x, 404, "text/plain", "", "only /metrics is here\n", 22);
	else if (!http_method_is(x->head, "GET"))
		http_reply(x, 405, "text/plain", http_allow(true, false), "GET is the way\n", 15);
	else
		question_ask(ctx, x, &q, &fns);
}
