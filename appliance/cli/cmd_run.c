#define _GNU_SOURCE
#include "base/jsonw.h"
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TOKENS_DEFAULT \
	1024u		  /* of one answer, and at most half of the context: the rest is for the prompt */
#define REPEAT_LAST_N 64u /* tokens that --repeat-penalty looks back at */

struct run {
	const char *model, *prompt, *tokens, *save, *kv, *system, *schema, *gbnf;
	bool raw, json, ignore_eos, seed_given, max_given;
	u32 ctx;
	struct ask_sampling how;
	struct session session;
};

/* An answer as it comes. */
struct answer {
	bool live;    /* print it */
	bool trim;    /* leave out the blanks before the first word (chat) */
	bool printed; /* something was */
	char last;    /* byte printed */
	char *text;
	size_t len, cap;
	u32 *ids;
	size_t n_ids, cap_ids;
	bool failed; /* out of memory */
};

static void answer_fini(struct answer *a)
{
	free(a->text);
	free(a->ids);
}

static bool grow(void **p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return true;
	size_t want = MAX(need, *cap ? *cap * 2 : 1024);
	void *q = realloc(*p, want * size);
	if (!q)
		return false;
	*p = q;
	*cap = want;
	return true;
}

static void on_tokens(void *ctx, const struct proto_tokens *t)
{
	struct answer *a = ctx;
	void *text = a->text, *ids = a->ids;
	if (!grow(&text, &a->cap, a->len + t->text_len + 1, 1) ||
		!grow(&ids, &a->cap_ids, a->n_ids + t->n_tokens, sizeof(u32))) {
		a->failed = true;
	} else {
		a->text = text;
		a->ids = ids;
		memcpy(a->text + a->len, t->text, t->text_len);
		a->len += t->text_len;
		a->text[a->len] = 0;
		memcpy(a->ids + a->n_ids, t->tokens, t->n_tokens * sizeof(u32));
		a->n_ids += t->n_tokens;
	}
	const char *s = t->text;
	size_t n = t->text_len;
	for (; a->trim && !a->printed && n && (*s == ' ' || *s == '\n'); n--)
		s++;
	if (!a->live || !n)
		return;
	out_text(1, s, n);
	fflush(stdout);
	a->printed = true;
	a->last = s[n - 1];
}

static double per_second(u32 n, u64 ns)
{
	return ns ? (double)n * 1e9 / (double)ns : 0;
}

static void say_stats(const struct session_result *res)
{
	const struct proto_outcome *o = &res->outcome;
	fflush(stdout);
	fprintf(stderr, "%s%u prompt + %u answer tokens, %.1f tok/s, %s, record %llu%s\n",
		out_style(2, OUT_DIM), o->n_prompt, o->n_generated,
		per_second(o->n_generated, o->generate_ns), session_finish_name(o->finish),
		(unsigned long long)res->index, out_style(2, OUT_PLAIN));
}

static void print_json(const struct run *q, const struct answer *a, const struct session_result *res)
{
	const struct proto_outcome *o = &res->outcome;
	struct jsonw w;
	jsonw_init_grow(&w, 256u << 20);
	jsonw_object(&w);
	jsonw_kv_str(&w, "model", q->session.open.name);
	jsonw_kv_hex(&w, "model_digest", q->session.open.model, sizeof q->session.open.model);
	jsonw_key(&w, "text");
	jsonw_strn(&w, a->text ? a->text : "", a->len);
	jsonw_key(&w, "tokens");
	jsonw_array(&w);
	for (size_t i = 0; i < a->n_ids; i++)
		jsonw_u64(&w, a->ids[i]);
	jsonw_array_end(&w);
	jsonw_kv_str(&w, "finish", session_finish_name(o->finish));
	jsonw_kv_u64(&w, "seed", o->seed);
	jsonw_kv_u64(&w, "index", res->index);
	jsonw_kv_u64(&w, "n_prompt", o->n_prompt);
	jsonw_kv_u64(&w, "n_cached", o->n_cached);
	jsonw_kv_u64(&w, "n_generated", o->n_generated);
	jsonw_kv_hex(&w, "request_digest", o->request, sizeof o->request);
	jsonw_kv_hex(&w, "tokens_digest", o->tokens, sizeof o->tokens);
	jsonw_kv_hex(&w, "text_digest", o->text, sizeof o->text);
	jsonw_kv_hex(&w, "kernel_set", o->kernel_set, sizeof o->kernel_set);
	jsonw_kv_u64(&w, "numerics", o->numerics);
	jsonw_kv_str(&w, "kv_mode", session_kv_name(o->kv_mode));
	jsonw_kv_str(&w, "device", o->device);
	jsonw_kv_u64(&w, "prompt_ns", o->prompt_ns);
	jsonw_kv_u64(&w, "generate_ns", o->generate_ns);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	if (!w.full)
		fwrite(w.buf, 1, w.len, stdout);
	jsonw_fini(&w);
}

static int save_request(const char *path, const void *data, size_t len)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, len);
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : 0;
}

/* The blob for what the options say; messages are used where the model's template is. */
static int build(
	struct run *q, const struct chat_message *messages, size_t n_messages, u8 **ret, size_t *ret_len)
{
	struct ask_sampling how = q->how;
	int r = q->seed_given ? 0 : ask_seed(&how.h.seed);
	if (r)
		return r;
	if (q->tokens) {
		_cleanup_free_ u32 *ids = NULL;
		size_t n;
		r = opt_u32_list(q->tokens, &ids, &n);
		how.h.flags |= REQUEST_RAW;
		return r ? out_fail(CLI_UNDECIDED, "--tokens: %s", out_reason(r))
			 : ask_sampled(&how, REQUEST_TOKENS, ids, n * sizeof *ids, ret, ret_len);
	}
	const char *last = messages[n_messages - 1].content;
	if (q->raw)
		return ask_sampled(&how, REQUEST_TEXT, last, strlen(last), ret, ret_len);
	return ask_chat(&q->session, &how, messages, n_messages, ret, ret_len);
}

/* One question, one answer. The caller frees a. */
static int ask(struct run *q, const struct chat_message *messages, size_t n_messages, struct answer *a)
{
	_cleanup_free_ u8 *blob = NULL;
	_cleanup_result_ struct session_result res = SESSION_RESULT_NONE;
	size_t len;
	*a = (struct answer){ .live = !q->json, .trim = !q->raw && !q->tokens && !q->how.grammar };
	int r = build(q, messages, n_messages, &blob, &len);
	if (r == 0 && q->save)
		r = save_request(q->save, blob, len);
	if (r)
		return r;
	r = session_run(&q->session,
		&(struct session_request){ .data = blob,
			.len = len,
			.replay_of = REPLAY_NONE,
			.on_tokens = on_tokens,
			.ctx = a },
		&res);
	if (a->live && a->printed && a->last != '\n')
		putchar('\n');
	if (r)
		return r;
	if (a->failed)
		return out_fail(CLI_UNDECIDED, "out of memory");
	if (q->json)
		print_json(q, a, &res);
	else
		say_stats(&res);
	if (q->how.grammar && res.outcome.finish != FINISH_STOP)
		return out_fail(CLI_REFUSED, "the answer was cut off before it was complete: %s",
			session_finish_name(res.outcome.finish));
	return res.outcome.finish == FINISH_CANCELLED ? CLI_REFUSED : 0;
}

/* ---- conversation ---- */

struct talk {
	struct chat_message *m;
	size_t n, cap;
};

static void talk_clear(struct talk *t, size_t keep)
{
	while (t->n > keep) {
		t->n--;
		free((char *)(uintptr_t)t->m[t->n].content);
	}
}

static int talk_add(struct talk *t, const char *role, const char *content)
{
	void *m = t->m;
	char *copy = strdup(content);
	if (!copy || !grow(&m, &t->cap, t->n + 1, sizeof *t->m)) {
		free(copy);
		return out_fail(CLI_UNDECIDED, "out of memory");
	}
	t->m = m;
	t->m[t->n++] = (struct chat_message){ .role = role, .content = copy };
	return 0;
}

static void on_prompt_interrupt(int sig)
{
	(void)sig; /* only ends the read */
}

/* One line, without its end. 0; 1 end of input; 2 interrupted. */
static int read_line(char **line, size_t *cap)
{
	struct sigaction now = { .sa_handler = on_prompt_interrupt }, old;
	if (out_tty(0)) {
		fflush(stdout);
		fprintf(stderr, "%s>>>%s ", out_style(2, OUT_BOLD), out_style(2, OUT_PLAIN));
	}
	sigaction(SIGINT, &now, &old);
	errno = 0;
	ssize_t n = getline(line, cap, stdin);
	int e = errno;
	sigaction(SIGINT, &old, NULL);
	if (n < 0 && e == EINTR) {
		clearerr(stdin);
		fputc('\n', stderr);
		return 2;
	}
	if (n < 0)
		return 1;
	if (n && (*line)[n - 1] == '\n')
		(*line)[n - 1] = 0;
	return 0;
}

static const char talk_help[] = "  /reset   forget the conversation\n"
				"  /help    this\n"
				"  /quit    end (or Ctrl-D)\n"
				"  Ctrl-C   stop the answer\n";

/* 0 it was a command; 1 it is a question; 2 end. */
static int talk_command(struct talk *t, const char *line, size_t keep)
{
	if (line[0] != '/')
		return 1;
	if (!strcmp(line, "/quit") || !strcmp(line, "/bye") || !strcmp(line, "/exit"))
		return 2;
	if (!strcmp(line, "/reset")) {
		talk_clear(t, keep);
		fprintf(stderr, "the conversation is forgotten\n");
	} else {
		fputs(talk_help, stderr);
	}
	return 0;
}

static int converse(struct run *q)
{
	struct talk t = { 0 };
	_cleanup_free_ char *line = NULL;
	size_t cap = 0, keep = 0;
	int r = q->system ? talk_add(&t, "system", q->system) : 0;
	keep = t.n;
	fprintf(stderr, "%s%s; /help says what else can be typed%s\n", out_style(2, OUT_DIM),
		q->session.open.name, out_style(2, OUT_PLAIN));
	while (r == 0) {
		int got = read_line(&line, &cap);
		if (got == 2)
			continue;
		int what = got ? 2 : talk_command(&t, line, keep);
		if (what == 2)
			break;
		if (what == 0 || !line[strspn(line, " \t")])
			continue;
		struct answer a = { 0 };
		if (q->raw)
			talk_clear(&t, keep);
		size_t before = t.n;
		r = talk_add(&t, "user", line);
		int asked = r ? r : ask(q, t.m, t.n, &a);
		const char *said = a.text ? a.text + strspn(a.text, " \n") : "";
		if (asked == CLI_UNDECIDED)
			r = asked;
		else if (asked && !a.len)
			talk_clear(&t, before);
		else
			r = talk_add(&t, "assistant", said);
		answer_fini(&a);
	}
	if (out_tty(0) && r == 0)
		fputc('\n', stderr);
	talk_clear(&t, 0);
	free(t.m);
	return r;
}

/* ---- the verb ---- */

static int parse(struct cli *c, int argc, char **argv, struct run *q)
{
	struct request_header *h = &q->how.h;
	bool last_given = false;
	int n;
	const struct opt opts[] = {
		{ "--raw", OPT_FLAG, &q->raw, NULL },
		{ "--tokens", OPT_STR, &q->tokens, NULL },
		{ "--max-tokens", OPT_U32, &h->max_tokens, &q->max_given },
		{ "--temp", OPT_F32, &h->temperature, NULL },
		{ "--seed", OPT_U64, &h->seed, &q->seed_given },
		{ "--top-k", OPT_U32, &h->top_k, NULL },
		{ "--top-p", OPT_F32, &h->top_p, NULL },
		{ "--min-p", OPT_F32, &h->min_p, NULL },
		{ "--repeat-penalty", OPT_F32, &h->repeat_penalty, NULL },
		{ "--repeat-last-n", OPT_U32, &h->repeat_last_n, &last_given },
		{ "--stop", OPT_LIST, &q->how.stops, NULL },
		{ "--system", OPT_STR, &q->system, NULL },
		{ "--json-schema", OPT_STR, &q->schema, NULL },
		{ "--grammar", OPT_STR, &q->gbnf, NULL },
		{ "--ignore-eos", OPT_FLAG, &q->ignore_eos, NULL },
		{ "--ctx", OPT_U32, &q->ctx, NULL },
		{ "--kv", OPT_STR, &q->kv, NULL },
		{ "--save-request", OPT_STR, &q->save, NULL },
		{ "--json", OPT_FLAG, &q->json, NULL },
	};
	*h = (struct request_header){ .kind = REQUEST_GENERATE, .top_p = 1, .repeat_penalty = 1 };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 2 }, &n))
		return n;
	q->model = argv[0];
	q->prompt = n > 1 ? argv[1] : NULL;
	h->flags = q->ignore_eos ? REQUEST_IGNORE_EOS : 0;
	if (!last_given && h->repeat_penalty != 1)
		h->repeat_last_n = REPEAT_LAST_N;
	if (q->tokens && (q->prompt || q->raw || q->system))
		return out_usage(c, "--tokens takes the place of a prompt");
	if (q->schema && q->gbnf)
		return out_usage(c, "--json-schema and --grammar: one of them holds an answer");
	if ((q->schema || q->gbnf) && q->ignore_eos)
		return out_usage(c, "--ignore-eos: an answer ends with its grammar");
	if (q->raw && q->system)
		return out_usage(c, "--system needs the chat template, which --raw leaves out");
	return -1;
}

/* Everything that can be wrong with the words is said before anything is started. */
static int check(struct cli *c, const struct run *q, u32 *ret_kv)
{
	const struct request_header *h = &q->how.h;
	_cleanup_free_ u32 *ids = NULL;
	size_t n;
	if (session_kv_parse(q->kv, ret_kv))
		return out_usage(c, "--kv: f32 or f16");
	if (q->tokens && opt_u32_list(q->tokens, &ids, &n))
		return out_usage(c, "--tokens: \"%s\" is not a list of token ids like 1,2,3", q->tokens);
	if (h->temperature != 0 && !(h->temperature >= TEMPERATURE_MIN && h->temperature <= TEMPERATURE_MAX))
		return out_usage(
			c, "--temp: 0, or from %g to %g", (double)TEMPERATURE_MIN, (double)TEMPERATURE_MAX);
	if (h->top_p <= 0 || h->top_p > 1)
		return out_usage(c, "--top-p: above 0, at most 1");
	if (h->min_p < 0 || h->min_p > 1)
		return out_usage(c, "--min-p: from 0 to 1");
	if (!(h->repeat_penalty >= REPEAT_PENALTY_MIN && h->repeat_penalty <= REPEAT_PENALTY_MAX))
		return out_usage(c, "--repeat-penalty: from %g to %g", (double)REPEAT_PENALTY_MIN,
			(double)REPEAT_PENALTY_MAX);
	if (q->max_given && (h->max_tokens == 0 || h->max_tokens > CTX_TOKENS_MAX))
		return out_usage(c, "--max-tokens: 1 to %u", CTX_TOKENS_MAX);
	for (size_t i = 0; i < q->how.stops.n; i++)
		if (!q->how.stops.v[i][0] || strlen(q->how.stops.v[i]) > STOP_BYTES_MAX)
			return out_usage(c, "--stop: 1 to %u bytes", STOP_BYTES_MAX);
	return 0;
}

static int run_once(struct run *q)
{
	struct chat_message m[2];
	size_t n = 0;
	struct answer a = { 0 };
	if (q->system)
		m[n++] = (struct chat_message){ "system", q->system };
	if (!q->tokens)
		m[n++] = (struct chat_message){ "user", q->prompt };
	int r = ask(q, m, n, &a);
	answer_fini(&a);
	return r;
}

int cmd_run(struct cli *c, int argc, char **argv)
{
	struct run q = { .session = SESSION_NONE };
	_cleanup_free_ char *in = NULL;
	size_t in_len;
	u32 kv;
	int r = parse(c, argc, argv, &q);
	if (r >= 0)
		return r;
	if ((r = check(c, &q, &kv)))
		return r;
	_cleanup_arena_ struct arena a = { 0 };
	if (q.schema && (r = ask_grammar(q.schema, CHAT_GRAMMAR_SCHEMA, &a, &q.how)))
		return r;
	if (q.gbnf && (r = ask_grammar(q.gbnf, CHAT_GRAMMAR_GBNF, &a, &q.how)))
		return r;
	bool talk = !q.prompt && !q.tokens && out_tty(0);
	if (talk && (q.json || q.save))
		return out_usage(c, "%s needs a prompt", q.json ? "--json" : "--save-request");
	if (!q.prompt && !q.tokens && !talk) {
		if ((r = ask_read_stdin(REQUEST_BYTES_MAX, &in, &in_len)))
			return r;
		if (strlen(in) != in_len)
			return out_fail(CLI_REFUSED, "standard input: a 0 byte is not text");
		q.prompt = in;
	}
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	if ((r = ctl_open(c, &k)))
		return r;
	if ((r = session_open(&k, &(struct session_want){ q.model, kv, q.ctx }, &q.session)))
		return r;
	if (!q.raw && !q.tokens && !q.session.layout.h->chat_template.len) {
		out_say("%s has no chat template: the prompt is sent as it is", q.session.open.name);
		q.raw = true;
	}
	if (!q.max_given)
		q.how.h.max_tokens = MAX(MIN(MAX_TOKENS_DEFAULT, q.session.open.ctx_tokens / 2), 1u);
	r = talk ? converse(&q) : run_once(&q);
	session_fini(&q.session);
	return r;
}
