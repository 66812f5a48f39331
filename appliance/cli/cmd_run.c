#define _GNU_SOURCE
#include "cli/plan.h"
#include "cli/run.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS_DEFAULT \
	1024u		  /* of one answer, and at most half of the context: the rest is for the prompt */
#define REPEAT_LAST_N 64u /* tokens that --repeat-penalty looks back at */

/* What makes a turn. -1 go on; otherwise an exit status. */
static int parse_turn(struct cli *c, struct run *q)
{
	static const char *const choices[] = { "auto", "none", "required" };
	const char *chat = q->system		     ? "--system"
			   : q->messages_path	     ? "--messages"
			   : q->template_path	     ? "--template"
			   : q->tools_path	     ? "--tools"
			   : q->think		     ? "--think"
			   : q->tokens && q->files.n ? "--file"
						     : NULL;
	if (chat && (q->raw || q->tokens))
		return out_usage(c, "%s needs the chat template, which %s leaves out", chat,
			q->raw ? "--raw" : "--tokens");
	if ((q->choice || q->results.n || q->one_call) && !q->tools_path)
		return out_usage(c, "--tool-choice, --tool-result and --one-call need --tools");
	if (q->tools_path && (q->schema || q->gbnf || q->ignore_eos))
		return out_usage(c, "--tools: the answer's form is the tools', and it has an end");
	q->turn.one_call = q->one_call;
	for (u32 i = 0; q->choice && i < ARRAY_LEN(choices); i++)
		if (!strcmp(q->choice, choices[i])) {
			q->turn.choice = i;
			q->choice = NULL;
		}
	if (q->choice) {
		q->turn.choice = CHAT_CALLS_REQUIRED;
		q->turn.choice_name = q->choice;
	}
	u64 budget = THINK_NO_BUDGET;
	bool off = q->think && !strcmp(q->think, "off");
	if (off)
		q->turn.vars = "{\"enable_thinking\":false,\"thinking\":false}";
	if (q->think && !off && opt_u64(q->think, CTX_TOKENS_MAX, &budget))
		return out_usage(c, "--think: off, or at most %u tokens", CTX_TOKENS_MAX);
	q->turn.think_budget = off ? 0 : (u32)budget;
	return -1;
}

/* ---- the verb ---- */

/* Words that do not go together. */
static int parse_together(struct cli *c, const struct run *q)
{
	if (q->tokens && (q->prompt || q->raw))
		return out_usage(c, "--tokens takes the place of a prompt");
	if (q->schema && q->gbnf)
		return out_usage(c, "--json-schema and --grammar: one of them holds an answer");
	if ((q->schema || q->gbnf) && q->ignore_eos)
		return out_usage(c, "--ignore-eos: an answer ends with its grammar");
	if (q->draft && q->plan)
		return out_usage(c, "--plan is of one model: leave out --draft, or name that one");
	return q->draft && !q->draft[0] ? out_usage(c, "--draft: a model's name") : -1;
}

static int parse_options(struct cli *c, int argc, char **argv, struct run *q, bool *ret_last, int *ret_n)
{
	struct request_header *h = &q->how.h;
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
		{ "--repeat-last-n", OPT_U32, &h->repeat_last_n, ret_last },
		{ "--stop", OPT_LIST, &q->how.stops, NULL },
		{ "--system", OPT_STR, &q->system, NULL },
		{ "--messages", OPT_STR, &q->messages_path, NULL },
		{ "--file", OPT_LIST, &q->files, NULL },
		{ "--no-history", OPT_FLAG, &q->no_history, NULL },
		{ "--template", OPT_STR, &q->template_path, NULL },
		{ "--tools", OPT_STR, &q->tools_path, NULL },
		{ "--tool-choice", OPT_STR, &q->choice, NULL },
		{ "--tool-result", OPT_LIST, &q->results, NULL },
		{ "--one-call", OPT_FLAG, &q->one_call, NULL },
		{ "--think", OPT_STR, &q->think, NULL },
		{ "--json-schema", OPT_STR, &q->schema, NULL },
		{ "--grammar", OPT_STR, &q->gbnf, NULL },
		{ "--ignore-eos", OPT_FLAG, &q->ignore_eos, NULL },
		{ "--ctx", OPT_U32, &q->ctx, NULL },
		{ "--kv", OPT_STR, &q->kv, NULL },
		{ "--draft", OPT_STR, &q->draft, NULL },
		{ "--save-request", OPT_STR, &q->save, NULL },
		{ "--plan", OPT_FLAG, &q->plan, NULL },
		{ "--json", OPT_FLAG, &q->json, NULL },
	};
	return opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 2 }, ret_n);
}

static int parse(struct cli *c, int argc, char **argv, struct run *q)
{
	struct request_header *h = &q->how.h;
	bool last_given = false;
	int n;
	*h = (struct request_header){ .kind = REQUEST_GENERATE, .top_p = 1, .repeat_penalty = 1 };
	if (parse_options(c, argc, argv, q, &last_given, &n))
		return n;
	q->model = argv[0];
	q->prompt = n > 1 ? argv[1] : NULL;
	h->flags = q->ignore_eos ? REQUEST_IGNORE_EOS : 0;
	if (!last_given && h->repeat_penalty != 1)
		h->repeat_last_n = REPEAT_LAST_N;
	n = parse_together(c, q);
	return n < 0 ? parse_turn(c, q) : n;
}

/* Everything that can be wrong with the words is said before anything is started. */
static int check(struct cli *c, const struct run *q, u32 *ret_kv)
{
	const struct request_header *h = &q->how.h;
	_cleanup_free_ u32 *ids = NULL;
	size_t n;
	if (session_kv_parse(q->kv, ret_kv))
		return out_usage(c, "--kv: f32, f16 or int8");
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

/* ---- files that options name ---- */

struct files {
	char *tools, *template, *messages;
	struct arena arena;
};

static void files_fini(struct files *f)
{
	free(f->tools);
	free(f->template);
	free(f->messages);
	arena_fini(&f->arena);
}

static int read_files(struct run *q, struct files *f)
{
	size_t n;
	int r = 0;
	if (q->schema && (r = ask_grammar(q->schema, CHAT_GRAMMAR_SCHEMA, &f->arena, &q->how)))
		return r;
	if (q->gbnf && (r = ask_grammar(q->gbnf, CHAT_GRAMMAR_GBNF, &f->arena, &q->how)))
		return r;
	if (q->tools_path && (r = ask_file(q->tools_path, "tools may be", TOOLS_BYTES_MAX, &f->tools, &n)))
		return r;
	if (q->template_path && (r = ask_file(q->template_path, "a template may be", TEMPLATE_BYTES_MAX,
					 &f->template, &q->turn.template_len)))
		return r;
	q->turn.tools = f->tools;
	q->turn.template = f->template;
	return 0;
}

/* --system, --messages, and the files with the prompt, in this order. */
static int first_messages(struct run *q, struct files *f, struct talk *t)
{
	const struct chat_message *m;
	const char *why;
	size_t len, n = 0;
	int r = 0;
	if (q->messages_path) {
		if ((r = ask_file(
			     q->messages_path, "messages may be", REQUEST_BYTES_MAX, &f->messages, &len)))
			return r;
		r = chat_messages_read(f->messages, len, &f->arena, &m, &n, &why);
		if (r)
			return out_fail(r < 0 ? CLI_UNDECIDED : CLI_REFUSED, "%s: %s", q->messages_path,
				r < 0 ? out_reason(r) : why);
	}
	if (q->system)
		r = talk_add(t, "system", q->system, NULL);
	for (size_t i = 0; i < n && !r; i++)
		r = talk_add(t, m[i].role, m[i].content, m[i].more);
	for (size_t i = 0; i < q->files.n && !r; i++)
		r = talk_add_file(t, q->files.v[i]);
	if (q->prompt && !r)
		r = talk_add_question(t, q->prompt);
	return r;
}

/* The prompt where none is given: standard input, unless that is a terminal, or gives the results of tools. */
static int read_prompt(struct run *q, char **in)
{
	size_t n;
	int r = ask_read_stdin(REQUEST_BYTES_MAX, in, &n);
	if (r)
		return r;
	if (strlen(*in) != n)
		return out_fail(CLI_REFUSED, "standard input: a 0 byte is not text");
	q->prompt = *in;
	return 0;
}

static int run(struct cli *c, struct run *q, struct files *f, bool talk, u32 kv)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	struct talk t = { 0 };
	int r = first_messages(q, f, &t);
	if (!r)
		r = ctl_open(c, &k);
	if (!r)
		r = session_open(&k, &(struct session_want){ q->model, kv, q->ctx, q->draft }, &q->session);
	if (r) {
		talk_fini(&t);
		return r;
	}
	if (!q->raw && !q->tokens && !q->turn.template && !q->session.layout.h->chat_template.len) {
		out_say("%s has no chat template: the prompt is sent as it is", q->session.open.name);
		q->raw = true;
	}
	if (!q->max_given) { /* nobody said how many: a conversation goes on until its context is full */
		q->how.h.max_tokens = MAX(MIN(MAX_TOKENS_DEFAULT, q->session.open.ctx_tokens / 2), 1u);
		q->how.h.flags |= REQUEST_FILL;
	}
	if (q->raw && q->turn.tools)
		r = out_fail(
			CLI_REFUSED, "--tools needs a chat template, and %s has none", q->session.open.name);
	else
		r = talk ? talk_converse(q, &t) : talk_ask(q, &t, t.n, false);
	session_fini(&q->session);
	talk_fini(&t);
	return r;
}

int cmd_run(struct cli *c, int argc, char **argv)
{
	struct run q = { .session = SESSION_NONE };
	_cleanup_(files_fini) struct files f = { 0 };
	_cleanup_free_ char *in = NULL;
	u32 kv;
	int r = parse(c, argc, argv, &q);
	if (r >= 0)
		return r;
	if ((r = check(c, &q, &kv)) || (r = read_files(&q, &f)))
		return r;
	if (q.plan)
		return plan_show(c, &(struct session_want){ q.model, kv, q.ctx, NULL }, q.json);
	bool given = q.prompt || q.tokens || q.messages_path, talk = !given && out_tty(0);
	if (talk && (q.json || q.save))
		return out_usage(c, "%s needs a prompt", q.json ? "--json" : "--save-request");
	if (!given && !talk && (r = read_prompt(&q, &in)))
		return r;
	return run(c, &q, &f, talk, kv);
}
