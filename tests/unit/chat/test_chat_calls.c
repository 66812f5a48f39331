/* What a grammar of calls lets a random model say is read as calls, in every format: each is complete, none is broken, and its arguments
 * fit the schema of their tool. With tags that are control tokens and with tags that are text; required, or behind their trigger. */
#include "chat/chat.h"
#include "chat/format.h"
#include "runtime/mask.h"
#include "tests/tok/byte_vocab.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define TOOLS                                                                                               \
	"[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\","   \
	"\"properties\":{"                                                                                  \
	"\"town\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":12},"      \
	"\"unit\":{\"enum\":[\"C\",\"F<\"]},\"sure\":{\"type\":\"boolean\"},\"code\":{\"type\":\"string\"," \
	"\"pattern\":"                                                                                      \
	"\"^[A-Z]{2}.?$\"},\"list\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":2},"   \
	"\"may\":{\"type\":[\"string\",\"null\"]}},\"required\":[\"town\",\"unit\",\"code\"]}}},"           \
	"{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]"

static const char *const TEXTS[] = { "</parameter>", "</arg_value>", "<|\"|>", "</｜DSML｜parameter>", "{\"",
	"\": ", "\", \"", "\"}", "true", "null", "</", "para", "\n", "<", ">", "weather", "now", "\xc3\xa9",
	"\xf0\x9f", "\"\"", "\\u", NULL };

/* ---- a vocabulary for one format ----------------------------------------------------------------------------------------- */

static struct byte_vocab vocab;
static struct mask_trie trie;
static const char *controls[64];
static size_t n_controls;

/* The tags of a text of the row. */
static void tags_of(const char *text)
{
	for (const char *p = text; p && (p = strchr(p, '\1'));) {
		size_t n = strcspn(p + 1, "\1");
		char *tag = strndup(p + 1, n);
		bool known = false;
		for (size_t i = 0; i < n_controls; i++)
			known = known || strcmp(controls[i], tag) == 0;
		if (known)
			free(tag);
		else
			controls[n_controls++] = tag;
		p += n + 2;
	}
}

static void vocab_open(const struct chat_format *f, bool control)
{
	const char *const texts[] = { f->section[0], f->section[1], f->call[0], f->call[1], f->name_end,
		f->id_end, f->key, f->key_end, f->value, f->value_end, TAG("<|channel|>"),
		TAG("<|constrain|>"), TAG("<|im_start|>") };
	n_controls = 0;
	for (size_t i = 0; control && i < ARRAY_LEN(texts); i++)
		tags_of(texts[i]);
	byte_vocab_init(&vocab);
	for (const char *const *t = TEXTS; *t; t++)
		byte_vocab_add(&vocab, TOK_NORMAL, *t);
	const char *all[ARRAY_LEN(controls) + 2];
	memcpy(all, controls, n_controls * sizeof *all);
	all[n_controls] = "</s>";
	all[n_controls + 1] = NULL;
	assert_int_equal(byte_vocab_done(&vocab, all), 0);
	assert_int_equal(mask_trie_create(vocab.tok, &trie), 0);
}

static void vocab_close(void)
{
	mask_trie_fini(&trie);
	byte_vocab_fini(&vocab);
	for (size_t i = 0; i < n_controls; i++)
		free((char *)(uintptr_t)controls[i]);
}

static bool is_control(void *ctx, const char *text, size_t len)
{
	for (size_t i = 0; i < n_controls; i++)
		if (strlen(controls[i]) == len && memcmp(controls[i], text, len) == 0)
			return true;
	return false;
}

/* ---- what was read ------------------------------------------------------------------------------------------------------- */

struct heard {
	char name[64], args[65536];
	size_t n_args, n_calls, n_text, n_broken;
};

/* Does it fit the schema? By hand, and by another reader of JSON. */
static void fits(const char *name, const char *args, size_t n)
{
	json_error_t e;
	json_t *v = json_loadb(args, n, JSON_REJECT_DUPLICATES, &e);
	if (!v)
		fail_msg("%s: %.*s: %s", name, (int)n, args, e.text);
	if (strcmp(name, "now") == 0) {
		assert_int_equal(json_object_size(v), 0);
		json_decref(v);
		return;
	}
	assert_string_equal(name, "weather");
	const char *code = json_string_value(json_object_get(v, "code")),
		   *unit = json_string_value(json_object_get(v, "unit"));
	const json_t *days = json_object_get(v, "days"), *may = json_object_get(v, "may"),
		     *list = json_object_get(v, "list");
	const json_t *sure = json_object_get(v, "sure");
	bool ok = json_is_string(json_object_get(v, "town")) && unit &&
		  (!strcmp(unit, "C") || !strcmp(unit, "F<")) && code && code[0] >= 'A' && code[0] <= 'Z' &&
		  code[1] >= 'A' && code[1] <= 'Z';
	ok = ok && (!days || (json_integer_value(days) >= 1 && json_integer_value(days) <= 12));
	ok = ok && (!may || json_is_string(may) || json_is_null(may)) && (!sure || json_is_boolean(sure));
	ok = ok && (!list || (json_is_array(list) && json_array_size(list) <= 2));
	if (!ok)
		fail_msg("%s does not take %.*s", name, (int)n, args);
	json_decref(v);
}

static void hear(void *ctx, const struct chat_event *e)
{
	struct heard *h = ctx;
	if (e->kind == CHAT_CALL) {
		snprintf(h->name, sizeof h->name, "%s", e->name);
		h->n_args = 0;
	} else if (e->kind == CHAT_ARGUMENTS) {
		assert_true(h->n_args + e->len < sizeof h->args);
		memcpy(h->args + h->n_args, e->text, e->len);
		h->n_args += e->len;
	} else if (e->kind == CHAT_CALL_END) {
		fits(h->name, h->args, h->n_args);
		h->n_calls++;
	}
	h->n_text += e->kind == CHAT_TEXT ? e->len : 0;
	h->n_broken += e->kind == CHAT_BROKEN || e->kind == CHAT_CALL_VOID;
}

/* ---- saying -------------------------------------------------------------------------------------------------------------- */

static u64 seed = 7;
static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed % n);
}

struct answer {
	struct mask *m;
	struct tok_stream stream;
	struct chat_reader *reader;
	char said[65536];
	size_t n;
	bool over;
};

static void say(struct answer *a, u32 id)
{
	const char *why;
	char text[256];
	size_t len;
	if (mask_push(a->m, id, &a->over, &why))
		fail_msg("%s", why);
	const char *name = tok_name(vocab.tok, id, &len);
	if (name)
		assert_int_equal(chat_reader_control(a->reader, name, len), 0);
	size_t n = tok_stream_push(vocab.tok, &a->stream, id, text, sizeof text);
	assert_int_equal(chat_reader_push(a->reader, text, n), 0);
	if (name)
		n = (size_t)snprintf(text, sizeof text, "«%.*s»", (int)len, name);
	assert_true(a->n + n < sizeof a->said);
	memcpy(a->said + a->n, text, n);
	a->n += n;
}

/* A token that fits; those that end something are liked, else it would seldom end. false: the answer ends here. */
static bool choose(struct answer *a, u32 *ret)
{
	const u64 *bits;
	const char *why;
	u32 id, n = vocab.h.n_vocab;
	if (mask_allowed(a->m, &bits, &why))
		fail_msg("stuck behind %.*s: %s", (int)a->n, a->said, why);
	bool end = bits[vocab.h.eos / 64] >> vocab.h.eos % 64 & 1;
	if (end && rnd(3) == 0 && !mask_waits(a->m))
		return false;
	static const char like[] = "\"}]<)>/";
	for (u32 i = 0; i < 40; i++) {
		u32 c = (u8)like[rnd(sizeof like - 1)];
		id = rnd(3) == 0   ? c
		     : rnd(4) == 0 ? n - 2 - rnd((u32)n_controls + 1)
		     : rnd(2)	   ? 256 + rnd(n - 256)
				   : rnd(n);
		if (id != vocab.h.eos && bits[id / 64] >> id % 64 & 1) {
			*ret = id;
			return true;
		}
	}
	for (id = rnd(n), n = 0; n < vocab.h.n_vocab; n++, id = (id + 1) % vocab.h.n_vocab)
		if (id != vocab.h.eos && bits[id / 64] >> id % 64 & 1) {
			*ret = id;
			return true;
		}
	return false;
}

/* In front of the trigger anything goes: some text, and then the trigger itself. */
static void trigger(struct answer *a, const void *grammar)
{
	const struct grammar_header *h = grammar;
	const u8 *t = (const u8 *)grammar + sizeof *h + (h->n_states + 1) * sizeof(u32) +
		      h->n_edges * sizeof(struct grammar_edge);
	say(a, '<');
	say(a, 'a');
	for (u32 i = 0; i < h->trigger_len; i++) {
		if (t[i] != GRAMMAR_CONTROL) {
			say(a, t[i]);
			continue;
		}
		u32 n = 1;
		while (t[i + n] != GRAMMAR_CONTROL)
			n++;
		say(a, tok_control(vocab.tok, t + i + 1, n - 1));
		i += n;
	}
}

static struct chat_turn open_turn(
	const struct chat_format *f, enum chat_choice choice, bool one, struct arena *a)
{
	struct chat_turn t;
	char template[512];
	const char *why = "no memory";
	snprintf(template, sizeof template, "{# %s %s %s #}", f->mark[0], f->mark[1] ? f->mark[1] : "",
		f->mark[2] ? f->mark[2] : "");
	if (chat_turn_begin(&(struct chat_ask){ .source = template,
				    .source_len = strlen(template),
				    .tools = TOOLS,
				    .choice = choice,
				    .one_call = one,
				    .vocab = { is_control, NULL } },
		    a, &t, &why))
		fail_msg("%s: %s", f->name, why);
	assert_string_equal(t.format, f->name);
	return t;
}

/* true: it came to its end. */
static bool one_answer(const struct chat_format *f, enum chat_choice choice, bool one)
{
	struct arena arena = { 0 };
	struct chat_turn t = open_turn(f, choice, one, &arena);
	struct answer *a = calloc(1, sizeof *a);
	struct heard *h = calloc(1, sizeof *h);
	const char *why;
	u32 id;
	assert_true(a && h);
	if (mask_create(&trie, vocab.tok, t.grammar, t.grammar_len, &a->m, &why))
		fail_msg("%s: %s", f->name, why);
	a->reader = t.reader;
	chat_reader_on(t.reader, hear, h);
	bool waits = mask_waits(a->m);
	if (waits)
		trigger(a, t.grammar);
	while (!a->over && a->n < 6000 && choose(a, &id))
		say(a, id);
	bool ended = a->over || a->n<6000, broken = h->n_broken> 0; /* what is cut off may be, at its end */
	assert_int_equal(chat_reader_end(t.reader), 0);
	bool calls = choice == CHAT_CALLS_REQUIRED || waits;
	if (broken || (ended && (h->n_broken || (calls && !h->n_calls) || (one && h->n_calls > 1) ||
					(calls && h->n_text > 2))))
		fail_msg("%s: %zu calls, %zu broken, %zu bytes of text in %.*s", f->name, h->n_calls,
			h->n_broken, h->n_text, (int)a->n, a->said);
	mask_destroy(a->m);
	chat_turn_fini(&t);
	arena_fini(&arena);
	free(a);
	free(h);
	return ended;
}

static void every_format(void **state)
{
	for (size_t i = 0; chat_format_at(i) && chat_format_at(i)->syntax != CHAT_NO_CALLS; i++) {
		const struct chat_format *f = chat_format_at(i);
		u32 ended = 0;
		for (u32 how = 0; how < 8; how++) {
			vocab_open(f, how & 1);
			for (u32 k = 0; k < 12; k++)
				ended += one_answer(
					f, how & 2 ? CHAT_CALLS_REQUIRED : CHAT_CALLS_AUTO, how & 4);
			vocab_close();
		}
		if (ended < 24) /* else this test says little */
			fail_msg("%s: only %u of 96 answers came to an end", f->name, ended);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_format) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
