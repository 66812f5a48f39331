#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/jsonw.h"
#include "cli/model.h"
#include "cli/replay.h"
#include "cli/replay_compare.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_RECORDS	512u /* records looked at per query when the outcome is sought */
#define SHOWN_DIGITS	32u
#define OUTCOME_TRIES	5u
#define OUTCOME_WAIT_US 100000u

/* What comes from the runtime. */
struct stream {
	u32 *ids;
	size_t n_ids, cap_ids;
	char *text;
	size_t len, cap;
	struct replay_mark *marks;
	size_t n_marks, cap_marks;
	bool failed;
};

struct replay {
	u64 index; /* of the request's record */
	json_t *request, *outcome, *session;
	bool json;
	u8 *blob; /* the request: saved by somebody, or kept by keepd */
	size_t len;
	bool salted; /* the records show commitments */
	u8 salt[SHA256_BYTES];
	struct stream now; /* of this run */
	u32 *was;	   /* the recorded tokens, where somebody has them */
	size_t n_was;
	char *was_text; /* the recorded text, where it was kept */
	size_t was_len;
};

static void fini(struct replay *p)
{
	json_decref(p->request);
	json_decref(p->outcome);
	json_decref(p->session);
	free(p->blob);
	free(p->now.ids);
	free(p->now.text);
	free(p->now.marks);
	free(p->was);
	free(p->was_text);
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

/* Room for n more elements of `size` bytes. */
static bool room(void **at, size_t *cap, size_t used, size_t n, size_t size)
{
	if (used + n <= *cap)
		return true;
	size_t want = MAX(2 * *cap, ALIGN_UP(used + n, (size_t)1024));
	void *q = realloc(*at, want * size);
	if (q) {
		*at = q;
		*cap = want;
	}
	return q != NULL;
}

static void on_tokens(void *ctx, const struct proto_tokens *t)
{
	struct stream *s = &((struct replay *)ctx)->now;
	if (!room((void **)&s->ids, &s->cap_ids, s->n_ids, t->n_tokens, sizeof *s->ids) ||
		!room((void **)&s->text, &s->cap, s->len, t->text_len, 1) ||
		!room((void **)&s->marks, &s->cap_marks, s->n_marks, 1, sizeof *s->marks)) {
		s->failed = true;
		return;
	}
	s->marks[s->n_marks++] = (struct replay_mark){ s->len, s->n_ids };
	memcpy(s->ids + s->n_ids, t->tokens, t->n_tokens * sizeof(u32));
	memcpy(s->text + s->len, t->text, t->text_len);
	s->n_ids += t->n_tokens;
	s->len += t->text_len;
}

/* ---- what is known of the recorded answer ---- */

/* The tokens from what keep run --json printed: only those of which the record holds the digest. */
static int read_answer(struct replay *p, const char *path)
{
	_cleanup_json_ json_t *j =
		json_load_file(path, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	const json_t *list = json_object_get(j, "tokens");
	u8 digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	if (!json_is_array(list))
		return out_fail(CLI_REFUSED, "%s: not what \"keep run --json\" prints", path);
	p->n_was = json_array_size(list);
	p->was = calloc(p->n_was + 1, sizeof *p->was);
	if (!p->was)
		return out_fail(CLI_UNDECIDED, "out of memory");
	for (size_t i = 0; i < p->n_was; i++)
		p->was[i] = (u32)json_integer_value(json_array_get(list, i));
	sha256_of(p->was, p->n_was * sizeof *p->was, digest);
	shown(p, digest, hex);
	return strcmp(hex, lines_cell(p->outcome, "tokens").s)
		       ? out_fail(CLI_REFUSED, "%s: is not the answer to request %llu", path,
				 (unsigned long long)p->index)
		       : 0;
}

/* The text of the answer, where it was kept. */
static int kept_answer(struct ctl *k, struct replay *p)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	struct text t;
	if (!json_is_true(json_object_get(p->outcome, "retained")))
		return 0;
	int r = text_ask(k, lines_u64(p->outcome, "index"), &a, &t);
	if (r || !t.h.kept)
		return r;
	p->was_text = malloc(MAX(t.h.bytes, (u64)1));
	if (!p->was_text)
		return out_fail(CLI_UNDECIDED, "out of memory");
	memcpy(p->was_text, t.data, t.h.bytes);
	p->was_len = t.h.bytes;
	return 0;
}

/* ---- comparing ---- */

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
	if (cut_off(p) && n <= p->now.n_ids)
		sha256_of(p->now.ids, n * sizeof(u32), digest);
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

/* 0 none; 1 *ret; 2 nobody can say where. */
static int difference(const struct replay *p, struct replay_difference *ret)
{
	const struct replay_side was = { p->was != NULL, p->was_text != NULL, p->was, p->n_was, p->was_text,
		p->was_len };
	const struct replay_side is = { true, true, p->now.ids, p->now.n_ids, p->now.text, p->now.len };
	return replay_differ(&was, &is, p->now.marks, p->now.n_marks, ret);
}

/* What the two sides are called. */
struct sides {
	struct cell tokens, device, kernel_set, finish; /* recorded */
	char is_tokens[2 * SHA256_BYTES + 1], is_set[2 * SHA256_BYTES + 1];
	const char *is_finish, *is_device;
	u64 index, is_index;
	bool equal;
};

static int say_json(
	const struct replay *p, const struct sides *s, int known, const struct replay_difference *d)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_u64(&w, "request", p->index);
	jsonw_kv_bool(&w, "equal", s->equal);
	put_side(&w, "recorded", s->index, s->tokens.s, s->finish.s, s->device.s, s->kernel_set.s);
	put_side(&w, "replayed", s->is_index, s->is_tokens, s->is_finish, s->is_device, s->is_set);
	if (!s->equal) {
		jsonw_kv_bool(&w, "where_known", known == 1);
		if (known == 1)
			jsonw_kv_u64(&w, "first_difference", d->token);
		if (known == 1 && !d->by_token)
			jsonw_kv_u64(&w, "first_byte", d->byte);
		if (known == 1 && d->by_token && !d->ended_was)
			jsonw_kv_u64(&w, "recorded_token", d->was);
		if (known == 1 && d->by_token && !d->ended_is)
			jsonw_kv_u64(&w, "replayed_token", d->is);
	}
	int r = out_json(&w);
	return r ? r : s->equal ? CLI_DONE : CLI_REFUSED;
}

static void say_where(int known, const struct replay_difference *d)
{
	char was[24] = "the end", is[24] = "the end";
	if (known != 1) {
		puts("where they part nobody can say: the log has digests; --answer F gives what \"keep run "
		     "--json\" printed then");
		return;
	}
	if (!d->by_token) {
		printf("first difference: byte %llu of the text, at or behind token %llu\n",
			(unsigned long long)d->byte, (unsigned long long)d->token);
		return;
	}
	if (!d->ended_was)
		snprintf(was, sizeof was, "%u", d->was);
	if (!d->ended_is)
		snprintf(is, sizeof is, "%u", d->is);
	printf("first difference: token %llu: recorded %s, replayed %s\n", (unsigned long long)d->token, was,
		is);
}

static int say_people(const struct replay *p, struct sides *s, int known, const struct replay_difference *d)
{
	struct out_table t = { .n_cols = 3 };
	char a[32], b[32];
	snprintf(a, sizeof a, "record %llu", (unsigned long long)s->index);
	snprintf(b, sizeof b, "record %llu", (unsigned long long)s->is_index);
	out_table_row(&t, "", "RECORDED", "REPLAYED", NULL);
	out_table_row(&t, "log", a, b, NULL);
	out_table_row(&t, "finish", s->finish.s, s->is_finish, NULL);
	out_table_row(&t, "device", s->device.s, s->is_device, NULL);
	if (s->equal) /* a digest's first digits are enough for eyes; --json, and a difference, has all */
		s->kernel_set.s[SHOWN_DIGITS] = s->is_set[SHOWN_DIGITS] = s->tokens.s[SHOWN_DIGITS] =
			s->is_tokens[SHOWN_DIGITS] = 0;
	out_table_row(&t, "kernels", s->kernel_set.s, s->is_set, NULL);
	out_table_row(&t, "tokens", s->tokens.s, s->is_tokens, NULL);
	out_table_print(&t);
	if (!s->equal)
		say_where(known, d);
	printf("%s%s%s: request %llu%s\n", out_style(1, s->equal ? OUT_GOOD : OUT_BAD),
		s->equal ? "equal" : "different", out_style(1, OUT_PLAIN), (unsigned long long)p->index,
		cut_off(p) ? " (compared as far as the recorded answer went)" : "");
	return s->equal ? CLI_DONE : CLI_REFUSED;
}

static int say(const struct replay *p, const struct session_result *res)
{
	struct sides s = { .tokens = lines_cell(p->outcome, "tokens"),
		.device = lines_cell(p->outcome, "device"),
		.kernel_set = lines_cell(p->outcome, "kernel_set"),
		.finish = lines_cell(p->outcome, "finish"),
		.is_finish = session_finish_name(res->outcome.finish),
		.is_device = res->outcome.device,
		.index = p->index,
		.is_index = res->index };
	struct replay_difference d = { 0 };
	s.equal = compare(p, res, s.is_tokens);
	bytes_hex(res->outcome.kernel_set, sizeof res->outcome.kernel_set, s.is_set);
	int known = s.equal ? 0 : difference(p, &d);
	return p->json ? say_json(p, &s, known, &d) : say_people(p, &s, known, &d);
}

static int run_again(struct ctl *k, struct replay *p)
{
	_cleanup_session_ struct session s = SESSION_NONE;
	_cleanup_result_ struct session_result res = SESSION_RESULT_NONE;
	struct cell model = lines_cell(p->request, "model"), kv = lines_cell(p->outcome, "kv_mode");
	u32 kv_mode = !strcmp(kv.s, "1") ? KV_F32 : KV_F16; /* old records have numbers */
	(void)!session_kv_parse(kv.s, &kv_mode);
	model.s[NAME_LEN_MAX] = 0;
	const struct session_want w = { .model = model.s,
		.kv_mode = kv_mode,
		.ctx_tokens = (u32)MIN(lines_u64(p->session, "ctx_tokens"), (u64)CTX_TOKENS_MAX) };
	const struct session_request q = {
		.data = p->blob, .len = p->len, .replay_of = p->index, .on_tokens = on_tokens, .ctx = p
	};
	int r = session_once(k, &w, &q, &s, &res);
	if (r)
		return r;
	return p->now.failed ? out_fail(CLI_UNDECIDED, "out of memory") : say(p, &res);
}

int replay_run(struct cli *c, int argc, char **argv)
{
	const char *path = NULL, *answer = NULL;
	struct replay p = { 0 };
	u64 index;
	int n;
	const struct opt opts[] = { { "--request", OPT_STR, &path, NULL },
		{ "--answer", OPT_STR, &answer, NULL }, { "--json", OPT_FLAG, &p.json, NULL } };
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
	r = r || !answer ? r : read_answer(&p, answer);
	r = r || answer ? r : kept_answer(&k, &p);
	r = r ? r : run_again(&k, &p);
	fini(&p);
	return r;
}
