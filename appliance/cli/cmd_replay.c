#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/jsonw.h"
#include "cli/model.h"
#include "cli/replay.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_RECORDS	512u /* records looked at per query when the outcome is sought */
#define SHOWN_DIGITS	32u
#define OUTCOME_TRIES	5u
#define OUTCOME_WAIT_US 100000u

struct replay {
	u64 index; /* of the request's record */
	json_t *request, *outcome, *session;
	bool json;
	u8 *blob; /* the request: saved by somebody, or kept by keepd */
	size_t len;
	bool salted; /* the records show commitments */
	u8 salt[SHA256_BYTES];
	u32 *ids; /* streamed by this run */
	size_t n_ids, cap_ids;
	bool failed;
};

static void fini(struct replay *p)
{
	json_decref(p->request);
	json_decref(p->outcome);
	json_decref(p->session);
	free(p->blob);
	free(p->ids);
}

static int get_record(struct ctl *k, u64 index, json_t **ret)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	bool bad = false;
	int r = ctl_query(k, &(struct ctl_query){ .what = QUERY_RECORD, .first = index, .count = 1 }, &a);
	if (r)
		return r;
	struct lines l = lines_of(&a.data);
	*ret = lines_next(&l, &bad);
	return *ret ? 0
		    : out_fail(CLI_UNDECIDED, "record %llu: keepd's answer is malformed",
			      (unsigned long long)index);
}

/* The record that answers this intent; it comes later in the log. *ret stays NULL when it is not there yet. */
static int seek_outcome(struct ctl *k, u64 intent, json_t **ret)
{
	bool bad = false;
	for (u64 from = intent + 1;; from += PAGE_RECORDS) {
		_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
		u64 got = 0;
		int r = ctl_query(k,
			&(struct ctl_query){ .what = QUERY_RECORDS, .first = from, .count = PAGE_RECORDS },
			&a);
		if (r)
			return r;
		struct lines l = lines_of(&a.data);
		for (json_t *j; (j = lines_next(&l, &bad)); json_decref(j), got++) {
			if (!json_object_get(j, "intent") || lines_u64(j, "intent") != intent)
				continue;
			*ret = j;
			return 0;
		}
		if (bad)
			return out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
		if (got < PAGE_RECORDS)
			return 0;
	}
}

/* The client has its answer a moment before the outcome is recorded: look again for a while. */
static int find_outcome(struct ctl *k, u64 intent, json_t **ret)
{
	for (u32 i = 0; i < OUTCOME_TRIES; i++) {
		int r = seek_outcome(k, intent, ret);
		if (r || *ret)
			return r;
		usleep(OUTCOME_WAIT_US);
	}
	return out_fail(CLI_REFUSED, "request %llu has no outcome yet", (unsigned long long)intent);
}

/* Both records, whichever of them was named. */
static int find(struct ctl *k, u64 index, struct replay *p)
{
	_cleanup_json_ json_t *j = NULL;
	int r = get_record(k, index, &j);
	if (r)
		return r;
	struct cell event = lines_cell(j, "event");
	p->index = strcmp(event.s, "outcome") ? index : lines_u64(j, "intent");
	if (strcmp(event.s, "outcome") && strcmp(event.s, "request"))
		return out_fail(CLI_REFUSED, "record %llu is no request but \"%s\"",
			(unsigned long long)index, event.s);
	r = get_record(k, p->index, &p->request);
	r = r ? r : get_record(k, lines_u64(p->request, "session"), &p->session);
	r = r ? r : find_outcome(k, p->index, &p->outcome);
	if (r)
		return r;
	event = lines_cell(p->outcome, "event");
	if (strcmp(event.s, "outcome"))
		return out_fail(CLI_REFUSED, "request %llu never had an outcome: %s",
			(unsigned long long)p->index, lines_cell(p->outcome, "why").s);
	return 0;
}

/* Where the records show commitments: their salt, and the request itself if it was kept. */
static int open_texts(struct ctl *k, struct replay *p, bool want_request)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	struct text t;
	if (!json_object_get(p->request, "texts"))
		return 0;
	int r = text_ask(k, p->index, &a, &t);
	if (r)
		return r;
	p->salted = true;
	memcpy(p->salt, t.h.salt, sizeof p->salt);
	if (!want_request || !t.h.kept)
		return 0;
	p->blob = malloc(MAX(t.h.bytes, (u64)1));
	if (!p->blob)
		return out_fail(CLI_UNDECIDED, "out of memory");
	memcpy(p->blob, t.data, t.h.bytes);
	p->len = t.h.bytes;
	return 0;
}

/* A digest as the records show it. */
static void shown(const struct replay *p, const u8 digest[SHA256_BYTES], char ret_hex[2 * SHA256_BYTES + 1])
{
	if (p->salted)
		text_shown(p->salt, digest, ret_hex);
	else
		bytes_hex(digest, SHA256_BYTES, ret_hex);
}

static int check_request(const struct replay *p, const char *path)
{
	u8 digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct cell want = lines_cell(p->request, "digest");
	sha256_of(p->blob, p->len, digest);
	shown(p, digest, hex);
	if (strcmp(hex, want.s))
		return out_fail(CLI_REFUSED,
			"%s: is not request %llu: its digest is %.16s..., recorded is %.16s...", path,
			(unsigned long long)p->index, hex, want.s);
	return 0;
}

static void on_tokens(void *ctx, const struct proto_tokens *t)
{
	struct replay *p = ctx;
	if (p->n_ids + t->n_tokens > p->cap_ids) {
		size_t cap = MAX(p->cap_ids * 2, (size_t)1024);
		u32 *q = realloc(p->ids, cap * sizeof *q);
		if (!q) {
			p->failed = true;
			return;
		}
		p->ids = q;
		p->cap_ids = cap;
	}
	memcpy(p->ids + p->n_ids, t->tokens, t->n_tokens * sizeof(u32));
	p->n_ids += t->n_tokens;
}

/* An answer that was cut off from outside is compared as far as it went. */
static bool cut_off(const struct replay *p)
{
	struct cell f = lines_cell(p->outcome, "finish");
	return !strcmp(f.s, "cancelled") || !strcmp(f.s, "revoked");
}

static bool compare(
	const struct replay *p, const struct session_result *res, char ret_hex[2 * SHA256_BYTES + 1])
{
	u64 n = lines_u64(p->outcome, "n_generated");
	u8 digest[SHA256_BYTES];
	memcpy(digest, res->outcome.tokens, sizeof digest);
	if (cut_off(p) && n <= p->n_ids)
		sha256_of(p->ids, n * sizeof(u32), digest);
	shown(p, digest, ret_hex);
	return !strcmp(ret_hex, lines_cell(p->outcome, "tokens").s);
}

static void put_side(struct jsonw *w, const char *name, u64 index, const char *tokens, const char *finish,
	const char *device, const char *kernel_set)
{
	jsonw_key(w, name);
	jsonw_object(w);
	jsonw_kv_u64(w, "index", index);
	jsonw_kv_str(w, "tokens", tokens);
	jsonw_kv_str(w, "finish", finish);
	jsonw_kv_str(w, "device", device);
	jsonw_kv_str(w, "kernel_set", kernel_set);
	jsonw_object_end(w);
}

static int say(const struct replay *p, const struct session_result *res)
{
	char hex[2 * SHA256_BYTES + 1], set[2 * SHA256_BYTES + 1];
	bool equal = compare(p, res, hex);
	const char *finish = session_finish_name(res->outcome.finish);
	struct cell tokens = lines_cell(p->outcome, "tokens"), dev = lines_cell(p->outcome, "device"),
		    ks = lines_cell(p->outcome, "kernel_set"), fin = lines_cell(p->outcome, "finish");
	bytes_hex(res->outcome.kernel_set, sizeof res->outcome.kernel_set, set);
	if (p->json) {
		char buf[4096];
		struct jsonw w;
		jsonw_init(&w, buf, sizeof buf);
		jsonw_object(&w);
		jsonw_kv_u64(&w, "request", p->index);
		jsonw_kv_bool(&w, "equal", equal);
		put_side(&w, "recorded", lines_u64(p->outcome, "index"), tokens.s, fin.s, dev.s, ks.s);
		put_side(&w, "replayed", res->index, hex, finish, res->outcome.device, set);
		jsonw_object_end(&w);
		puts(w.full ? "{}" : buf);
		return equal ? CLI_DONE : CLI_REFUSED;
	}
	struct out_table t = { .n_cols = 3 };
	char a[32], b[32];
	/* a digest's first digits are enough for eyes; --json has all */
	ks.s[SHOWN_DIGITS] = set[SHOWN_DIGITS] = tokens.s[SHOWN_DIGITS] = hex[SHOWN_DIGITS] = 0;
	snprintf(a, sizeof a, "record %llu", (unsigned long long)lines_u64(p->outcome, "index"));
	snprintf(b, sizeof b, "record %llu", (unsigned long long)res->index);
	out_table_row(&t, "", "RECORDED", "REPLAYED", NULL);
	out_table_row(&t, "log", a, b, NULL);
	out_table_row(&t, "finish", fin.s, finish, NULL);
	out_table_row(&t, "device", dev.s, res->outcome.device, NULL);
	out_table_row(&t, "kernels", ks.s, set, NULL);
	out_table_row(&t, "tokens", tokens.s, hex, NULL);
	out_table_print(&t);
	printf("%s%s%s: request %llu%s\n", out_style(1, equal ? OUT_GOOD : OUT_BAD),
		equal ? "equal" : "different", out_style(1, OUT_PLAIN), (unsigned long long)p->index,
		cut_off(p) ? " (compared as far as the recorded answer went)" : "");
	return equal ? CLI_DONE : CLI_REFUSED;
}

static int run_again(struct ctl *k, struct replay *p)
{
	_cleanup_session_ struct session s = SESSION_NONE;
	_cleanup_result_ struct session_result res = SESSION_RESULT_NONE;
	struct cell model = lines_cell(p->request, "model"), kv = lines_cell(p->outcome, "kv_mode");
	u32 kv_mode = !strcmp(kv.s, "f32") || !strcmp(kv.s, "1") ? KV_F32 : KV_F16;
	model.s[NAME_LEN_MAX] = 0;
	const struct session_want w = { .model = model.s,
		.kv_mode = kv_mode,
		.ctx_tokens = (u32)MIN(lines_u64(p->session, "ctx_tokens"), (u64)CTX_TOKENS_MAX) };
	int r = session_open(k, &w, &s);
	r = r ? r
	      : session_run(&s,
			&(struct session_request){ .data = p->blob,
				.len = p->len,
				.replay_of = p->index,
				.on_tokens = on_tokens,
				.ctx = p },
			&res);
	if (r)
		return r;
	if (p->failed)
		return out_fail(CLI_UNDECIDED, "out of memory");
	if (res.outcome.finish == FINISH_CANCELLED)
		return out_fail(CLI_REFUSED, "cancelled");
	return say(p, &res);
}

int replay_run(struct cli *c, int argc, char **argv)
{
	const char *path = NULL;
	struct replay p = { 0 };
	u64 index;
	int n;
	const struct opt opts[] = { { "--request", OPT_STR, &path, NULL },
		{ "--json", OPT_FLAG, &p.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (opt_u64(argv[0], UINT64_MAX - 1, &index))
		return out_usage(c, "%s: not the index of a record", argv[0]);
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : find(&k, index, &p);
	r = r ? r : open_texts(&k, &p, !path);
	if (r == 0 && !path && !p.blob)
		r = out_fail(CLI_REFUSED,
			"request %llu: the log keeps no text of it; --request F gives the request that "
			"\"keep run --save-request F\" saved",
			(unsigned long long)p.index);
	r = r || p.blob ? r : model_read_file(path, REQUEST_BYTES_MAX, &p.blob, &p.len);
	r = r ? r : check_request(&p, path ? path : "what was kept");
	r = r ? r : run_again(&k, &p);
	fini(&p);
	return r;
}
