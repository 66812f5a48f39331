/* Schemas, patterns and GBNF: what fits and what does not, followed by the runtime's own masks over a vocabulary of bytes; what is
 * refused, and why; and that whatever a random answer says within a schema is JSON. */
#include "chat/grammar.h"
#include "runtime/mask.h"
#include "tests/tok/byte_vocab.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct byte_vocab vocab;
static struct mask_trie trie;

static const char *const TEXTS[] = { "{\"", "\":", "\": \"", "\",", " \"", "\"}", "true", "null", "12", "00",
	"]", "[[", "\xc3\xa9", "\xe2\x82", "abc", "call>", "</", "\\u", "ab", "abcd \xc3\xa9",
	"abcdefghijklmnop", "abcdefghijklmnopq", NULL };
static const char *const CONTROLS[] = { "<|tool|>", "</s>", NULL };

static int setup(void **state)
{
	byte_vocab_init(&vocab);
	for (const char *const *t = TEXTS; *t; t++)
		byte_vocab_add(&vocab, TOK_NORMAL, *t);
	return byte_vocab_done(&vocab, CONTROLS) || mask_trie_create(vocab.tok, &trie);
}

static int teardown(void **state)
{
	mask_trie_fini(&trie);
	byte_vocab_fini(&vocab);
	return 0;
}

static bool bit(const u64 *bits, u32 id)
{
	return bits[id / 64] >> id % 64 & 1;
}

static struct mask *open_mask(enum chat_grammar_kind kind, const char *source, const char *trigger)
{
	struct arena a = { 0 };
	struct mask *m = NULL;
	const void *blob;
	const char *why = "no memory";
	size_t len;
	struct chat_grammar p = { kind, source, strlen(source), trigger };
	if (chat_grammar_compile(&p, &a, &blob, &len, &why) ||
		mask_create(&trie, vocab.tok, blob, len, &m, &why))
		fail_msg("%s: %s", source, why);
	arena_fini(&a);
	return m;
}

/* Byte by byte: does the whole text fit? */
static bool fits(struct mask *m, const char *text, size_t n)
{
	const u64 *bits;
	const char *why;
	bool over = false;
	for (size_t i = 0; i < n; i++) {
		if (mask_allowed(m, &bits, &why))
			fail_msg("%s: %s", text, why);
		if (!bit(bits, (u8)text[i]))
			return false;
		if (mask_push(m, (u8)text[i], &over, &why))
			fail_msg("%s: %s", text, why);
	}
	if (over)
		return true;
	assert_int_equal(mask_allowed(m, &bits, &why), 0);
	return bit(bits, vocab.h.eos);
}

static bool accepts(enum chat_grammar_kind kind, const char *source, const char *text)
{
	struct mask *m = open_mask(kind, source, NULL);
	bool is = fits(m, text, strlen(text));
	mask_destroy(m);
	return is;
}

struct row {
	const char *source, *text;
	bool fits;
};

static void check_rows(enum chat_grammar_kind kind, const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (accepts(kind, row[i].source, row[i].text) != row[i].fits)
			fail_msg("%s %s %s", row[i].source, row[i].fits ? "refuses" : "takes", row[i].text);
}

#define OBJECT "{\"type\":\"object\",\"properties\":"
#define AB     OBJECT "{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"},\"ab\":{\"const\":1}}"
#define TREE                                                                                     \
	"{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":" OBJECT                                       \
	"{\"v\":{\"type\":\"boolean\"},\"k\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/" \
	"t\"}}},\"required\":[\"v\"]}}}"

static void schemas(void **state)
{
	static const struct row rows[] = {
		{ "{}", "{\"a\": [1, -2.5e3, \"x\", null, true, {}]}", true },
		{ "true", "[]", true },
		{ "{}", "[1,]", false },
		{ "{}", "01", false },
		{ "{}", "\"\\ud83d\\ude00\"", true },
		{ "{}", "\"\\ud83d\"", false },
		{ "{}", "\"\\u0000\"", false },
		{ "{}", "\"\\u0001\"", true },
		{ "{}", "\"\x01\"", false },
		{ "{\"type\":\"string\"}", "\"\xf0\x9f\x98\x80\"", true },
		{ "{\"type\":\"string\"}", "\"\xed\xa0\x80\"", false },
		{ "{\"type\":\"string\"}", "\"\xc0\x80\"", false },
		{ AB "}", "{\"a\": 1, \"b\": \"x\"}", true },
		{ AB "}", "{}", true },
		{ AB "}", "{\"b\": \"x\", \"a\": 1}", false },
		{ AB "}", "{\"ab\":1}", true },
		{ AB "}", "{\"c\":1}", false },
		{ AB ",\"required\":[\"b\"]}", "{\"a\": 1}", false },
		{ AB ",\"required\":[\"b\"]}", "{\"b\": \"\"}", true },
		{ AB ",\"additionalProperties\":true}", "{\"c\": [], \"abc\": 1, \"\xc3\xa9\": 2}", true },
		{ AB ",\"additionalProperties\":true}", "{\"a\": \"no integer\"}", false },
		{ AB ",\"additionalProperties\":{\"type\":\"null\"}}", "{\"a\":1,\"c\": null}", true },
		{ AB ",\"additionalProperties\":{\"type\":\"null\"}}", "{\"c\": 1}", false },
		{ "{\"type\":\"object\"}", "{\"x\": {\"y\": 1}, \"z\": 2}", true },
		{ "{\"type\":\"object\"}", "[]", false },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
			"[1]", false },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
			"[1, 2]", true },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
			"[1,2,3]", true },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
			"[1,2,3,4]", false },
		{ "{\"type\":\"array\",\"prefixItems\":[{\"const\":1},{\"const\":\"a\"}],\"items\":false}",
			"[1, \"a\"]", true },
		{ "{\"type\":\"array\",\"prefixItems\":[{\"const\":1},{\"const\":\"a\"}],\"items\":false}",
			"[1, \"a\", 2]", false },
		{ "{\"type\":\"array\",\"prefixItems\":[{\"const\":1}],\"items\":{\"const\":2}}", "[1, 2, 2]",
			true },
		{ "{\"type\":\"array\",\"maxItems\":0}", "[]", true },
		{ "{\"type\":\"array\",\"maxItems\":0}", "[1]", false },
		{ "{\"enum\":[\"a\",\"ab\",3,null]}", "\"ab\"", true },
		{ "{\"enum\":[\"a\",\"ab\",3,null]}", "null", true },
		{ "{\"enum\":[\"a\",\"ab\",3,null]}", "\"b\"", false },
		{ "{\"type\":[\"string\",\"null\"]}", "null", true },
		{ "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}", "-7", true },
		{ "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}", "\"\"", false },
		{ "{\"allOf\":[{\"type\":\"null\"}],\"title\":\"t\"}", "null", true },
		{ TREE, "{\"v\": true, \"k\": [{\"v\": false}, {\"v\": true, \"k\": []}]}", true },
		{ TREE, "{\"v\": true, \"k\": [{\"k\": []}]}", false },
		{ "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", "\"a\"", false },
		{ "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", "\"\xc3\xa9\\n\"", true },
		{ "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", "\"abcd\"", false },
		{ "{\"type\":\"string\",\"maxLength\":0}", "\"\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"^[a-c]+\\\\d{2,3}$\"}", "\"abc12\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"^[a-c]+\\\\d{2,3}$\"}", "\"abc1\"", false },
		{ "{\"type\":\"string\",\"pattern\":\"b\"}", "\"abc\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"b\"}", "\"ac\"", false },
		{ "{\"type\":\"string\",\"pattern\":\"^(?:x|\\\\\\\"|\\\\n)$|^y\"}", "\"\\n\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"^(?:x|\\\\\\\"|\\\\n)$|^y\"}", "\"\\\"\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"^(?:x|\\\\\\\"|\\\\n)$|^y\"}", "\"yzz\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"^(?:x|\\\\\\\"|\\\\n)$|^y\"}", "\"xz\"", false },
		{ "{\"type\":\"string\",\"pattern\":\"^[^a]$\"}", "\"\xf0\x9f\x98\x80\"", true },
		{ "{\"type\":\"string\",\"pattern\":\"^[^a]$\"}", "\"a\"", false },
		{ "{\"type\":\"string\",\"format\":\"date\"}", "\"2024-02-29\"", true },
		{ "{\"type\":\"string\",\"format\":\"date\"}", "\"2023-02-29\"", false },
		{ "{\"type\":\"string\",\"format\":\"date\"}", "\"1900-02-29\"", false },
		{ "{\"type\":\"string\",\"format\":\"date\"}", "\"2000-02-29\"", true },
		{ "{\"type\":\"string\",\"format\":\"date-time\"}", "\"2026-11-22T23:59:59.5Z\"", true },
		{ "{\"type\":\"string\",\"format\":\"date-time\"}", "\"2026-11-22T24:00:00Z\"", false },
		{ "{\"type\":\"string\",\"format\":\"uuid\"}", "\"00000000-0000-4000-8000-0123456789ab\"",
			true },
		{ "{\"type\":\"string\",\"format\":\"ipv4\"}", "\"192.168.0.255\"", true },
		{ "{\"type\":\"string\",\"format\":\"ipv4\"}", "\"192.168.0.256\"", false },
		{ "{\"type\":\"string\",\"format\":\"email\"}", "\"a.b@example.org\"", true },
		{ "{\"type\":\"string\",\"format\":\"email\"}", "\"a.b@\"", false },
		{ "{\"type\":\"string\",\"format\":\"duration\"}", "\"P3DT4H5S\"", true },
		{ "{\"type\":\"string\",\"format\":\"uri\"}", "\"https://example.org/a b\"", false },
		{ "{\"type\":\"string\",\"format\":\"uri\"}", "\"https://example.org/a\"", true },
		{ "{\"type\":\"string\",\"format\":\"hostname\"}", "\"a-b.example\"", true },
		{ "{\"type\":\"string\",\"format\":\"ipv6\"}", "\"1:2:3:4:5:6:7:ffff\"", true },
		{ "{\"type\":\"string\",\"format\":\"time\"}", "\"23:00:00+01:00\"", true },
	};
	check_rows(CHAT_GRAMMAR_SCHEMA, rows, ARRAY_LEN(rows));
}

static void gbnf(void **state)
{
	static const struct row rows[] = {
		{ "root ::= \"a\" b* # comment\nb ::= [0-9]+ |\n  \"x\"", "a12x", true },
		{ "root ::= \"a\" b* # comment\nb ::= [0-9]+ |\n  \"x\"", "ay", false },
		{ "root ::= ( \"a\"\n \"b\" ){2,3}\n", "abab", true },
		{ "root ::= ( \"a\"\n \"b\" ){2,3}\n", "ab", false },
		{ "root ::= ( \"a\"\n \"b\" ){2,3}\n", "abababab", false },
		{ "root ::= \"a\"{2,}", "aaaa", true },
		{ "root ::= \"a\"{2}", "aaa", false },
		{ "root ::= \"a\"?", "", true },
		{ "root ::= [^\\n\\]]+", "x]", false },
		{ "root ::= .", "\xf0\x9f\x98\x80", true },
		{ "root ::= \"\\x41\\u00e9\\U0001F600\"", "A\xc3\xa9\xf0\x9f\x98\x80", true },
		{ "root ::= \"(\" root \")\" | \"\"", "((()))", true },
		{ "root ::= \"(\" root \")\" | \"\"", "((())", false },
		{ "root ::= root \"+\" \"1\" | \"1\"", "1+1+1",
			true }, /* calls itself first: followed as deep as calls go */
		{ "root ::= a\n\n  | b\na ::= \"a\"\nb ::= \"b\"", "b", true },
		{ "root ::= (\"\"*)* \"a\"", "a", true },
	};
	check_rows(CHAT_GRAMMAR_GBNF, rows, ARRAY_LEN(rows));
}

/* ---- refused ------------------------------------------------------------------------------------------------------------- */

static void refused_because(enum chat_grammar_kind kind, const char *source, const char *reason)
{
	struct arena a = { 0 };
	const void *blob;
	const char *why = "";
	size_t len;
	struct chat_grammar p = { kind, source, strlen(source), NULL };
	int r = chat_grammar_compile(&p, &a, &blob, &len, &why);
	if (r != 1 || !strstr(why, reason))
		fail_msg("%.80s: %d \"%s\", not \"%s\"", source, r, why, reason);
	arena_fini(&a);
}

static void refused(void **state)
{
	static const struct {
		enum chat_grammar_kind kind;
		const char *source, *reason;
	} rows[] = {
		{ CHAT_GRAMMAR_SCHEMA, "{\"a\":", "not JSON, at byte" },
		{ CHAT_GRAMMAR_SCHEMA, OBJECT "{\"x\":{\"contains\":2}}}",
			"#/properties/x: a keyword outside the subset: \"contains\"" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"type\":\"array\",\"uniqueItems\":true}", "\"uniqueItems\"" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"type\":\"thing\"}", "unknown type" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"$ref\":\"#/$defs/none\"}", "$ref to nothing" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"$ref\":\"other.json\"}", "$ref to nothing" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"$ref\":\"#\"}", "has no end" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"$ref\":\"#\",\"type\":\"string\"}", "GRAMMAR_NEST_MAX" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"anyOf\":[]}", "without alternatives" },
		{ CHAT_GRAMMAR_SCHEMA, "false", "nothing fits" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"format\":\"regex\"}", "a format outside" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"(?=a)\"}", "looking ahead" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"(a)\\\\1\"}", "back reference" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"\\\\bx\"}", "this escape" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"a^b\"}", "in the middle" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"a)\"}", "without its '('" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"(a\"}", "without its end" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"[a\"}", "without its end" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"[b-a]\"}", "range of a class" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"pattern\":\"a{3,2}\"}", "this repetition" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"type\":\"integer\",\"minimum\":1.5,\"maximum\":1.7}",
			"nothing fits" },
		{ CHAT_GRAMMAR_SCHEMA, "{\"minimum\":1e300}", "digits" },
		{ CHAT_GRAMMAR_SCHEMA, OBJECT "{},\"required\":[\"x\"]}", "names no property: \"x\"" },
		{ CHAT_GRAMMAR_GBNF, "", "no rule \"root\"" },
		{ CHAT_GRAMMAR_GBNF, "root ::= x", "line 1: no definition of \"x\"" },
		{ CHAT_GRAMMAR_GBNF, "root ::= \"a", "without its end" },
		{ CHAT_GRAMMAR_GBNF, "root ::= [a", "without its end" },
		{ CHAT_GRAMMAR_GBNF, "root ::= (\"a\"", "')' is missing" },
		{ CHAT_GRAMMAR_GBNF, "root = \"a\"", "::=" },
		{ CHAT_GRAMMAR_GBNF, "root ::= \"a\"\nroot ::= \"b\"", "line 2: a second definition" },
		{ CHAT_GRAMMAR_GBNF, "root ::= \"\\q\"", "unknown escape" },
		{ CHAT_GRAMMAR_GBNF, "root ::= root", "has no end" },
		{ CHAT_GRAMMAR_GBNF, "root ::= \"a\" $", "something else" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		refused_because(rows[i].kind, rows[i].source, rows[i].reason);
}

static char *repeated(const char *head, const char *part, u32 n, const char *tail)
{
	size_t k = strlen(part), h = strlen(head);
	char *s = malloc(h + n * k + strlen(tail) + 1);
	assert_non_null(s);
	memcpy(s, head, h);
	for (u32 i = 0; i < n; i++)
		memcpy(s + h + i * k, part, k);
	strcpy(s + h + n * k, tail);
	return s;
}

static void limits(void **state)
{
	char text[64], *s;
	snprintf(text, sizeof text, "{\"maxLength\":%u}", GRAMMAR_REPEAT_MAX + 1);
	refused_because(CHAT_GRAMMAR_SCHEMA, text, "GRAMMAR_REPEAT_MAX");
	snprintf(text, sizeof text, "root ::= \"a\"{%u}", GRAMMAR_REPEAT_MAX + 1);
	refused_because(CHAT_GRAMMAR_GBNF, text, "GRAMMAR_REPEAT_MAX");
	s = repeated("root ::= ", "(", GRAMMAR_NEST_MAX, "\"a\"");
	refused_because(CHAT_GRAMMAR_GBNF, s, "GRAMMAR_NEST_MAX");
	free(s);
	s = repeated("{\"pattern\":\"", "(", GRAMMAR_NEST_MAX, "\"}");
	refused_because(CHAT_GRAMMAR_SCHEMA, s, "GRAMMAR_NEST_MAX");
	free(s);
	s = repeated("", "{\"items\":", GRAMMAR_NEST_MAX + 2, "1");
	for (char *more = s; more; more = NULL)
		refused_because(CHAT_GRAMMAR_SCHEMA, s, "not JSON");
	free(s);
	s = repeated("root ::= \"", "a", GRAMMAR_STATES_MAX, "\"");
	refused_because(CHAT_GRAMMAR_GBNF, s, "states");
	free(s);
	s = repeated("root ::= (", "[^a]|", GRAMMAR_EDGES_MAX / 16, "\"a\")");
	refused_because(CHAT_GRAMMAR_GBNF, s, "states");
	free(s);
	s = repeated("root ::= \"a\" #", "a", GRAMMAR_SOURCE_BYTES_MAX, "");
	refused_because(CHAT_GRAMMAR_GBNF, s, "longer than");
	free(s);
	/* patterns in patterns: bounded by the states, whatever they multiply to */
	refused_because(CHAT_GRAMMAR_SCHEMA,
		"{\"prefixItems\":[{\"minLength\":16384},{\"minLength\":16383},{\"minLength\":16382},{"
		"\"minLength\":16381}]}",
		"states");
	struct arena a = { 0 };
	const void *blob;
	size_t len;
	const char *why;
	char trigger[GRAMMAR_TRIGGER_BYTES_MAX + 2];
	memset(trigger, 'a', sizeof trigger - 1);
	trigger[sizeof trigger - 1] = 0;
	struct chat_grammar p = { CHAT_GRAMMAR_GBNF, "root ::= \"a\"", 12, trigger };
	assert_int_equal(chat_grammar_compile(&p, &a, &blob, &len, &why), 1);
	assert_non_null(strstr(why, "trigger"));
	p.trigger = trigger + 1;
	assert_int_equal(chat_grammar_compile(&p, &a, &blob, &len, &why), 0);
	arena_fini(&a);
}

/* ---- ranges, by trying --------------------------------------------------------------------------------------------------- */

static u64 seed = 11;
static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static size_t utf8(u32 cp, char out[5])
{
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (size_t i = n; i-- > 1; cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)(n == 1 ? cp : (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | cp);
	out[n] = 0;
	return n;
}

static void characters(void **state)
{
	for (int i = 0; i < 200; i++) {
		u32 shift = (u32)rnd() % 14, lo = (u32)(rnd() % 0x110000) >> shift,
		    hi = lo + (u32)(rnd() % 0x110000 >> shift);
		char source[64], text[5];
		hi = MIN(hi, 0x10ffffu);
		if ((lo >= 0xd800 && lo < 0xe000) || (hi >= 0xd800 && hi < 0xe000))
			continue;
		snprintf(source, sizeof source, "root ::= [\\U%08X-\\U%08X]", lo, hi);
		struct mask *m = open_mask(CHAT_GRAMMAR_GBNF, source, NULL);
		mask_destroy(m);
		for (int k = 0; k < 60; k++) {
			u32 near[] = { lo - 1, lo, lo + 1, hi - 1, hi, hi + 1, (u32)rnd() % 0x110000, lo | 63,
				(lo | 63) + 1, hi & ~63u };
			u32 cp = k < (int)ARRAY_LEN(near) ? near[k] : (u32)(lo + rnd() % (hi - lo + 2));
			if (cp == 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
				continue;
			utf8(cp, text);
			if (accepts(CHAT_GRAMMAR_GBNF, source, text) != (cp >= lo && cp <= hi))
				fail_msg("%s and U+%04X", source, cp);
		}
	}
}

static void one_range(double lo, double hi, const char *kind, bool open)
{
	char source[160], text[40];
	snprintf(source, sizeof source, "{\"type\":\"%s\",\"%s\":%.10g,\"%s\":%.10g}", kind,
		open ? "exclusiveMinimum" : "minimum", lo, open ? "exclusiveMaximum" : "maximum", hi);
	for (int k = 0; k < 120; k++) {
		double wide = hi - lo + 3, x = lo - 1.5 + wide * (double)(rnd() % 1001) / 1000;
		if (k < 6)
			x = k % 3 - 1 + (k < 3 ? lo : hi);
		snprintf(text, sizeof text, "%.*f", kind[0] == 'i' ? 0 : (int)(rnd() % 4), x);
		double v = atof(text);
		if (v == 0 && text[0] == '-')
			continue;
		bool in = open ? v > lo && v < hi : v >= lo && v <= hi;
		if (accepts(CHAT_GRAMMAR_SCHEMA, source, text) != in)
			fail_msg("%s and %s", source, text);
	}
}

static void numbers(void **state)
{
	for (int i = 0; i < 40; i++) {
		double scale = i % 3 ? 100 : 5000, lo = (double)(i64)(rnd() % 2000) - 1000,
		       hi = lo + 1 + (double)(rnd() % 300);
		lo = lo * scale / 1000;
		hi = hi * scale / 1000;
		one_range((double)(i64)lo, (double)(i64)hi + 2, "integer", i % 2);
		one_range(lo, hi, "number", i % 2);
	}
}

/* ---- whatever is said within a schema is JSON ---------------------------------------------------------------------------- */

static void random_answers(void **state)
{
	static const char *const source[] = { "{}", TREE, AB ",\"additionalProperties\":true}",
		("{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"\\\"|.{1,4}\"},"
		 "\"minItems\":1,\"maxItems\":3}"),
		"{\"type\":\"number\",\"minimum\":-3.5,\"exclusiveMaximum\":1000}" };
	u32 complete = 0;
	for (u32 i = 0; i < 300; i++) {
		struct mask *m = open_mask(CHAT_GRAMMAR_SCHEMA, source[i % ARRAY_LEN(source)], NULL);
		char text[8192];
		size_t n = 0;
		bool over = false;
		while (!over && n < sizeof text - 64) {
			const u64 *bits;
			const char *why;
			u32 id;
			if (mask_allowed(m, &bits, &why))
				fail_msg("stuck behind %.*s: %s", (int)n, text, why);
			over = bit(bits, vocab.h.eos) && rnd() % 2;
			if (over)
				break;
			bool close = rnd() % 3 == 0; /* else it would seldom end */
			do
				id = close && bit(bits, '"')   ? '"'
				     : close && bit(bits, '}') ? '}'
							       : (u32)rnd() % vocab.h.n_vocab;
			while (!bit(bits, id) || (id == vocab.h.eos));
			size_t len;
			const u8 *s = tok_bytes(vocab.tok, id, &len);
			memcpy(text + n, s, len);
			n += len;
			if (mask_push(m, id, &over, &why))
				fail_msg("%s", why);
		}
		json_error_t e;
		if (over) {
			json_t *j = json_loadb(text, n, JSON_DECODE_ANY, &e);
			if (!j)
				fail_msg("%.*s: %s", (int)n, text, e.text);
			json_decref(j);
			complete++;
		}
		mask_destroy(m);
	}
	assert_true(complete > 200);
}

/* ---- each bit of a mask is what happens when the token is said ------------------------------------------------------------- */

static bool can_say(const char *source, const u32 *said, u32 n, u32 id)
{
	struct mask *m = open_mask(CHAT_GRAMMAR_SCHEMA, source, NULL);
	const char *why;
	bool over, ok = true;
	for (u32 i = 0; ok && i < n; i++)
		ok = mask_push(m, said[i], &over, &why) == 0;
	assert_true(ok);
	ok = mask_push(m, id, &over, &why) == 0;
	mask_destroy(m);
	return ok;
}

/* Strings take what is known of plain text; at every place of a random answer all tokens are tried. */
static void each_bit(void **state)
{
	static const char *const source[] = { "{\"type\":\"string\"}",
		"{\"type\":\"string\",\"maxLength\":3}",
		"{\"type\":\"string\",\"minLength\":2,\"maxLength\":19}",
		"{\"type\":\"string\",\"pattern\":\"^.{1,5}x?$\"}",
		"{\"type\":\"string\",\"pattern\":\"^[^b]*$\"}", AB ",\"additionalProperties\":true}",
		"{\"anyOf\":[{\"type\":\"string\",\"maxLength\":2},{\"enum\":[\"abcdef\"]}]}" };
	for (u32 k = 0; k < ARRAY_LEN(source); k++) {
		const char *text = source[k], *why;
		struct mask *m = open_mask(CHAT_GRAMMAR_SCHEMA, text, NULL);
		u32 said[6];
		bool over = false;
		for (u32 n = 0; n < ARRAY_LEN(said) && !over; n++) {
			const u64 *bits;
			u32 id;
			assert_int_equal(mask_allowed(m, &bits, &why), 0);
			for (id = 0; id < vocab.h.eos; id++)
				if (bit(bits, id) != can_say(text, said, n, id))
					fail_msg("%s, token %u behind %u: the bit says %d", text, id, n,
						bit(bits, id));
			do
				id = rnd() % 3 ? 97 + (u32)rnd() % 5 : (u32)rnd() % vocab.h.n_vocab;
			while (n && (!bit(bits, id) || id == vocab.h.eos) && rnd() % 400);
			if (n == 0)
				id = bit(bits, '"') ? '"' : '{';
			if (!bit(bits, id) || id == vocab.h.eos)
				break;
			assert_int_equal(mask_push(m, said[n] = id, &over, &why), 0);
		}
		mask_destroy(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas),
		cmocka_unit_test(gbnf),
		cmocka_unit_test(refused),
		cmocka_unit_test(limits),
		cmocka_unit_test(characters),
		cmocka_unit_test(numbers),
		cmocka_unit_test(random_answers),
		cmocka_unit_test(each_bit),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
