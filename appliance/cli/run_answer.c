#define _GNU_SOURCE
#include "base/jsonw.h"
#include "chat/request.h"
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool text_add(struct text *t, const void *s, size_t n)
{
	void *p = t->p;
	if (!grow(&p, &t->cap, t->n + n + 1, 1))
		return false;
	t->p = p;
	if (n)
		memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = 0;
	return true;
}

void answer_fini(struct answer *a)
{
	struct text *const texts[] = { &a->text, &a->content, &a->reasoning, &a->broken };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]->p);
	for (size_t i = 0; i < a->n_calls; i++) {
		free(a->call[i].name);
		free(a->call[i].id);
		free(a->call[i].args.p);
	}
	free(a->call);
	free(a->ids);
	*a = (struct answer){ 0 };
}

/* ---- printing as it comes ------------------------------------------------------------------------------------------------ */

static void print(struct answer *a, const char *s, size_t n)
{
	for (; a->trim && !a->printed && n && (*s == ' ' || *s == '\n'); n--)
		s++;
	if (!a->live || !n)
		return;
	out_text(1, s, n);
	fflush(stdout);
	a->printed = true;
	a->last = s[n - 1];
}

static void line_end(struct answer *a)
{
	if (a->live && a->printed && a->last != '\n')
		print(a, "\n", 1);
}

/* Reasoning is for people who watch: dim, and only on a terminal. */
static void print_as(struct answer *a, bool reasoning, const char *s, size_t n)
{
	if (!a->live || (reasoning && !out_tty(1)))
		return;
	if (reasoning != (a->shown == SHOWN_REASONING)) {
		line_end(a);
		fputs(out_style(1, reasoning ? OUT_DIM : OUT_PLAIN), stdout);
		a->shown = reasoning ? SHOWN_REASONING : SHOWN_TEXT;
	}
	print(a, s, n);
}

static void print_call(struct answer *a, const struct run_call *c)
{
	print_as(a, false, "", 0);
	line_end(a);
	print(a, "call ", 5);
	print(a, c->name, strlen(c->name));
	print(a, " ", 1);
	print(a, c->args.p ? c->args.p : "", c->args.n);
	print(a, "\n", 1);
}

/* ---- what the reader tells ----------------------------------------------------------------------------------------------- */

static void call_drop(struct answer *a)
{
	struct run_call *c = &a->call[--a->n_calls];
	free(c->name);
	free(c->id);
	free(c->args.p);
}

static void call_begin(struct answer *a, const struct chat_event *e)
{
	void *p = a->call;
	if (!grow(&p, &a->cap_calls, a->n_calls + 1, sizeof *a->call)) {
		a->failed = true;
		return;
	}
	a->call = p;
	a->call[a->n_calls++] = (struct run_call){ .name = strdup(e->name), .id = strdup(e->id) };
	a->failed = a->failed || !a->call[a->n_calls - 1].name || !a->call[a->n_calls - 1].id;
}

static void on_event(void *ctx, const struct chat_event *e)
{
	struct answer *a = ctx;
	struct text *const to[] = {
		[CHAT_TEXT] = &a->content, [CHAT_REASONING] = &a->reasoning, [CHAT_BROKEN] = &a->broken
	};
	if (a->failed)
		return;
	if (e->kind == CHAT_CALL)
		call_begin(a, e);
	else if (e->kind == CHAT_ARGUMENTS)
		a->failed = !text_add(&a->call[a->n_calls - 1].args, e->text, e->len);
	else if (e->kind == CHAT_CALL_VOID)
		call_drop(a);
	else if (e->kind == CHAT_CALL_END)
		print_call(a, &a->call[a->n_calls - 1]);
	else {
		a->failed = !text_add(to[e->kind], e->text, e->len);
		print_as(a, e->kind == CHAT_REASONING, e->text, e->len);
	}
}

static void on_tokens(void *ctx, const struct proto_tokens *t)
{
	struct answer *a = ctx;
	void *ids = a->ids;
	if (!text_add(&a->text, t->text, t->text_len) ||
		!grow(&ids, &a->cap_ids, a->n_ids + t->n_tokens, sizeof(u32))) {
		a->failed = true;
		return;
	}
	a->ids = ids;
	memcpy(a->ids + a->n_ids, t->tokens, t->n_tokens * sizeof(u32));
	a->n_ids += t->n_tokens;
	if (!a->reader) {
		print(a, t->text, t->text_len);
		return;
	}
	a->failed = a->failed || chat_reader_tokens(a->reader, &a->q->session.layout, t->text, t->text_len,
					 t->tokens, t->n_tokens);
}

/* ---- the end of it ------------------------------------------------------------------------------------------------------- */

static double per_second(u32 n, u64 ns)
{
	return ns ? (double)n * 1e9 / (double)ns : 0;
}

static void say_stats(const struct session_result *res)
{
	const struct proto_outcome *o = &res->outcome;
	fflush(stdout);
	char guesses[112] = "";
	int n = 0;
	if (o->n_drafted)
		n = snprintf(
			guesses, sizeof guesses, ", %u of %u guesses right", o->n_accepted, o->n_drafted);
	if (o->n_model_drafted)
		snprintf(guesses + n, sizeof guesses - (size_t)n, " (%u of %u a draft model's)",
			o->n_model_accepted, o->n_model_drafted);
	fprintf(stderr, "%s%u prompt + %u answer tokens%s, %.1f tok/s, %s, record %llu%s\n",
		out_style(2, OUT_DIM), o->n_prompt, o->n_generated, guesses,
		per_second(o->n_generated, o->generate_ns), session_finish_name(o->finish),
		(unsigned long long)res->index, out_style(2, OUT_PLAIN));
}

void run_call_json(struct jsonw *w, const struct run_call *c)
{
	jsonw_object(w);
	jsonw_kv_str(w, "id", c->id);
	jsonw_kv_str(w, "type", "function");
	jsonw_key(w, "function");
	jsonw_object(w);
	jsonw_kv_str(w, "name", c->name);
	jsonw_key(w, "arguments");
	jsonw_strn(w, c->args.p ? c->args.p : "{}", c->args.p ? c->args.n : 2);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static void json_parts(struct jsonw *w, const struct answer *a)
{
	jsonw_key(w, "content");
	jsonw_strn(w, a->content.p ? a->content.p : "", a->content.n);
	if (a->reasoning.n) {
		jsonw_key(w, "reasoning");
		jsonw_strn(w, a->reasoning.p, a->reasoning.n);
	}
	if (a->broken.n) {
		jsonw_key(w, "broken_calls");
		jsonw_strn(w, a->broken.p, a->broken.n);
	}
	if (!a->n_calls)
		return;
	jsonw_key(w, "tool_calls");
	jsonw_array(w);
	for (size_t i = 0; i < a->n_calls; i++)
		run_call_json(w, &a->call[i]);
	jsonw_array_end(w);
}

static int print_json(const struct run *q, const struct answer *a, const struct session_result *res)
{
	const struct proto_outcome *o = &res->outcome;
	struct jsonw w;
	jsonw_init_grow(&w, 256u << 20);
	jsonw_object(&w);
	jsonw_kv_str(&w, "model", q->session.open.name);
	jsonw_kv_hex(&w, "model_digest", q->session.open.model, sizeof q->session.open.model);
	jsonw_key(&w, "text");
	jsonw_strn(&w, a->text.p ? a->text.p : "", a->text.n);
	if (a->reader)
		json_parts(&w, a);
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
	jsonw_kv_u64(&w, "n_drafted", o->n_drafted);
	jsonw_kv_u64(&w, "n_accepted", o->n_accepted);
	jsonw_kv_u64(&w, "n_model_drafted", o->n_model_drafted);
	jsonw_kv_u64(&w, "n_model_accepted", o->n_model_accepted);
	jsonw_kv_hex(&w, "request_digest", o->request, sizeof o->request);
	jsonw_kv_hex(&w, "tokens_digest", o->tokens, sizeof o->tokens);
	jsonw_kv_hex(&w, "text_digest", o->text, sizeof o->text);
	jsonw_kv_hex(&w, "kernel_set", o->kernel_set, sizeof o->kernel_set);
	jsonw_kv_u64(&w, "numerics", o->numerics);
	jsonw_kv_str(&w, "kv_mode", session_kv_name(o->kv_mode));
	jsonw_kv_str(&w, "device", o->device);
	jsonw_kv_u64(&w, "prompt_ns", o->prompt_ns);
	jsonw_kv_u64(&w, "generate_ns", o->generate_ns);
	return out_json(&w);
}

static int save_request(const char *path, const void *data, size_t len)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, len);
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : 0;
}

/* The blob for what the options say; messages are used where the template is. *ret_turn has no reader where none is. */
static int build(struct run *q, const struct chat_message *messages, size_t n_messages, struct arena *arena,
	struct chat_turn *ret_turn, u8 **ret, size_t *ret_len)
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
	const char *last = n_messages ? messages[n_messages - 1].content : NULL;
	if (q->raw)
		return ask_sampled(
			&how, REQUEST_TEXT, last ? last : "", strlen(last ? last : ""), ret, ret_len);
	struct ask_turn turn = q->turn;
	turn.messages = messages;
	turn.n_messages = n_messages;
	return ask_chat(&q->session, &how, &turn, arena, ret_turn, ret, ret_len);
}

static int say_end(struct run *q, struct answer *a, const struct session_result *res)
{
	bool held = q->how.grammar || q->turn.choice == CHAT_CALLS_REQUIRED;
	if (a->failed)
		return out_fail(CLI_UNDECIDED, "out of memory");
	int r = q->json ? print_json(q, a, res) : (say_stats(res), CLI_DONE);
	if (r)
		return r;
	if (a->broken.n)
		out_say("the model began a call of a tool that is none; it stands in the answer as text");
	if (held && res->outcome.finish != FINISH_STOP)
		return out_fail(CLI_REFUSED, "the answer was cut off before it was complete: %s",
			session_finish_name(res->outcome.finish));
	return res->outcome.finish == FINISH_CANCELLED ? CLI_REFUSED : 0;
}

int run_ask(struct run *q, const struct chat_message *messages, size_t n_messages, struct answer *a)
{
	_cleanup_arena_ struct arena arena = { .max_bytes = CHAT_ARENA_BYTES_MAX };
	_cleanup_turn_ struct chat_turn turn = { .reader = NULL };
	_cleanup_free_ u8 *blob = NULL;
	_cleanup_result_ struct session_result res = SESSION_RESULT_NONE;
	size_t len;
	*a = (struct answer){ .q = q, .live = !q->json };
	int r = build(q, messages, n_messages, &arena, &turn, &blob, &len);
	if (r == 0 && q->save)
		r = save_request(q->save, blob, len);
	if (r)
		return r;
	a->reader = turn.reader;
	if (a->reader)
		chat_reader_on(a->reader, on_event, a);
	r = session_run(&q->session,
		&(struct session_request){ .data = blob,
			.len = len,
			.replay_of = REPLAY_NONE,
			.on_tokens = on_tokens,
			.ctx = a },
		&res);
	if (a->reader && chat_reader_end(a->reader))
		a->failed = true;
	print_as(a, false, "", 0);
	line_end(a);
	r = r ? r : say_end(q, a, &res);
	a->reader = NULL;
	return r;
}
