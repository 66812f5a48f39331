/* Through the chat templates into tokens: whatever stands in a message, a name, a call, a result or a tool, the control tokens of a prompt are
 * those that the template wrote. For each template of CHAT_TEMPLATES a vocabulary in which everything is a control token that stands in it in
 * brackets, and the names that models out there use; then each of them, whole, in disguise and cut in half, in each place. Prints the table. */
#define _GNU_SOURCE
#include "chat/chat.h"
#include "tests/tok/byte_vocab.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>

#define SPECIALS_MAX 400u
#define SPECIAL_LEN  64u

/* ---- the special tokens --------------------------------------------------------------------------------------------------- */

static const char *const NAMES[] = { "<s>", "</s>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>",
	"<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>",
	"<|python_tag|>", "<start_of_turn>", "<end_of_turn>", "<turn|>", "<|turn>", "[INST]", "[/INST]",
	"[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "<|user|>", "<|assistant|>", "<|system|>",
	"<|observation|>", "[gMASK]", "<sop>", "<think>", "</think>", "<tool_call>", "</tool_call>",
	"<tool_response>", "<|start|>", "<|channel|>", "<|message|>", "<|call|>", "<|return|>",
	"<\xef\xbd\x9cUser\xef\xbd\x9c>", "<\xef\xbd\234end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
	"<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|im_middle|>", "]~b]", "[e~[" };

struct specials {
	char s[SPECIALS_MAX][SPECIAL_LEN];
	const char *list[SPECIALS_MAX + 1]; /* ends with NULL */
	size_t n;
};

static void special_add(struct specials *x, const char *s, size_t n)
{
	for (size_t i = 0; i < x->n; i++)
		if (strlen(x->s[i]) == n && memcmp(x->s[i], s, n) == 0)
			return;
	assert_true(x->n < SPECIALS_MAX && n < SPECIAL_LEN);
	memcpy(x->s[x->n], s, n);
	x->list[x->n] = x->s[x->n];
	x->n++;
}

/* What stands in < > or [ ] without a blank in the template. */
static void specials_find(struct specials *x, const char *source)
{
	for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
		special_add(x, NAMES[i], strlen(NAMES[i]));
	for (const char *p = source; *p; p++) {
		if (*p != '<' && *p != '[')
			continue;
		size_t n = strcspn(p + 1, *p == '<' ? "<> \n'\"" : "[] \n'\"") + 2;
		if (n > 2 && n < SPECIAL_LEN && p[n - 1] == (*p == '<' ? '>' : ']'))
			special_add(x, p, n);
	}
}

/* ---- a chat with something in one place ----------------------------------------------------------------------------------- */

enum place {
	USER,
	SYSTEM,
	ASSISTANT,
	RESULT,
	NAME,
	RESULT_NAME,
	CALL_NAME,
	ARGUMENT,
	CALL_ID,
	REASONING,
	TOOL_NAME,
	TOOL_TEXT,
	TOOL_PARAMETER,
	PLACES
};
static const char *const PLACE_NAMES[PLACES] = { "user", "system", "assistant", "result", "name",
	"result's name", "call's name", "argument", "call's id", "reasoning", "tool's name", "tool's text",
	"parameter" };

/* The shortest chat that has the place; a name is another's word everywhere else. */
struct asked {
	struct chat_message m[4];
	size_t n;
	char *text, *more[2], *tools;
};

/* %s in the JSON is the text of the place, which there is in a string. */
static char *json(const char *form, const char *text)
{
	char *out;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	for (; *form; form++) {
		if (strncmp(form, "%s", 2) != 0) {
			fputc(*form, f);
			continue;
		}
		for (const char *p = text; *p; p++) {
			if (*p == '"' || *p == '\\')
				fputc('\\', f);
			fputc(*p, f);
		}
		form++;
	}
	fclose(f);
	return out;
}

/* The JSON of the message or the tool that has the place. */
static const char *const FORMS[PLACES] = {
	[NAME] = "{\"name\":\"%s\"}",
	[RESULT] = "{\"tool_call_id\":\"abcdefghi\",\"name\":\"word\"}",
	[RESULT_NAME] = "{\"tool_call_id\":\"abcdefghi\",\"name\":\"%s\"}",
	[CALL_NAME] = "{\"tool_calls\":[{\"id\":\"abcdefghi\",\"type\":\"function\",\"function\":{\"name\":"
		      "\"%s\",\"arguments\":{\"a\":\"b\"}}}]}",
	[ARGUMENT] = "{\"tool_calls\":[{\"id\":\"abcdefghi\",\"type\":\"function\",\"function\":{\"name\":"
		     "\"word\",\"arguments\":{\"a\":\"%s\"}}}]}",
	[CALL_ID] = "{\"tool_calls\":[{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":\"word\","
		    "\"arguments\":{\"a\":\"b\"}}}]}",
	[REASONING] = "{\"reasoning_content\":\"%s\"}",
	[TOOL_NAME] = "[{\"type\":\"function\",\"function\":{\"name\":\"%s\",\"description\":\"d\","
		      "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":"
		      "{\"type\":\"string\"}}}}}]",
	[TOOL_TEXT] = "[{\"type\":\"function\",\"function\":{\"name\":\"n\",\"description\":\"%s\","
		      "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":"
		      "{\"type\":\"string\"}}}}}]",
	[TOOL_PARAMETER] = "[{\"type\":\"function\",\"function\":{\"name\":\"n\",\"description\":\"d\","
			   "\"parameters\":{\"type\":\"object\",\"properties\":{\"%s\":"
			   "{\"type\":\"string\"}}}}}]",
};

static void message_add(struct asked *a, const char *role, const char *content, const char *more)
{
	a->m[a->n++] = (struct chat_message){ role, content, more };
}

static void ask_make(struct asked *a, enum place place, const char *payload)
{
	bool call = place == CALL_NAME || place == ARGUMENT || place == CALL_ID;
	bool result = place == RESULT || place == RESULT_NAME;
	*a = (struct asked){ 0 };
	assert_true(asprintf(&a->text, "qz%szq", payload) > 0);
	if (FORMS[place])
		a->more[0] = json(FORMS[place], a->text);
	if (place == SYSTEM)
		message_add(a, "system", a->text, NULL);
	message_add(a, "user", place == USER ? a->text : "word", place == NAME ? a->more[0] : NULL);
	if (call || result)
		a->more[1] = json(FORMS[call ? place : ARGUMENT], call ? a->text : "word");
	if (call || result)
		message_add(a, "assistant", "", a->more[1]);
	if (place == ASSISTANT || place == REASONING)
		message_add(a, "assistant", place == ASSISTANT ? a->text : "word", a->more[0]);
	if (result)
		message_add(a, "tool", place == RESULT ? a->text : "word", a->more[0]);
	else if (a->n > 1 && place != SYSTEM)
		message_add(a, "user", "word", NULL);
	a->tools = place >= TOOL_NAME ? a->more[0] : NULL;
}

static void ask_fini(struct asked *a)
{
	free(a->text);
	free(a->more[0]);
	free(a->more[1]);
}

/* ---- what becomes of it ----------------------------------------------------------------------------------------------------- */

struct template
{
	const char *name;
	char *source;
	struct specials specials;
	struct byte_vocab vocab;
};

/* The control tokens of the prompt, in order; none of them from what is not trusted. *ret_shown: does the text of the place stand in the prompt, whole
 * and in nothing that is trusted? 0; 1 the template wants no such chat. */
static int prompt_controls(struct template *t, const struct asked *a, struct tok_ids *ret, bool *ret_shown)
{
	struct arena arena = { 0 };
	const struct chat_piece *piece;
	const char *why;
	size_t n;
	struct tok_ids ids = { 0 };
	int r = chat_render(&(struct chat_render){ .source = t->source,
				    .source_len = strlen(t->source),
				    .messages = a->m,
				    .n_messages = a->n,
				    .add_generation_prompt = true,
				    .bos_token = "<s>",
				    .eos_token = "</s>",
				    .now = 1767225600,
				    .tools = a->tools },
		&arena, &piece, &n, &why);
	assert_in_range(r, 0, 1);
	*ret_shown = false;
	for (size_t i = 0; !r && i < n; i++) {
		size_t from = ids.n;
		assert_int_equal(
			tok_encode(t->vocab.tok, piece[i].text, piece[i].len, piece[i].trusted, i == 0, &ids),
			0);
		for (size_t k = from; k < ids.n; k++) {
			bool control = t->vocab.vocab[ids.id[k]].type == TOK_CONTROL;
			assert_true(!control || piece[i].trusted);
			if (control)
				assert_int_equal(tok_ids_add(ret, ids.id[k]), 0);
		}
		if (!piece[i].trusted && memmem(piece[i].text, piece[i].len, a->text, strlen(a->text)))
			*ret_shown = true;
		if (piece[i].trusted) {
			assert_null(memmem(piece[i].text, piece[i].len, "qz", 2));
			assert_null(memmem(piece[i].text, piece[i].len, "zq", 2));
		}
	}
	tok_ids_fini(&ids);
	arena_fini(&arena);
	return r;
}

struct row {
	u32 places, cases, shown, other, refused;
};

/* A place of a template, and the control tokens of a prompt with an innocent word there. */
struct spot {
	struct template *t;
	enum place place;
	struct tok_ids want;
	struct row *row;
};

/* Full-width: U+FF01 is that of '!'. */
static void widen(const char *s, char *out)
{
	for (; *s; s++) {
		u32 cp = (u32)(u8)*s + 0xfee0;
		bool has = *s > ' ' && *s < 0x7f;
		if (has) {
			*out++ = (char)0xef;
			*out++ = (char)(0x80 | (cp >> 6 & 0x3f));
		}
		*out++ = has ? (char)(0x80 | (cp & 0x3f)) : *s;
	}
	*out = 0;
}

static void case_try(struct spot *x, const char *text)
{
	struct asked a;
	struct tok_ids got = { 0 };
	bool shown = false;
	ask_make(&a, x->place, text);
	int r = prompt_controls(x->t, &a, &got, &shown);
	x->row->cases++;
	x->row->refused += (u32)r;
	x->row->shown += shown;
	x->row->other += !r && (got.n != x->want.n ||
				       (got.n && memcmp(got.id, x->want.id, got.n * sizeof *got.id) != 0));
	tok_ids_fini(&got);
	ask_fini(&a);
}

/* One special token there: whole, twice, with a zero-width space, full-width; from a user or a tool also its beginning up to every byte, so that what
 * the template puts behind could complete it. */
static void special_try(struct spot *x, const char *special)
{
	char text[8 * SPECIAL_LEN];
	for (size_t k = 1; k < strlen(special) && (x->place == USER || x->place == RESULT); k++) {
		if (((u8)special[k] & 0xc0) == 0x80)
			continue; /* half a character is not text */
		snprintf(text, sizeof text, "%.*s", (int)k, special);
		case_try(x, text);
	}
	case_try(x, special);
	snprintf(text, sizeof text, "%s %s", special, special);
	case_try(x, text);
	snprintf(text, sizeof text, "%.1s\xe2\x80\x8b%s", special, special + 1);
	case_try(x, text);
	widen(special, text);
	case_try(x, text);
}

/* false: the template wants no such chat, whatever stands there. */
static bool place_try(struct template *t, enum place place, struct row *row)
{
	struct spot x = { .t = t, .place = place, .row = row };
	struct asked plain;
	bool shown;
	ask_make(&plain, place, "word");
	int r = prompt_controls(t, &plain, &x.want, &shown);
	ask_fini(&plain);
	for (size_t i = 0; !r && i < t->specials.n; i++)
		special_try(&x, t->specials.s[i]);
	tok_ids_fini(&x.want);
	return !r;
}

static char *file_read(const char *dir, const char *name)
{
	char path[600], *out;
	size_t len;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "r"), *o = open_memstream(&out, &len);
	assert_true(f && o);
	for (int c; (c = fgetc(f)) != EOF;)
		fputc(c, o);
	fclose(f);
	fclose(o);
	return out;
}

static void template_try(const char *dir, const char *name, u32 refused[PLACES])
{
	struct template *t = calloc(1, sizeof *t);
	struct row row = { 0 };
	assert_non_null(t);
	t->name = name;
	t->source = file_read(dir, name);
	specials_find(&t->specials, t->source);
	byte_vocab_init(&t->vocab);
	assert_int_equal(byte_vocab_done(&t->vocab, t->specials.list), 0);
	for (int p = 0; p < PLACES; p++) {
		bool wanted = place_try(t, (enum place)p, &row);
		row.places += wanted;
		refused[p] += !wanted;
	}
	print_message("%-24.24s %8zu %6u %7u %7u %7u %7u\n", name, t->specials.n, row.places, row.cases,
		row.shown, row.refused, row.other);
	if (!row.places)
		print_message("  takes none of these chats\n");
	byte_vocab_fini(&t->vocab);
	free(t->source);
	free(t);
}

static int by_name(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');
	return dot && strcmp(dot, ".jinja") == 0;
}

/* Columns: shown, the text stands in the prompt, whole; refused, no prompt with such a text, as in a tool's name; other, the template looks at
 * the text and writes other control tokens then, which are its own still. */
static void every_special_through_every_template(void **state)
{
	const char *dir = getenv("CHAT_TEMPLATES");
	struct dirent **names;
	u32 refused[PLACES] = { 0 };
	int n = scandir(dir, &names, by_name, alphasort);
	assert_true(n > 0);
	print_message("%-24s %8s %6s %7s %7s %7s %7s\n", "template", "specials", "places", "cases", "shown",
		"refused", "other");
	for (int i = 0; i < n; i++) {
		template_try(dir, names[i]->d_name, refused);
		free(names[i]);
	}
	free(names);
	for (int p = 0; p < PLACES; p++) {
		print_message("%s: %u of %d templates want no such chat\n", PLACE_NAMES[p], refused[p], n);
		assert_true(refused[p] < (u32)n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_special_through_every_template),
	};
	return !getenv("CHAT_TEMPLATES") ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
