/* One turn: what a request is made of, and the reader of its answer. */
#include "chat/grammar_tools.h"
#include "chat/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct chat_state {
	struct chat_run run; /* what the schemas of the tools lie in */
	struct chat_tools tools;
	struct chat_reader reader;
};

static const char *find_last(const char *text, size_t n, const char *what)
{
	size_t len = strlen(what);
	for (size_t i = n + 1 - MIN(len, n + 1); n >= len; i--) {
		if (memcmp(text + i, what, len) == 0)
			return text + i;
		if (i == 0)
			break;
	}
	return NULL;
}

/* A tag without its marks, as a template writes it. */
static const char *bare(const char *tag, char out[64])
{
	size_t n = 0;
	for (; *tag && n < 63; tag++)
		if (*tag != '\1')
			out[n++] = *tag;
	out[n] = 0;
	return out;
}

/* Has the prompt opened reasoning that it did not close? Only the template can have. */
static bool opened(const struct chat_turn *t, const struct chat_think_tags *tags)
{
	char open[64], close[64];
	if (!tags || !t->n_pieces || !t->pieces[t->n_pieces - 1].trusted)
		return false;
	const struct chat_piece *last = &t->pieces[t->n_pieces - 1];
	const char *o = find_last(last->text, last->len, bare(tags->open, open));
	const char *c = find_last(last->text, last->len, bare(tags->close, close));
	return o && (!c || c < o);
}

static int think(
	const struct chat_ask *p, const struct chat_think_tags *tags, struct arena *a, struct chat_turn *t)
{
	struct chat_think *k = &t->think;
	if (!tags)
		return 0;
	k->known = true;
	k->inside = opened(t, tags);
	k->open = chat_format_text(tags->open, &p->vocab, a, &k->open_len);
	k->close = chat_format_text(tags->close, &p->vocab, a, &k->close_len);
	k->end = chat_format_text(tags->end, &p->vocab, a, &k->end_len);
	return k->open && k->close && k->end ? 0 : -ENOMEM;
}

/* Calls so far: ids of new ones go on from there. */
static u32 count_calls(const struct chat_ask *p)
{
	u32 n = 0;
	for (size_t i = 0; i < p->n_messages; i++)
		for (const char *s = p->messages[i].more; s && (s = strstr(s, "\"arguments\"")); s++)
			n++;
	return n;
}

static bool prepare(struct chat_state *s, const struct chat_ask *p, const struct chat_format *f)
{
	struct chat_gb b = { .r = &s->run };
	bool named = p->choice == CHAT_CALLS_REQUIRED && p->choice_name;
	if (!p->tools && p->choice == CHAT_CALLS_REQUIRED)
		return chat_gb_fail(&b, "tools", "a call is required, and there are none");
	if (!p->tools)
		return true;
	if (f->syntax == CHAT_NO_CALLS)
		return chat_gb_fail(
			&b, "tools", "the model's chat template writes no calls that are known here");
	if (!chat_tools_read(&s->run, p->tools, strlen(p->tools), &s->tools))
		return false;
	if (named && !chat_tool_find(&s->tools, chat_cstr(p->choice_name)))
		return chat_gb_fail(&b, "tools", "none is called \"%.60s\"", p->choice_name);
	return true;
}

static int render_turn(const struct chat_ask *p, struct arena *a, struct chat_turn *t, const char **ret_why)
{
	return chat_render(&(struct chat_render){ .source = p->source,
				   .source_len = p->source_len,
				   .messages = p->messages,
				   .n_messages = p->n_messages,
				   .add_generation_prompt = true,
				   .bos_token = p->bos_token,
				   .eos_token = p->eos_token,
				   .tools = p->choice == CHAT_CALLS_NONE ? NULL : p->tools,
				   .vars = p->vars,
				   .now = p->now },
		a, &t->pieces, &t->n_pieces, ret_why);
}

static int begin(const struct chat_ask *p, struct arena *a, struct chat_turn *t, const char **ret_why)
{
	struct chat_state *s = t->state;
	const struct chat_format *f = chat_format_of(p->source, p->source_len);
	const struct chat_think_tags *tags = chat_think_of(p->source, p->source_len);
	bool calls = p->tools && p->choice != CHAT_CALLS_NONE;
	t->format = f->name;
	if (!prepare(s, p, f))
		return chat_run_outcome(&s->run, a, ret_why);
	int r = render_turn(p, a, t, ret_why);
	if (!r)
		r = think(p, tags, a, t);
	if (!r && calls)
		r = chat_tools_grammar(
			&(struct chat_tools_want){ .format = f,
				.tools = &s->tools,
				.vocab = p->vocab,
				.think = &t->think,
				.required = p->choice == CHAT_CALLS_REQUIRED,
				.name = p->choice == CHAT_CALLS_REQUIRED ? p->choice_name : NULL,
				.one = p->one_call },
			a, &t->grammar, &t->grammar_len, ret_why);
	if (!r)
		r = chat_reader_create(&(struct chat_reader_params){ .format = f,
					       .think = tags,
					       .inside = t->think.inside,
					       .calls = calls,
					       .tools = &s->tools,
					       .first_call = count_calls(p),
					       .vocab = p->vocab },
			a, &s->reader);
	t->reader = &s->reader;
	return r;
}

int chat_turn_begin(const struct chat_ask *p, struct arena *a, struct chat_turn *ret, const char **ret_why)
{
	struct chat_turn t = { .state = calloc(1, sizeof *t.state) };
	if (!t.state)
		return -ENOMEM;
	chat_run_init(&t.state->run, NULL, NULL);
	int r = begin(p, a, &t, ret_why);
	if (r)
		chat_turn_fini(&t);
	else
		*ret = t;
	return r;
}

void chat_turn_fini(struct chat_turn *t)
{
	if (!t->state)
		return;
	chat_reader_fini(&t->state->reader);
	arena_fini(&t->state->run.a);
	free(t->state);
	*t = (struct chat_turn){ 0 };
}
