/* Answers become events: for every format what is said comes out as text, reasoning and calls; cut anywhere, it is the same. A tag is
 * «tag» below: said once as a control token and once as text, by vocabularies that have them so. */
#include "chat/chat.h"
#include "chat/format.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TOOLS                                                                                             \
	"[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\"," \
	"\"properties\":"                                                                                 \
	"{\"town\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"},\"deep\":{\"type\":\"object\"}," \
	"\"any\":{},\"may\":{\"type\":[\"string\",\"null\"]}}}}},"                                        \
	"{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]"

/* ---- a vocabulary in which every tag is a control token, or none ---------------------------------------------------------- */

static bool every(void *ctx, const char *text, size_t len)
{
	return true;
}

static bool none(void *ctx, const char *text, size_t len)
{
	return false;
}

/* ---- events as text ------------------------------------------------------------------------------------------------------ */

struct heard {
	char text[65536];
	size_t n;
	enum chat_event_kind last;
	bool open; /* a call is being told */
	char args[16384];
	size_t n_args;
};

static void put(struct heard *h, const char *s, size_t n)
{
	assert_true(h->n + n < sizeof h->text);
	memcpy(h->text + h->n, s, n);
	h->n += n;
	h->text[h->n] = 0;
}

static void hear(void *ctx, const struct chat_event *e)
{
	static const char *const begin[] = { [CHAT_TEXT] = " T:",
		[CHAT_REASONING] = " R:",
		[CHAT_CALL] = " C:",
		[CHAT_ARGUMENTS] = " A:",
		[CHAT_CALL_END] = " E",
		[CHAT_CALL_VOID] = " V",
		[CHAT_BROKEN] = " B:" };
	struct heard *h = ctx;
	bool piece = e->kind != CHAT_CALL && e->kind != CHAT_CALL_END && e->kind != CHAT_CALL_VOID;
	if (!piece || h->last != e->kind)
		put(h, begin[e->kind], strlen(begin[e->kind]));
	h->last = e->kind;
	put(h, e->text ? e->text : "", e->len);
	if (e->kind == CHAT_CALL) {
		put(h, e->name, strlen(e->name));
		put(h, "/", 1);
		put(h, e->id, strlen(e->id));
		h->n_args = 0;
	}
	assert_true(h->open ==
		    (e->kind == CHAT_ARGUMENTS || e->kind == CHAT_CALL_END || e->kind == CHAT_CALL_VOID));
	h->open = e->kind == CHAT_CALL || e->kind == CHAT_ARGUMENTS;
	if (e->kind == CHAT_ARGUMENTS) {
		assert_true(h->n_args + e->len < sizeof h->args);
		memcpy(h->args + h->n_args, e->text, e->len);
		h->n_args += e->len;
	}
	if (e->kind == CHAT_CALL_END && !chat_json_ok(h->args, h->n_args))
		fail_msg("arguments are no JSON: %.*s", (int)h->n_args, h->args);
}

/* ---- saying -------------------------------------------------------------------------------------------------------------- */

struct row {
	const char *template, *said, *want;
};

static struct chat_turn open_turn(const char *template, const char *tools, bool control, struct arena *a)
{
	struct chat_turn t;
	const char *why = "no memory";
	struct chat_ask p = { .source = template,
		.source_len = strlen(template),
		.tools = tools,
		.vocab = { control ? every : none, NULL } };
	if (chat_turn_begin(&p, a, &t, &why))
		fail_msg("%s: %s", template, why);
	return t;
}

/* What is said, as things that cannot be cut: bytes, and control tokens. */
struct atoms {
	const char *p[8192];
	u16 len[8192]; /* 0: the byte *p; else a control token of that many bytes */
	size_t n;
};

static void atoms_of(const char *said, bool control, struct atoms *x)
{
	x->n = 0;
	while (*said) {
		bool tag = strncmp(said, "«", 2) == 0;
		const char *end = tag ? strstr(said, "»") : said + 1;
		assert_non_null(end);
		said += tag ? 2 : 0;
		if (tag && control) {
			x->p[x->n] = said;
			x->len[x->n++] = (u16)(end - said);
		}
		for (; !(tag && control) && said < end; x->n++) {
			x->p[x->n] = said++;
			x->len[x->n] = 0;
		}
		said = end + (tag ? 2 : 0);
		assert_true(x->n < ARRAY_LEN(x->p));
	}
}

/* Said in pieces that end where cut[i] is set. */
static void say(struct chat_reader *r, const struct atoms *x, const bool *cut)
{
	char piece[ARRAY_LEN(x->p)];
	size_t n = 0;
	for (size_t i = 0; i < x->n; i++) {
		if (x->len[i] == 0)
			piece[n++] = *x->p[i];
		if (n && (x->len[i] || i + 1 == x->n || cut[i])) {
			assert_int_equal(chat_reader_push(r, piece, n), 0);
			n = 0;
		}
		if (x->len[i])
			assert_int_equal(chat_reader_control(r, x->p[i], x->len[i]), 0);
	}
	assert_int_equal(chat_reader_end(r), 0);
}

static void check(
	const struct row *row, const char *tools, bool control, const struct atoms *x, const bool *cut)
{
	struct arena a = { 0 };
	struct chat_turn t = open_turn(row->template, tools, control, &a);
	struct heard *h = calloc(1, sizeof *h);
	assert_non_null(h);
	chat_reader_on(t.reader, hear, h);
	say(t.reader, x, cut);
	if (strcmp(h->text, row->want) != 0)
		fail_msg("%s (%s)\n  said %s\n  gave %s\n  not  %s", t.format, control ? "control" : "text",
			row->said, h->text, row->want);
	free(h);
	chat_turn_fini(&t);
	arena_fini(&a);
}

static u64 seed = 5;
static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed % n);
}

/* Whole; in two at every place; byte by byte; and in random pieces. */
static void check_cuts(const struct row *row, const char *tools, bool control)
{
	static struct atoms x;
	static bool cut[ARRAY_LEN(x.p)];
	atoms_of(row->said, control, &x);
	memset(cut, 0, sizeof cut);
	check(row, tools, control, &x, cut);
	for (size_t i = 0; i < x.n; i++) {
		cut[i] = true;
		check(row, tools, control, &x, cut);
		cut[i] = false;
	}
	memset(cut, 1, sizeof cut);
	check(row, tools, control, &x, cut);
	for (u32 k = 0; k < 20; k++) {
		for (size_t i = 0; i < x.n; i++)
			cut[i] = rnd(4) == 0;
		check(row, tools, control, &x, cut);
	}
}

static void check_rows(const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_cuts(&row[i], TOOLS, false);
		check_cuts(&row[i], TOOLS, true);
	}
}

/* ---- every format -------------------------------------------------------------------------------------------------------- */

/* Templates that write nothing but are of a format: what it goes by stands in a comment. */
#define T(marks) "{# " marks " #}"
#define HERMES	 T("<tool_call> tools </think>")
#define GLM	 T("<tool_call><arg_key> </think>")
#define QWEN	 T("<tool_call><function=<parameter= </think>")
#define LLAMA	 T("<|start_header_id|> parameters tools")
#define HARMONY	 T("<|channel|><|message|><|end|>")
#define GEMMA	 T("<|tool_call><tool_call|><|\"|> <|channel> <channel|>")
#define DSML	 T("｜DSML｜ tool_calls> </think>")
#define LFM	 T("<|tool_call_start|> </think>")

static void formats(void **state)
{
	static const struct row rows[] = {
		{ HERMES, "Hello, world.\n", " T:Hello, world." },
		{ HERMES, "  a <b\n\n c ", " T:a <b\n\n c" },
		{ HERMES, "«<think>»\nwell\n\n«</think>»\n\nyes", " R:well T:yes" },
		{ HERMES,
			"I look.\n«<tool_call>»\n{\"name\": \"weather\", \"arguments\": {\"town\": "
			"\"Ulm\"}}\n«</tool_call>»",
			" T:I look. C:weather/call00000 A:{\"town\": \"Ulm\"} E" },
		{ HERMES,
			"«<tool_call>»{\"arguments\": {\"a\": {\"b\": [1, \"}\\\"\"]}} , "
			"\"name\":\"weather\"}«</tool_call>»\n"
			"«<tool_call>»\n{\"name\": \"now\"}\n«</tool_call>» done",
			" C:weather/call00000 A:{\"a\": {\"b\": [1, \"}\\\"\"]}} E C:now/call00001 A:{} E "
			"T:done" },
		{ HERMES, "«<tool_call>»\n[{\"name\": \"now\", \"id\": \"x9\", \"arguments\": {}}]",
			" C:now/x9 A:{} E" },
		{ HERMES, "«<tool_call>»{\"id\": \"x9\", \"name\": \"now\", \"arguments\": {}}",
			" C:now/x9 A:{} E" },
		{ GLM,
			"«<tool_call>»weather«<arg_key>»town«</arg_key>»«<arg_value>»Ulm \"x\" "
			"<b>\n«</arg_value>»«<arg_key>»days"
			"«</arg_key>»«<arg_value>»3«</arg_value>»«</tool_call>»",
			" C:weather/call00000 A:{\"town\":\"Ulm \\\"x\\\" <b>\\n\",\"days\":3} E" },
		{ GLM,
			"«<tool_call>»weather\n«<arg_key>»deep«</arg_key>»\n«<arg_value>»{\"k\": "
			"[1]}«</arg_value>»\n"
			"«</tool_call>»\n«<tool_call>»now\n«</tool_call>»«<tool_call>»now«</tool_call>»",
			" C:weather/call00000 A:{\"deep\":{\"k\": [1]}} E C:now/call00001 A:{} E "
			"C:now/call00002 A:{} E" },
		{ GLM,
			"«<tool_call>»weather«<arg_key>»town«</arg_key>»«<arg_value>»5«</"
			"arg_value>»«<arg_key>»any«</arg_key>»"
			"«<arg_value>»5«</arg_value>»«<arg_key>»may«</arg_key>»«<arg_value>»null«</"
			"arg_value>»«<arg_key>»other"
			"«</arg_key>»«<arg_value>»a b«</arg_value>»«</tool_call>»",
			" C:weather/call00000 A:{\"town\":\"5\",\"any\":5,\"may\":null,\"other\":\"a b\"} "
			"E" },
		{ QWEN,
			"«<think>»hm«</think>»«<tool_call>»\n<function=weather>\n<parameter=town>\nUlm\n\n</"
			"parameter>\n<parameter=days>"
			"\n2\n</parameter>\n</function>\n«</tool_call>»\nok",
			" R:hm C:weather/call00000 A:{\"town\":\"Ulm\\n\",\"days\":2} E T:ok" },
		{ T("<seed:tool_call><function= </seed:think>"),
			"«<seed:think>»x«</seed:think>»«<seed:tool_call>»\n<function=now>\n</function>\n«</"
			"seed:tool_call>»",
			" R:x C:now/call00000 A:{} E" },
		{ T("<minimax:tool_call> <invoke name= </think>"),
			"«<minimax:tool_call>»\n<invoke name=\"weather\">\n<parameter "
			"name=\"town\">Ulm</parameter>\n</invoke>\n"
			"<invoke name=\"now\">\n</invoke>\n«</minimax:tool_call>»",
			" C:weather/call00000 A:{\"town\":\"Ulm\"} E C:now/call00001 A:{} E" },
		{ DSML,
			"<«｜DSML｜»tool_calls>\n<«｜DSML｜»invoke name=\"weather\">\n<«｜DSML｜»parameter "
			"name=\"town\" string=\"true\">5"
			"</«｜DSML｜»parameter>\n<«｜DSML｜»parameter name=\"days\" "
			"string=\"false\">5</«｜DSML｜»parameter>\n"
			"</«｜DSML｜»invoke>\n</«｜DSML｜»tool_calls>",
			" C:weather/call00000 A:{\"town\":\"5\",\"days\":5} E" },
		{ LLAMA, "{\"name\": \"weather\", \"parameters\": {\"town\": \"Ulm\"}}",
			" C:weather/call00000 A:{\"town\": \"Ulm\"} E" },
		{ LLAMA,
			"«<|python_tag|>»{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"now\", "
			"\"parameters\": {}}",
			" C:now/call00000 A:{} E C:now/call00001 A:{} E" },
		{ LLAMA, "{\"total\": 3}\nand more", " T:{\"total\": 3}\nand more" },
		{ LLAMA, "No {\"name\": \"now\"}", " T:No {\"name\": \"now\"}" },
		{ T("[TOOL_CALLS][ARGS] [/THINK]"),
			"«[THINK]»so«[/THINK]»«[TOOL_CALLS]»weather«[ARGS]»{\"town\": \"Ulm\"}"
			"«[TOOL_CALLS]»now«[ARGS]»{}",
			" R:so C:weather/call00000 A:{\"town\": \"Ulm\"} E C:now/call00001 A:{} E" },
		{ T("[TOOL_CALLS][CALL_ID][ARGS]"), "«[TOOL_CALLS]»now«[CALL_ID]»abc123def«[ARGS]»{}",
			" C:now/abc123def A:{} E" },
		{ T("[TOOL_CALLS]"),
			"«[TOOL_CALLS]» [{\"name\": \"now\", \"arguments\": {}, \"id\": \"abc123def\"}, "
			"{\"name\": \"now\", \"arguments\": {}}]",
			" C:now/call00000 A:{} E C:now/call00001 A:{} E" },
		{ T("<｜tool▁sep｜>"),
			"«<｜tool▁calls▁begin｜>»«<｜tool▁call▁begin｜>»weather«<｜tool▁sep｜>»{\"town\": "
			"\"Ulm\"}«<｜tool▁call▁end｜>»"
			"«<｜tool▁call▁begin｜>»now«<｜tool▁sep｜>»{}«<｜tool▁call▁end｜>»«<"
			"｜tool▁calls▁end｜>»",
			" C:weather/call00000 A:{\"town\": \"Ulm\"} E C:now/call00001 A:{} E" },
		{ T("<｜tool▁sep｜> ```json </think>"),
			"t\n«<｜tool▁calls▁begin｜>»«<｜tool▁call▁begin｜>»function«<｜tool▁sep｜>»weather\n`"
			"``json\n{\"town\": "
			"\"Ulm\"}\n```«<｜tool▁call▁end｜>»«<｜tool▁calls▁end｜>»",
			" T:t C:weather/call00000 A:{\"town\": \"Ulm\"} E" },
		{ T("<|tool_call_argument_begin|>"),
			"«<|tool_calls_section_begin|>»«<|tool_call_begin|>»functions.weather:0«<|tool_call_"
			"argument_begin|>»{\"town\": "
			"\"Ulm\"}«<|tool_call_end|>»«<|tool_call_begin|>»functions.now:1«<|tool_call_"
			"argument_begin|>»{}"
			"«<|tool_call_end|>»«<|tool_calls_section_end|>»",
			" C:weather/functions.weather:0 A:{\"town\": \"Ulm\"} E C:now/functions.now:1 A:{} "
			"E" },
		{ GEMMA,
			"«<|tool_call>»call:weather{town:«<|\"|>»Ulm "
			"«<|\"|>»,deep:{k:[1,true,«<|\"|>»}«<|\"|>»]}}«<tool_call|>»",
			" C:weather/call00000 A:{\"town\":\"Ulm \",\"deep\":{\"k\":[1,true,\"}\"]}} E" },
		{ GEMMA,
			"«<|channel>»thought\nhm\n«<channel|>»«<|tool_call>»call:now{}«<tool_call|>»«<|tool_"
			"call>»call:now{}"
			"«<tool_call|>»",
			" R:hm C:now/call00000 A:{} E C:now/call00001 A:{} E" },
		{ LFM,
			"«<|tool_call_start|>»[weather(town='it\\'s', days = 3, deep={'k': [True, None, "
			"(1,)]}), now()]"
			"«<|tool_call_end|>»ok",
			" B:<|tool_call_start|>[weather(town='it\\'s', days = 3, deep={'k': [True, None, "
			"(1,)]}), now()]"
			"<|tool_call_end|> T:ok" },
		{ LFM,
			"«<|tool_call_start|>»[weather(town='it\\'s', days = 3, deep={\"k\": [True, None, "
			"(1, 2)]}), now()]"
			"«<|tool_call_end|>»ok",
			" C:weather/call00000 "
			"A:{\"town\":\"it's\",\"days\":3,\"deep\":{\"k\":[true,null,[1,2]]}} E "
			"C:now/call00001 A:{} E"
			" T:ok" },
		{ T("<|START_ACTION|> <|END_THINKING|>"),
			"«<|START_THINKING|>»plan«<|END_THINKING|>»«<|START_ACTION|>»[\n    "
			"{\"tool_call_id\": \"0\", \"tool_name\": "
			"\"now\", \"parameters\": {}}\n]«<|END_ACTION|>»",
			" R:plan C:now/0 A:{} E" },
		{ T("<|START_ACTION|>"), "«<|START_RESPONSE|>»It is noon.«<|END_RESPONSE|>»",
			" T:It is noon." },
		{ T("<TOOLCALL>"), "«<TOOLCALL>»[{\"name\": \"now\", \"arguments\": {}}]«</TOOLCALL>»",
			" C:now/call00000 A:{} E" },
		{ T("<|tool_call|>"), "«<|tool_call|>»[{\"name\": \"now\", \"arguments\": {}}]",
			" C:now/call00000 A:{} E" },
		{ T("<|tool_call|><|/tool_call|>"),
			"«<|tool_call|>»[{\"name\": \"now\", \"arguments\": {}}]«<|/tool_call|>»",
			" C:now/call00000 A:{} E" },
		{ T("<tool_calls></tool_calls>"),
			"«<tool_calls>»[{\"name\": \"now\", \"arguments\": {}}]«</tool_calls>»",
			" C:now/call00000 A:{} E" },
		{ T("<function="), "so: <function=weather>{\"town\": \"Ulm\"}</function>",
			" T:so: C:weather/call00000 A:{\"town\": \"Ulm\"} E" },
		{ T(">>> tool_calls"), "all\nIt rains.>>>weather\n{\"town\": \"Ulm\"}>>>now\n{}",
			" T:It rains. C:weather/call00000 A:{\"town\": \"Ulm\"} E C:now/call00001 A:{} E" },
		{ HARMONY,
			"«<|channel|>»analysis«<|message|>»Need "
			"it.«<|end|>»«<|start|>»assistant«<|channel|>»commentary to=functions.weather "
			"«<|constrain|>»json«<|message|>»{\"town\": \"Ulm\"}",
			" R:Need it. C:weather/call00000 A:{\"town\": \"Ulm\"} E" },
		{ HARMONY, "«<|channel|>»final«<|message|>»Hi <b>.«<|end|>»", " T:Hi <b>." },
	};
	check_rows(rows, ARRAY_LEN(rows));
}

/* ---- what is no call ----------------------------------------------------------------------------------------------------- */

static void broken(void **state)
{
	static const struct row rows[] = {
		{ HERMES,
			"«<tool_call>»\n{\"name\": \"now\", \"arguments\": {\"a\": tru}}\n«</tool_call>» and",
			" C:now/call00000 A:{\"a\": tru V B:<tool_call>\n{\"name\": \"now\", \"arguments\": "
			"{\"a\": tru}}\n</tool_call> T:and" },
		{ HERMES, "«<tool_call>»no«</tool_call>»«<tool_call>»{\"name\": \"now\"}",
			" B:<tool_call>no</tool_call> C:now/call00000 A:{} E" },
		{ HERMES, "«<tool_call>»{\"arguments\": {}}«</tool_call>»",
			" B:<tool_call>{\"arguments\": {}}</tool_call>" },
		{ HERMES, "«<tool_call>»{\"name\": \"now\", \"arguments\": \"x\"}",
			" B:<tool_call>{\"name\": \"now\", \"arguments\": \"x\"}" },
		{ HERMES, "«<tool_call>»{\"name\": \"now\", \"argum",
			" B:<tool_call>{\"name\": \"now\", \"argum" },
		{ HERMES, "«<tool_call>»", " B:<tool_call>" },
		{ HERMES, "«<tool_call>»{\"name\": \"a b\"}", " B:<tool_call>{\"name\": \"a b\"}" },
		{ GLM,
			"«<tool_call>»weather«<arg_key>»days«</arg_key>»«<arg_value>»three«</arg_value>»«</"
			"tool_call>»",
			" C:weather/call00000 V "
			"B:<tool_call>weather<arg_key>days</arg_key><arg_value>three</arg_value></"
			"tool_call>" },
		{ GLM, "«<tool_call>»weather«<arg_key>»days«</arg_key>»«<arg_value>»3",
			" C:weather/call00000 V B:<tool_call>weather<arg_key>days</arg_key><arg_value>3" },
		{ GLM, "«<tool_call>»weather«<arg_key>»days«</arg_key>»",
			" C:weather/call00000 V B:<tool_call>weather<arg_key>days</arg_key>" },
		{ LLAMA, "«<|python_tag|>»print(1)", " B:<|python_tag|>print(1)" },
		{ LLAMA, "{\"name\": \"now\", \"parameters\": {",
			" C:now/call00000 A:{ V T:{\"name\": \"now\", \"parameters\": {" },
		{ GEMMA, "«<|tool_call>»call:now{a:[}«<tool_call|>»",
			" B:<|tool_call>call:now{a:[}<tool_call|>" },
		{ LFM, "«<|tool_call_start|>»[now(1)]«<|tool_call_end|>»",
			" B:<|tool_call_start|>[now(1)]<|tool_call_end|>" },
		{ HARMONY, "«<|channel|>»commentary to=functions.now«<|message|>»[1]«<|end|>»",
			" C:now/call00000 V B:<|channel|>commentary to=functions.now<|message|>[1]<|end|>" },
		{ HERMES,
			"«<tool_call>»{\"name\": \"now\", \"arguments\": {\"a\": "
			"\"\\ud800\\ud83d\\ude00\"}}«</tool_call>»",
			" C:now/call00000 A:{\"a\": \"\\ud800\\ud83 V B:<tool_call>{\"name\": \"now\", "
			"\"arguments\": {\"a\": \"\\ud800\\ud83d\\ude00\"}}</tool_call>" },
		{ HERMES,
			"«<tool_call>»{\"name\": \"now\", \"arguments\": {\"a\": \"\\udc00\"}}«</tool_call>»",
			" C:now/call00000 A:{\"a\": \"\\udc0 V B:<tool_call>{\"name\": \"now\", "
			"\"arguments\": {\"a\": \"\\udc00\"}}</tool_call>" },
		{ HARMONY, "Hello", " T:Hello" },
		{ HERMES, "«<think>»never ends", " R:never ends" },
		{ HERMES, "a<tool_cal", " T:a<tool_cal" },
		{ HERMES, "a<tool_cal b", " T:a<tool_cal b" },
	};
	check_rows(rows, ARRAY_LEN(rows));
}

/* Where the tag is a control token, the same characters typed as text are text: nobody can talk a model into calling. */
static void typed(void **state)
{
	static const struct row row = { HERMES, "<tool_call>{\"name\": \"now\"}</tool_call><think>",
		" T:<tool_call>{\"name\": \"now\"}</tool_call><think>" };
	check_cuts(&row, TOOLS, true);
	static const struct row other = { HERMES, "a«<|im_start|>»b",
		" T:ab" }; /* a control token of another kind is no text */
	check_cuts(&other, TOOLS, true);
}

/* Nor does the byte that marks control tokens, which is no text. */
static void marked(void **state)
{
	static const char said[] = "\xff<tool_call>\xff{\"name\": \"now\"}\xff</tool_call>\xff";
	struct arena a = { 0 };
	struct chat_turn t = open_turn(HERMES, TOOLS, true, &a);
	struct heard *h = calloc(1, sizeof *h);
	assert_non_null(h);
	chat_reader_on(t.reader, hear, h);
	assert_int_equal(chat_reader_push(t.reader, said, strlen(said)), 0);
	assert_int_equal(chat_reader_control(t.reader, "a\xff", 2), 0);
	assert_int_equal(chat_reader_end(t.reader), 0);
	assert_string_equal(h->text, " T:?<tool_call>?{\"name\": \"now\"}?</tool_call>?");
	free(h);
	chat_turn_fini(&t);
	arena_fini(&a);
}

/* Without tools nothing is a call; reasoning still is. */
static void no_tools(void **state)
{
	static const struct row row = { HERMES, "«<think>»x«</think>»<tool_call>{}</tool_call>",
		" R:x T:<tool_call>{}</tool_call>" };
	check_cuts(&row, NULL, false);
	check_cuts(&row, NULL, true);
}

/* The prompt has opened reasoning, and closed it again. */
static void inside(void **state)
{
	static const struct row rows[] = {
		{ "{# <tool_call><arg_key> #}{{ '<|assistant|><think>' }}{# </think> #}", "deep«</think>»yes",
			" R:deep T:yes" },
		{ "{# <tool_call><arg_key> #}{{ '<|assistant|><think></think>' }}", "deep", " T:deep" },
	};
	check_rows(rows, ARRAY_LEN(rows));
}

/* ---- limits -------------------------------------------------------------------------------------------------------------- */

struct ends {
	size_t n_void, n_end, n_broken;
};

static void count_ends(void *ctx, const struct chat_event *e)
{
	struct ends *x = ctx;
	x->n_void += e->kind == CHAT_CALL_VOID;
	x->n_end += e->kind == CHAT_CALL_END;
	x->n_broken += e->kind == CHAT_BROKEN;
}

static struct ends ends_of(const char *template, const char *text, size_t n)
{
	struct arena a = { 0 };
	struct chat_turn t = open_turn(template, TOOLS, false, &a);
	struct ends seen = { 0 };
	chat_reader_on(t.reader, count_ends, &seen);
	assert_int_equal(chat_reader_push(t.reader, text, n), 0);
	assert_int_equal(chat_reader_end(t.reader), 0);
	chat_turn_fini(&t);
	arena_fini(&a);
	return seen;
}

/* head, so many bytes, tail. */
static struct ends padded(const char *template, const char *head, size_t n, char c, const char *tail)
{
	size_t h = strlen(head), k = strlen(tail);
	char *text = malloc(h + n + k + 1);
	assert_non_null(text);
	memcpy(text, head, h);
	memset(text + h, c, n);
	memcpy(text + h + n, tail, k + 1);
	struct ends e = ends_of(template, text, h + n + k);
	free(text);
	return e;
}

static void limits(void **state)
{
	static const char head[] = "<tool_call>{\"name\": \"now\", \"arguments\": {\"a\": \"",
			  tail[] = "\"}}";
	size_t room = CHAT_CALL_BYTES_MAX - strlen(head) - strlen(tail);
	assert_int_equal(padded(HERMES, head, room, 'x', tail).n_end, 1);
	assert_int_equal(padded(HERMES, head, room + 1, 'x', tail).n_void, 1);
	assert_int_equal(
		padded(HERMES, "<tool_call>{\"name\": \"", CHAT_NAME_BYTES_MAX, 'x', "\"}").n_end, 1);
	assert_int_equal(
		padded(HERMES, "<tool_call>{\"name\": \"", CHAT_NAME_BYTES_MAX + 1, 'x', "\"}").n_broken > 0,
		1);
	/* a bracket in the list, of the object that the arguments are */
	static char deep[2 * CHAT_JSON_DEPTH_MAX];
	for (u32 n = CHAT_JSON_DEPTH_MAX - 2; n <= CHAT_JSON_DEPTH_MAX - 1; n++) {
		memset(deep, ']', n);
		strcpy(deep + n, "}}");
		struct ends e = padded(
			HERMES, "<tool_call>{\"name\": \"now\", \"arguments\": {\"a\": ", n, '[', deep);
		assert_int_equal(e.n_end, n == CHAT_JSON_DEPTH_MAX - 2);
	}
	/* a head that is longer than one may be is text */
	assert_int_equal(
		padded(HARMONY, "to=functions.now ", CHAT_HEAD_BYTES_MAX - 20, ' ', "<|message|>{}").n_end,
		1);
	assert_int_equal(
		padded(HARMONY, "to=functions.now ", CHAT_HEAD_BYTES_MAX, ' ', "<|message|>{}").n_end, 0);
}

/* Every row of the table is found by its own marks, and by nothing else's. */
static void marks(void **state)
{
	for (size_t i = 0; chat_format_at(i); i++) {
		char text[512] = "";
		for (size_t k = 0; k < 3 && chat_format_at(i)->mark[k]; k++) {
			strcat(text, chat_format_at(i)->mark[k]);
			strcat(text, " ");
		}
		assert_string_equal(chat_template_calls(text, strlen(text)), chat_format_at(i)->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks),
		cmocka_unit_test(formats),
		cmocka_unit_test(broken),
		cmocka_unit_test(typed),
		cmocka_unit_test(marked),
		cmocka_unit_test(no_tools),
		cmocka_unit_test(inside),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
