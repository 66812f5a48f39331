/* Answers that hold calls of tools: byte 0 says which format and whether its tags are control tokens, the rest is what the model said, in
 * which \1…\1 is a control token. Then: the same events for the answer whole and in pieces of 1 to 7 bytes; calls begin and end in turn;
 * the arguments of a call that is complete are a JSON object; no event holds the byte that marks control tokens. */
#include "chat/format.h"

#include <stdio.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define TOOLS                                                                                                \
	"[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{" \
	"\"type\":"                                                                                          \
	"\"integer\"},\"c\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}}}}}]"

static bool all_control(void *ctx, const char *text, size_t len)
{
	return *(const bool *)ctx;
}

/* Everything that was told, kinds merged. */
struct told {
	struct chat_out all, args;
	enum chat_event_kind last;
	bool open;
};

static void hear(void *ctx, const struct chat_event *e)
{
	struct told *t = ctx;
	bool of_call = e->kind == CHAT_ARGUMENTS || e->kind == CHAT_CALL_END || e->kind == CHAT_CALL_VOID;
	assert(t->open == of_call);
	assert(!e->len || !memchr(e->text, 0xff, e->len));
	assert((e->text == NULL) == (e->len == 0));
	if (e->kind != t->last || !e->len)
		chat_out_add(&t->all, &(char){ (char)e->kind }, 1);
	t->last = e->kind;
	chat_out_add(&t->all, e->text, e->len);
	if (e->kind == CHAT_CALL) {
		assert(e->name[0] && e->id[0] && strlen(e->name) <= CHAT_NAME_BYTES_MAX);
		chat_out_add(&t->all, e->name, strlen(e->name));
		chat_out_add(&t->all, e->id, strlen(e->id));
		t->args.n = 0;
	}
	if (e->kind == CHAT_ARGUMENTS)
		chat_out_add(&t->args, e->text, e->len);
	if (e->kind == CHAT_CALL_END)
		assert(t->args.n && t->args.p[0] == '{' && chat_json_ok(t->args.p, t->args.n));
	t->open = e->kind == CHAT_CALL || e->kind == CHAT_ARGUMENTS;
}

static void say(struct chat_reader *r, const char *s, size_t len, size_t piece)
{
	for (size_t i = 0; i < len;) {
		const char *end = s[i] == 1 ? memchr(s + i + 1, 1, len - i - 1) : NULL;
		const char *mark = memchr(s + i + 1, 1, len - i - 1);
		size_t n = MIN(piece, mark ? (size_t)(mark - s) - i : len - i);
		if (end) {
			n = (size_t)(end - s) + 1 - i;
			assert(chat_reader_control(r, s + i + 1, n - 2) == 0);
		} else {
			assert(chat_reader_push(r, s + i, n) == 0);
		}
		i += n;
	}
	assert(chat_reader_end(r) == 0);
}

static struct told tell(const struct chat_format *f, bool control, const char *s, size_t len, size_t piece)
{
	struct arena a = { 0 };
	struct told t = { .last = 0 };
	struct chat_turn turn;
	char template[256];
	const char *why;
	int n = snprintf(template, sizeof template, "{# %s %s %s </think> <|end|> #}",
		f->mark[0] ? f->mark[0] : "", f->mark[1] ? f->mark[1] : "", f->mark[2] ? f->mark[2] : "");
	struct chat_ask p = { .source = template,
		.source_len = (size_t)n,
		.tools = f->syntax == CHAT_NO_CALLS ? NULL : TOOLS,
		.vocab = { all_control, &control } };
	if (chat_turn_begin(&p, &a, &turn, &why))
		abort();
	chat_reader_on(turn.reader, hear, &t);
	say(turn.reader, s, len, piece);
	assert(!t.open);
	chat_turn_fini(&turn);
	arena_fini(&a);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t n = 0;
	if (len == 0)
		return 0;
	while (chat_format_at(n))
		n++;
	const struct chat_format *f = chat_format_at((data[0] & 0x7f) % n);
	bool control = data[0] & 0x80;
	struct told whole = tell(f, control, (const char *)data + 1, len - 1, len);
	for (size_t piece = 1; piece < 8; piece += 3) {
		struct told t = tell(f, control, (const char *)data + 1, len - 1, piece);
		assert(t.all.n == whole.all.n &&
			(t.all.n == 0 || memcmp(t.all.p, whole.all.p, t.all.n) == 0));
		chat_out_fini(&t.all);
		chat_out_fini(&t.args);
	}
	chat_out_fini(&whole.all);
	chat_out_fini(&whole.args);
	return 0;
}
