#define _GNU_SOURCE
#include "base/jsonw.h"
#include "cli/ask.h"
#include "cli/bench.h"
#include "cli/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT_DEFAULT	 512u
#define GENERATE_DEFAULT 128u
#define REPEAT_DEFAULT	 3u
#define PARALLEL_DEFAULT "1,2,4,8"
#define WARM_PROMPT	 STEP_PROMPT_ROWS /* enough for one full step, so that every buffer was touched */
#define WARM_GENERATE	 4u
#define SPARE_POSITIONS	 256u /* of each sequence: the cache is taken in pages */
#define LINES_MAX	 (3 + 3 * BENCH_LIST_MAX)

/* One line of the table: what was measured, in which unit, every sample. */
struct line {
	const char *what, *unit;
	u32 n;
	double v[BENCH_REPEAT_MAX];
};

struct list {
	u32 v[BENCH_LIST_MAX], n;
};

struct bench {
	u32 prompt, generate, repeat, kv;
	struct list parallel, sweep;
	bool json;
	struct session session;
	u64 random;
	u64 first_index, last_index, n_requests, n_cached;
	struct proto_outcome outcome; /* the latest */
	struct line lines[LINES_MAX];
	u32 n_lines;
	u64 weight_bytes, kv_bytes, work_bytes, load_ns, token_bytes;
	char kind[32]; /* of the device; "" not known */
	struct bench_read read;
	bool reads; /* the device reads the memory that the loop reads */
	double share;
};

/* ---- requests ---- */

struct shot {
	u32 at_once, prompt, generate;
};
struct timing {
	u64 wall_ns, first_ns; /* seen here: until the last DONE, until the first token of the first answer */
	double prompt_rate, generate_rate; /* of the first request, as recorded */
};

static void on_tokens(void *ctx, const struct proto_tokens *t)
{
	u64 *first = ctx;
	if (!*first && t->n_tokens)
		*first = bench_now_ns();
}

static int make_request(struct bench *b, const struct shot *p, u8 **ret, size_t *ret_len)
{
	_cleanup_free_ u32 *ids = malloc(p->prompt * sizeof *ids);
	const struct request_header h = { .kind = REQUEST_GENERATE,
		.flags = REQUEST_RAW | REQUEST_IGNORE_EOS,
		.max_tokens = p->generate,
		.top_p = 1,
		.repeat_penalty = 1 };
	if (!ids)
		return out_fail(CLI_UNDECIDED, "out of memory");
	bench_prompt(&b->random, b->session.layout.h->n_vocab, ids, p->prompt);
	return ask_text(&h, REQUEST_TOKENS, ids, p->prompt * sizeof *ids, ret, ret_len);
}

static double per_second(u64 n, u64 ns)
{
	return ns ? (double)n * 1e9 / (double)ns : 0;
}

static int account(struct bench *b, const struct shot *p, const struct session_result *res)
{
	const struct proto_outcome *o = &res->outcome;
	if (o->finish == FINISH_CANCELLED)
		return out_fail(CLI_REFUSED, "cancelled");
	if (o->n_prompt != p->prompt || o->n_generated != p->generate)
		return out_fail(CLI_UNDECIDED,
			"the runtime took %u and made %u tokens; it was asked for %u and %u", o->n_prompt,
			o->n_generated, p->prompt, p->generate);
	b->first_index = b->n_requests ? MIN(b->first_index, res->index) : res->index;
	b->last_index = MAX(b->last_index, res->index);
	b->n_requests++;
	b->n_cached += o->n_cached;
	b->outcome = *o;
	return 0;
}

/* p->at_once requests together, to the end of the last. */
static int shoot(struct bench *b, const struct shot *p, struct timing *ret)
{
	struct session_request q[BATCH_REQUESTS_MAX] = { 0 };
	struct session_result res[BATCH_REQUESTS_MAX] = { 0 };
	u8 *blob[BATCH_REQUESTS_MAX] = { 0 };
	u64 first[BATCH_REQUESTS_MAX] = { 0 };
	int r = 0;
	assert(p->at_once > 0 && p->at_once <= BATCH_REQUESTS_MAX);
	for (u32 i = 0; i < p->at_once && r == 0; i++) {
		r = make_request(b, p, &blob[i], &q[i].len);
		q[i].data = blob[i];
		q[i].replay_of = REPLAY_NONE;
		q[i].on_tokens = on_tokens;
		q[i].ctx = &first[i];
	}
	u64 start = bench_now_ns();
	r = r ? r : session_run_all(&b->session, q, p->at_once, res);
	u64 end = bench_now_ns();
	for (u32 i = 0; i < p->at_once; i++) {
		r = r ? r : account(b, p, &res[i]);
		session_result_fini(&res[i]);
		free(blob[i]);
	}
	if (r)
		return r;
	const struct proto_outcome *o = &res[0].outcome;
	*ret = (struct timing){ .wall_ns = end - start,
		.first_ns = (first[0] ? first[0] : end) - start,
		.prompt_rate = per_second(o->n_prompt - o->n_cached, o->prompt_ns),
		.generate_rate = per_second(o->n_generated - 1, o->generate_ns) };
	return 0;
}

/* ---- the plan: every round measures every line once, so that a disturbance of the machine meets all of them ---- */

static struct line *line_new(struct bench *b, const char *what, u32 n, const char *unit)
{
	assert(b->n_lines < LINES_MAX);
	struct line *l = &b->lines[b->n_lines++];
	*l = (struct line){ .what = what, .n = n, .unit = unit };
	return l;
}

static void plan(struct bench *b)
{
	line_new(b, "prompt", b->prompt, "tok/s");
	line_new(b, "first token", b->prompt, "ms");
	line_new(b, "generate", b->generate, "tok/s");
	for (u32 i = 0; i < b->parallel.n; i++)
		line_new(b, "at once", b->parallel.v[i], "tok/s");
	for (u32 i = 0; i < b->sweep.n; i++) {
		line_new(b, "context prompt", b->sweep.v[i], "tok/s");
		line_new(b, "context first token", b->sweep.v[i], "ms");
		line_new(b, "context generate", b->sweep.v[i], "tok/s");
	}
}

static int round_of(struct bench *b, u32 k)
{
	struct line *l = b->lines;
	struct timing t;
	int r = shoot(b, &(struct shot){ 1, b->prompt, 1 }, &t);
	if (r)
		return r;
	l++->v[k] = t.prompt_rate;
	l++->v[k] = (double)t.first_ns / 1e6;
	if ((r = shoot(b, &(struct shot){ 1, 1, b->generate }, &t)))
		return r;
	l++->v[k] = t.generate_rate;
	for (u32 i = 0; i < b->parallel.n; i++) {
		u32 n = b->parallel.v[i];
		if ((r = shoot(b, &(struct shot){ n, b->prompt, b->generate }, &t)))
			return r;
		l++->v[k] = per_second((u64)n * (b->prompt + b->generate), t.wall_ns);
	}
	for (u32 i = 0; i < b->sweep.n; i++) {
		if ((r = shoot(b, &(struct shot){ 1, b->sweep.v[i], b->generate }, &t)))
			return r;
		l++->v[k] = t.prompt_rate;
		l++->v[k] = (double)t.first_ns / 1e6;
		l++->v[k] = t.generate_rate;
	}
	if (b->reads && (r = bench_read_sample(&b->read, k)))
		return out_fail(CLI_UNDECIDED, "the read loop: %s", out_reason(r));
	return 0;
}

/* What keepd knows of the grant. */
static int ask_grant(struct bench *b, struct ctl *k)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	bool bad = false;
	int r = ctl_query(k, &(struct ctl_query){ .what = QUERY_STATUS }, &a);
	if (r)
		return r;
	struct lines l = lines_of(&a.data);
	_cleanup_json_ json_t *j = lines_next(&l, &bad);
	size_t i;
	json_t *g;
	json_array_foreach(json_object_get(j, "grants"), i, g)
	{
		if (lines_u64(g, "grant") != b->session.open.grant)
			continue;
		b->weight_bytes = lines_u64(g, "weight_bytes");
		b->kv_bytes = lines_u64(g, "kv_bytes");
		b->work_bytes = lines_u64(g, "work_bytes");
		b->load_ns = lines_u64(g, "load_ns");
		return 0;
	}
	return out_fail(CLI_UNDECIDED, "keepd: it does not list the grant of the session");
}

static int measure(struct bench *b, struct ctl *k)
{
	struct timing t;
	u32 warm = MIN(WARM_PROMPT, b->prompt);
	out_progress("warming up", 0, 0);
	int r = ask_grant(b, k);
	r = r ? r : shoot(b, &(struct shot){ 1, warm, MIN(WARM_GENERATE, b->generate) }, &t);
	if (r)
		return r;
	b->token_bytes = bench_token_bytes(&b->session.layout);
	b->reads = bench_device_kind(b->outcome.device, b->kind) == 0 && bench_kind_is_cpu(b->kind);
	if (b->reads && (r = bench_read_open(b->token_bytes, &b->read)))
		return out_fail(CLI_UNDECIDED, "the read loop: %s", out_reason(r));
	plan(b);
	for (u32 i = 0; i < b->repeat && r == 0; i++) {
		char what[32];
		snprintf(what, sizeof what, "round %u of %u", i + 1, b->repeat);
		out_progress(what, 0, 0);
		r = round_of(b, i);
	}
	out_progress_end();
	return r;
}

/* ---- saying it ---- */

static void put_spread(struct jsonw *w, double *v, u32 n)
{
	struct bench_spread s;
	jsonw_key(w, "samples");
	jsonw_array(w);
	for (u32 i = 0; i < n; i++)
		jsonw_f64(w, v[i]);
	jsonw_array_end(w);
	s = bench_spread(v, n);
	jsonw_key(w, "median");
	jsonw_f64(w, s.median);
	jsonw_key(w, "min");
	jsonw_f64(w, s.min);
	jsonw_key(w, "max");
	jsonw_f64(w, s.max);
}

static const char *why_no_read(const struct bench *b)
{
	return b->kind[0] ? "the device does not read this machine's memory as a program does"
			  : "it is not known what kind of device computed";
}

static double share_of(struct bench *b, double *ret_best)
{
	double tokens = bench_spread(b->lines[2].v, b->repeat).median;
	*ret_best = 0;
	for (u32 i = 0; i < b->read.n; i++)
		*ret_best = MAX(*ret_best, bench_spread(b->read.gb[i], b->repeat).median);
	return (double)b->token_bytes * tokens / 1e9 / *ret_best;
}

static void put_read(struct jsonw *w, struct bench *b)
{
	double best;
	if (!b->reads) {
		jsonw_key(w, "read");
		jsonw_null(w);
		jsonw_kv_str(w, "read_why", why_no_read(b));
		return;
	}
	jsonw_key(w, "read");
	jsonw_object(w);
	jsonw_key(w, "loops");
	jsonw_array(w);
	for (u32 i = 0; i < b->read.n; i++) {
		jsonw_object(w);
		jsonw_kv_u64(w, "threads", b->read.threads[i]);
		jsonw_kv_str(w, "unit", "GB/s");
		put_spread(w, b->read.gb[i], b->repeat);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	double share = share_of(b, &best);
	jsonw_key(w, "best");
	jsonw_f64(w, best);
	jsonw_key(w, "share");
	jsonw_f64(w, share);
	jsonw_object_end(w);
}

static int print_json(struct bench *b)
{
	const struct proto_outcome *o = &b->outcome;
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	jsonw_object(&w);
	jsonw_kv_str(&w, "model", b->session.open.name);
	jsonw_kv_hex(&w, "model_digest", b->session.open.model, sizeof b->session.open.model);
	jsonw_kv_str(&w, "device", o->device);
	jsonw_kv_str(&w, "kind", b->kind[0] ? b->kind : "unknown");
	jsonw_kv_hex(&w, "kernel_set", o->kernel_set, sizeof o->kernel_set);
	jsonw_kv_u64(&w, "numerics", o->numerics);
	jsonw_kv_str(&w, "kv_mode", session_kv_name(o->kv_mode));
	jsonw_kv_u64(&w, "ctx_tokens", b->session.open.ctx_tokens);
	jsonw_kv_u64(&w, "prompt", b->prompt);
	jsonw_kv_u64(&w, "generate", b->generate);
	jsonw_kv_u64(&w, "repeat", b->repeat);
	jsonw_kv_u64(&w, "requests", b->n_requests);
	jsonw_kv_u64(&w, "first_index", b->first_index);
	jsonw_kv_u64(&w, "last_index", b->last_index);
	jsonw_kv_u64(&w, "cached_tokens", b->n_cached);
	jsonw_kv_u64(&w, "load_ns", b->load_ns);
	jsonw_kv_u64(&w, "weight_bytes", b->weight_bytes);
	jsonw_kv_u64(&w, "kv_bytes", b->kv_bytes);
	jsonw_kv_u64(&w, "work_bytes", b->work_bytes);
	jsonw_kv_u64(&w, "token_bytes", b->token_bytes);
	jsonw_key(&w, "tests");
	jsonw_array(&w);
	for (u32 i = 0; i < b->n_lines; i++) {
		jsonw_object(&w);
		jsonw_kv_str(&w, "test", b->lines[i].what);
		jsonw_kv_u64(&w, "n", b->lines[i].n);
		jsonw_kv_str(&w, "unit", b->lines[i].unit);
		put_spread(&w, b->lines[i].v, b->repeat);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	put_read(&w, b);
	return out_json(&w);
}

struct text {
	char s[32];
};
static struct text text(const char *fmt, ...) _printf_(1, 2);
static struct text text(const char *fmt, ...)
{
	struct text t;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(t.s, sizeof t.s, fmt, ap);
	va_end(ap);
	return t;
}

static void table_row(struct out_table *t, const char *what, u32 n, const char *unit, struct bench_spread s)
{
	int digits = s.median < 1000 ? 1 : 0;
	out_table_row(t, what, text("%u", n).s, text("%.*f", digits, s.median).s,
		text("%.*f", digits, s.min).s, text("%.*f", digits, s.max).s, unit, NULL);
}

static void print_people(struct bench *b)
{
	_cleanup_(out_table_fini) struct out_table t = { .n_cols = 6 };
	double best;
	printf("%s on %s, %s cache, %u positions\n", b->session.open.name, b->outcome.device,
		session_kv_name(b->outcome.kv_mode), b->session.open.ctx_tokens);
	printf("memory: weights %s, cache %s, work %s; loaded in %.2f s\n\n", out_size(b->weight_bytes).s,
		out_size(b->kv_bytes).s, out_size(b->work_bytes).s, (double)b->load_ns / 1e9);
	out_table_row(&t, "TEST", "N", "MEDIAN", "MIN", "MAX", "UNIT", NULL);
	for (u32 i = 0; i < b->n_lines; i++)
		table_row(&t, b->lines[i].what, b->lines[i].n, b->lines[i].unit,
			bench_spread(b->lines[i].v, b->repeat));
	for (u32 i = 0; i < b->read.n; i++)
		table_row(&t, "read loop, threads", b->read.threads[i], "GB/s",
			bench_spread(b->read.gb[i], b->repeat));
	out_table_print(&t);
	if (b->reads) {
		double share = share_of(b, &best);
		printf("\ngenerating reads %s a token: %.0f %% of the read loop\n",
			out_size(b->token_bytes).s, share * 100);
	} else {
		printf("\nno share of a read loop: %s\n", why_no_read(b));
	}
	printf("%llu requests through the gate, records %llu to %llu, of random tokens; %llu tokens came "
	       "from "
	       "the cache\n",
		(unsigned long long)b->n_requests, (unsigned long long)b->first_index,
		(unsigned long long)b->last_index, (unsigned long long)b->n_cached);
}

/* ---- the verb ---- */

static int parse_list(struct cli *c, const char *name, const char *s, u32 max, struct list *ret)
{
	_cleanup_free_ u32 *v = NULL;
	size_t n = 0;
	int r = *s ? opt_u32_list(s, &v, &n) : 0;
	if (r < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", name, out_reason(r));
	if (r || n > BENCH_LIST_MAX)
		return out_usage(c, "%s: \"%s\" is not a list of at most %u numbers like 1,2,4", name, s,
			BENCH_LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		if (v[i] < 1 || v[i] > max)
			return out_usage(c, "%s: from 1 to %u", name, max);
		ret->v[ret->n++] = v[i];
	}
	return 0;
}

/* -1 go on; otherwise an exit status, said. */
static int parse(struct cli *c, int argc, char **argv, struct bench *b)
{
	const char *parallel = PARALLEL_DEFAULT, *sweep = "", *kv = NULL;
	int n, r;
	const struct opt opts[] = { { "--prompt", OPT_U32, &b->prompt, NULL },
		{ "--generate", OPT_U32, &b->generate, NULL }, { "--parallel", OPT_STR, &parallel, NULL },
		{ "--ctx-sweep", OPT_STR, &sweep, NULL }, { "--repeat", OPT_U32, &b->repeat, NULL },
		{ "--kv", OPT_STR, &kv, NULL }, { "--json", OPT_FLAG, &b->json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (b->prompt < 1 || b->prompt > CTX_TOKENS_MAX)
		return out_usage(c, "--prompt: 1 to %u", CTX_TOKENS_MAX);
	if (b->generate < 2 || b->generate > CTX_TOKENS_MAX)
		return out_usage(c, "--generate: 2 to %u", CTX_TOKENS_MAX);
	if (b->repeat < 1 || b->repeat > BENCH_REPEAT_MAX)
		return out_usage(c, "--repeat: 1 to %u", BENCH_REPEAT_MAX);
	if (session_kv_parse(kv, &b->kv))
		return out_usage(c, "--kv: f32, f16 or int8");
	if ((r = parse_list(c, "--parallel", parallel, BATCH_REQUESTS_MAX, &b->parallel)) ||
		(r = parse_list(c, "--ctx-sweep", sweep, CTX_TOKENS_MAX, &b->sweep)))
		return r;
	return -1;
}

/* Positions of the context: the default, unless a request or what runs at once needs more. */
static u32 positions(const struct bench *b)
{
	u64 longest = b->prompt, at_once = 1;
	for (u32 i = 0; i < b->sweep.n; i++)
		longest = MAX(longest, (u64)b->sweep.v[i]);
	for (u32 i = 0; i < b->parallel.n; i++)
		at_once = MAX(at_once, (u64)b->parallel.v[i]);
	u64 all = at_once * ((u64)b->prompt + b->generate + SPARE_POSITIONS);
	u64 need = MAX(longest + b->generate, DIV_UP(all, (u64)KV_CONTEXTS));
	return need <= CTX_TOKENS_DEFAULT ? 0 : (u32)MIN(need, (u64)CTX_TOKENS_MAX);
}

int cmd_bench(struct cli *c, int argc, char **argv)
{
	_cleanup_free_ struct bench *b = calloc(1, sizeof *b);
	if (!b)
		return out_fail(CLI_UNDECIDED, "out of memory");
	*b = (struct bench){ .prompt = PROMPT_DEFAULT,
		.generate = GENERATE_DEFAULT,
		.repeat = REPEAT_DEFAULT,
		.session = SESSION_NONE };
	int r = parse(c, argc, argv, b);
	if (r >= 0)
		return r;
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	r = ctl_open(c, &k);
	r = r ? r
	      : session_open(&k, &(struct session_want){ argv[0], b->kv, positions(b), NULL }, &b->session);
	if (r)
		return r;
	b->random =
		b->session.open.index; /* another record, other prompts: no cache of an earlier run helps */
	r = measure(b, &k);
	if (r == 0 && b->json)
		r = print_json(b);
	else if (r == 0)
		print_people(b);
	bench_read_close(&b->read);
	session_fini(&b->session);
	return r;
}
