#include "chat/request.h"

#include <errno.h>
#include <string.h>

static bool is_control(void *ctx, const char *text, size_t len)
{
	const struct layout *l = ctx;
	for (u32 i = 0; i < l->h->n_vocab; i++)
		if (l->vocab[i].type == TOK_CONTROL && l->vocab[i].text.len == len &&
			memcmp(l->strings + l->vocab[i].text.off, text, len) == 0)
			return true;
	return false;
}

static const char *token_text(const struct layout *l, u32 id, struct arena *a)
{
	struct layout_str t = id < l->h->n_vocab ? l->vocab[id].text : (struct layout_str){ 0 };
	return arena_dup(a, l->strings + t.off, t.len);
}

int chat_ask_of(const struct layout *l, struct arena *a, struct chat_ask *ask)
{
	if (!ask->source) {
		ask->source = l->strings + l->h->chat_template.off;
		ask->source_len = l->h->chat_template.len;
	}
	ask->bos_token = token_text(l, l->h->bos, a);
	ask->eos_token = token_text(l, l->h->eos, a);
	ask->vocab = (struct chat_vocab){ is_control, (void *)(uintptr_t)l };
	if (!ask->bos_token || !ask->eos_token)
		return -ENOMEM;
	return ask->source_len ? 0 : 1;
}

void chat_request_pieces(struct request_builder *b, const struct chat_turn *t)
{
	for (size_t i = 0; i < t->n_pieces; i++)
		request_add(b, t->pieces[i].trusted ? REQUEST_TRUSTED : REQUEST_TEXT, t->pieces[i].text,
			t->pieces[i].len);
}

static void think_add(struct request_builder *b, const struct chat_think *k, u32 budget, struct arena *a)
{
	struct request_think h = { .budget = budget,
		.inside = k->inside,
		.open_len = (u16)k->open_len,
		.close_len = (u16)k->close_len,
		.end_len = (u16)k->end_len };
	u8 *p = arena_alloc(a, sizeof h + k->open_len + k->close_len + k->end_len);
	b->failed = b->failed || !p;
	if (!p)
		return;
	memcpy(p, &h, sizeof h);
	memcpy(p + sizeof h, k->open, k->open_len);
	memcpy(p + sizeof h + k->open_len, k->close, k->close_len);
	memcpy(p + sizeof h + k->open_len + k->close_len, k->end, k->end_len);
	request_add(b, REQUEST_THINK, p, sizeof h + k->open_len + k->close_len + k->end_len);
}

void chat_request_ends(
	struct request_builder *b, const struct chat_turn *t, const struct chat_ends *e, struct arena *a)
{
	const void *grammar = t->grammar ? t->grammar : e->grammar;
	if (grammar)
		request_add(b, REQUEST_GRAMMAR, grammar, t->grammar ? t->grammar_len : e->grammar_len);
	if (t->think.known && (grammar || e->budget != THINK_NO_BUDGET))
		think_add(b, &t->think, e->budget, a);
}

int chat_reader_tokens(
	struct chat_reader *r, const struct layout *l, const char *text, size_t len, const u32 *ids, u32 n)
{
	int bad = len ? chat_reader_push(r, text, len) : 0;
	for (u32 i = 0; i < n && !bad; i++) {
		if (ids[i] >= l->h->n_vocab || l->vocab[ids[i]].type != TOK_CONTROL)
			continue;
		struct layout_str name = l->vocab[ids[i]].text;
		bad = chat_reader_control(r, l->strings + name.off, name.len);
	}
	return bad;
}
