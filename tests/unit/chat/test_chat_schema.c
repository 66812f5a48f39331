/* Schemas as SDKs send them: what fits and what does not, keyword by keyword and put together; whole ones as pydantic, zod and OpenAI's
 * strict mode write them; one past each bound. */
#include "chat/grammar.h"
#include "runtime/mask.h"
#include "tests/tok/byte_vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct byte_vocab vocab;
static struct mask_trie trie;

static int setup(void **state)
{
	static const char *const controls[] = { "</s>", NULL };
	byte_vocab_init(&vocab);
	return byte_vocab_done(&vocab, controls) || mask_trie_create(vocab.tok, &trie);
}

static int teardown(void **state)
{
	mask_trie_fini(&trie);
	byte_vocab_fini(&vocab);
	return 0;
}

static int compile(const char *source, struct arena *a, const void **ret, size_t *ret_len, const char **why)
{
	const struct chat_grammar p = { CHAT_GRAMMAR_SCHEMA, source, strlen(source), NULL };
	return chat_grammar_compile(&p, a, ret, ret_len, why);
}

/* Byte by byte: does the whole text fit? */
static bool fits(struct mask *m, const char *text)
{
	const u64 *bits;
	const char *why;
	bool over = false;
	for (size_t i = 0; text[i]; i++) {
		u8 c = (u8)text[i];
		assert_int_equal(mask_allowed(m, &bits, &why), 0);
		if (over || !(bits[c / 64] >> c % 64 & 1))
			return false;
		assert_int_equal(mask_push(m, c, &over, &why), 0);
	}
	if (over)
		return true;
	assert_int_equal(mask_allowed(m, &bits, &why), 0);
	return bits[vocab.h.eos / 64] >> vocab.h.eos % 64 & 1;
}

/* A schema, then texts that fit, NULL, texts that do not, NULL. */
struct row {
	const char *source, *text[14];
};

static bool takes(const char *source, const char *text)
{
	struct arena a = { 0 };
	struct mask *m = NULL;
	const void *blob;
	const char *why = "no memory";
	size_t len;
	if (compile(source, &a, &blob, &len, &why) || mask_create(&trie, vocab.tok, blob, len, &m, &why))
		fail_msg("%s: %s", source, why);
	bool is = fits(m, text);
	mask_destroy(m);
	arena_fini(&a);
	return is;
}

static void check(const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool want = true;
		for (const char *const *t = row[i].text; *t || want; t++)
			if (!*t)
				want = false;
			else if (takes(row[i].source, *t) != want)
				fail_msg("%s %s %s", row[i].source, want ? "refuses" : "takes", *t);
	}
}
#define CHECK(rows) check(rows, ARRAY_LEN(rows))

/* ---- strings that several things hold ------------------------------------------------------------------------------------ */

#define EMAIL                                                                              \
	"^(?!\\\\.)(?!.*\\\\.\\\\.)([A-Za-z0-9_'+\\\\-\\\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9]" \
	"[A-Za-z0-9\\\\-]*\\\\.)+[A-Za-z]{2,}$"

static void strings(void **state)
{
	static const struct row rows[] = {
		{ "{\"pattern\":\"^[a-c]+$\",\"minLength\":2,\"maxLength\":3}",
			{ "\"ab\"", "\"abc\"", NULL, "\"a\"", "\"abca\"", "\"ad\"", NULL } },
		{ "{\"pattern\":\"x\",\"maxLength\":2}", { "\"x\"", "\"\xc3\xa9x\"", "\"x\xf0\x9f\x98\x80\"",
								 NULL, "\"abx\"", "\"ab\"", NULL } },
		{ "{\"pattern\":\"^(\\\"|\\\\\\\\|\\n|[^a]){2}$\",\"minLength\":2}",
			{ "\"\\\"\\\\\"", "\"\\nb\"", NULL, "\"ab\"", "\"\\\"\"", NULL } },
		{ "{\"pattern\":\"^(a|b{2,3}){2}$\",\"maxLength\":5}",
			{ "\"aa\"", "\"abb\"", "\"bbbbb\"", NULL, "\"bbbbbb\"", "\"b\"", NULL } },
		{ "{\"allOf\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"},{\"type\":\"string\"}]}",
			{ "\"ab\"", "\"ba\"", NULL, "\"aa\"", "\"\"", NULL } },
		{ "{\"format\":\"date\",\"pattern\":\"^2\"}",
			{ "\"2024-02-29\"", NULL, "\"1999-01-01\"", "\"2023-02-29\"", NULL } },
		{ "{\"format\":\"uri\",\"minLength\":1,\"maxLength\":2083}",
			{ "\"https://example.org/a?b=c\"", NULL, "\"\"", "\"example\"", NULL } },
		{ "{\"format\":\"hostname\",\"maxLength\":4}",
			{ "\"a.bc\"", "\"abcd\"", NULL, "\"abcde\"", "\"a.b.c\"", NULL } },
		{ "{\"format\":\"cuid2\",\"pattern\":\"^[0-9a-z]+$\"}", { "\"a1\"", NULL, "\"A\"", NULL } },
		{ "{\"format\":\"password\",\"minLength\":2}", { "\"a b\"", NULL, "\"a\"", NULL } },
		{ "{\"pattern\":\"^(?!a)(?=.*z).+$\"}",
			{ "\"bz\"", "\"z\"", NULL, "\"az\"", "\"b\"", "\"\"", NULL } },
		{ "{\"pattern\":\"^(?!^[-+.]*$)[+-]?0*\\\\d*\\\\.?\\\\d*$\"}", /* pydantic's Decimal */
			{ "\"1.50\"", "\"-0\"", "\".5\"", NULL, "\"-\"", "\".\"", "\"\"", "\"1e3\"", NULL } },
		{ "{\"format\":\"email\",\"pattern\":\"" EMAIL "\"}", /* zod's */
			{ "\"a.b@example.org\"", NULL, "\".a@example.org\"", "\"a..b@example.org\"",
				"\"a@b\"", NULL } },
		{ "{\"format\":\"email\"}", { "\"a+b@c-d.example.org\"", NULL, "\"a@b.c\"", "\"a@b.12\"",
						    "\"a b@c.de\"", NULL } },
		{ "{\"format\":\"jwt\"}", { "\"aZ-_.b.\"", "\"a.b.c\"", NULL, "\"a.b\"", "\"a..c\"", NULL } },
		{ "{\"format\":\"base64\"}",
			{ "\"\"", "\"QQ==\"", "\"QUJD\"", NULL, "\"QQ=\"", "\"Q\"", NULL } },
		{ "{\"format\":\"uri-reference\"}", { "\"/a/b?c\"", "\"x1://h/\"", NULL, "\"a b\"", NULL } },
		{ "{\"enum\":[\"a\",\"bb\",3,null],\"type\":[\"string\",\"null\"],\"minLength\":2}",
			{ "\"bb\"", "null", NULL, "\"a\"", "3", NULL } },
		{ "{\"enum\":[1,5,9,\"x\"],\"exclusiveMaximum\":9,\"minimum\":2}",
			{ "5", "\"x\"", NULL, "1", "9", NULL } },
	};
	CHECK(rows);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

static void numbers(void **state)
{
	static const struct row rows[] = {
		{ "{\"type\":\"integer\",\"minimum\":-9007199254740991,\"maximum\":"
		  "9007199254740991}", /* zod's int */
			{ "0", "-17", "999999999999999", NULL, "1.5", "01", NULL } },
		{ "{\"type\":\"number\",\"minimum\":-1.7976931348623157e308,\"maximum\":1."
		  "7976931348623157e308}",
			{ "100000", "-2.5", NULL, "x", "1e309", NULL } },
		{ "{\"minimum\":3,\"exclusiveMinimum\":3}", { "4", "3.1", NULL, "3", "2", NULL } },
		{ "{\"minimum\":4,\"exclusiveMinimum\":3}", { "4", NULL, "3.5", NULL } },
		{ "{\"minimum\":3,\"exclusiveMinimum\":true,\"maximum\":5,"
		  "\"exclusiveMaximum\":false}",
			{ "5", NULL, "3", "6", NULL } },
		{ "{\"type\":\"integer\",\"multipleOf\":7}",
			{ "0", "7", "-14", "700", "123123", NULL, "1", "8", "-13", "7.0", NULL } },
		{ "{\"type\":\"integer\",\"multipleOf\":5,\"minimum\":10,"
		  "\"exclusiveMaximum\":30}",
			{ "10", "25", NULL, "5", "30", "12", NULL } },
		{ "{\"type\":\"number\",\"multipleOf\":0.01}", { "1", "1.5", "-0.25", NULL, "0.001", NULL } },
		{ "{\"type\":\"number\",\"multipleOf\":0.25,\"minimum\":0,\"maximum\":2}",
			{ "0.25", "1.5", "1.50", "2", NULL, "0.3", "2.25", "-1", "0.2", NULL } },
		{ "{\"type\":\"integer\",\"multipleOf\":0.5}", { "3", "-1", NULL, "1.5", NULL } },
		{ "{\"type\":\"integer\",\"multipleOf\":2.5}", { "5", "-10", NULL, "1", "2", NULL } },
		{ "{\"allOf\":[{\"multipleOf\":4},{\"multipleOf\":6},{\"type\":\"integer\"}]"
		  "}",
			{ "12", "0", NULL, "4", "6", NULL } },
	};
	CHECK(rows);
}

/* Against division, every number up to some. */
static void multiples(void **state)
{
	for (int by = 1; by < 40; by += 3)
		for (int lo = -25; lo < 10; lo += 17) {
			char source[120], text[16];
			snprintf(source, sizeof source,
				"{\"type\":\"integer\",\"multipleOf\":%d,\"minimum\":%d,\"maximum\":%d}", by,
				lo, lo + 130);
			for (int v = lo - 3; v < lo + 134; v++) {
				snprintf(text, sizeof text, "%d", v);
				if (takes(source, text) != (v % by == 0 && v >= lo && v <= lo + 130))
					fail_msg("%s and %s", source, text);
			}
		}
}

/* ---- objects ------------------------------------------------------------------------------------------------------------- */

#define INT "{\"type\":\"integer\"}"
#define STR "{\"type\":\"string\"}"

static void objects(void **state)
{
	static const struct row rows[] = {
		{ "{\"propertyNames\":{\"type\":\"string\"},\"additionalProperties\":" INT
		  "}", /* zod's record */
			{ "{}", "{\"a\":1,\"b\": 2}", NULL, "{\"a\":\"\"}", NULL } },
		{ "{\"propertyNames\":{\"$ref\":\"#/$defs/c\"},\"additionalProperties\":" INT
		  ",\"$defs\":{\"c\":{\"enum\":[\"r\",\"g\"]}}}",
			{ "{\"r\":1}", "{\"r\":1,\"g\":2}", "{}", NULL, "{\"b\":1}", "{\"r\":1,\"r\":2}",
				NULL } },
		{ "{\"propertyNames\":{\"enum\":[\"r\",\"g\"]},\"additionalProperties\":" INT
		  ",\"required\":[\"g\"]}",
			{ "{\"g\":1}", "{\"g\":1,\"r\":2}", NULL, "{\"r\":1}", "{}", NULL } },
		{ "{\"propertyNames\":{\"pattern\":\"^[a-z]{1,3}$\",\"minLength\":2},"
		  "\"additionalProperties\":true}",
			{ "{\"ab\":[],\"abc\":1}", NULL, "{\"a\":1}", "{\"abcd\":1}", NULL } },
		{ "{\"patternProperties\":{\"^S_\":" STR ",\"^I_\":" INT "},\"additionalProperties\":false}",
			{ "{\"S_a\":\"x\",\"I_\":1}", "{}", NULL, "{\"S_a\":1}", "{\"x\":1}", NULL } },
		{ "{\"patternProperties\":{\"^a\":" INT ",\"b$\":" INT "},\"additionalProperties\":" STR "}",
			{ "{\"a\":1,\"cb\":2,\"c\":\"x\"}", NULL, "{\"ab\":1}", "{\"c\":1}", "{\"a\":\"x\"}",
				NULL } },
		{ "{\"properties\":{\"ax\":{\"minimum\":3}},\"patternProperties\":{\"^a\":" INT "}}",
			{ "{\"ax\":4,\"ay\":1}", "{\"ay\":1}", NULL, "{\"ax\":1}", "{\"ax\":3.5}",
				"{\"ay\":1,\"ax\":4}", NULL } },
		{ "{\"additionalProperties\":" INT ",\"minProperties\":1,\"maxProperties\":2}",
			{ "{\"a\":1}", "{\"a\":1, \"b\":2}", NULL, "{}", "{\"a\":1,\"b\":2,\"c\":3}",
				NULL } },
		{ "{\"properties\":{\"a\":" INT ",\"b\":" INT ",\"c\":" INT "},\"minProperties\":2}",
			{ "{\"a\":1,\"c\":2}", "{\"a\":1,\"b\":1,\"c\":2}", NULL, "{\"b\":1}", "{}", NULL } },
		{ "{\"properties\":{\"a\":" INT ",\"b\":" INT ",\"c\":" INT
		  "},\"maxProperties\":1,\"required\":[\"b\"]}",
			{ "{\"b\":1}", NULL, "{\"a\":1,\"b\":1}", "{}", "{\"c\":1}", NULL } },
		{ "{\"properties\":{\"a\":" INT "},\"additionalProperties\":" STR ",\"minProperties\":3}",
			{ "{\"a\":1,\"b\":\"\",\"c\":\"\"}", "{\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\"}",
				NULL, "{\"a\":1,\"b\":\"\"}", NULL } },
		{ "{\"type\":\"object\",\"maxProperties\":0}", { "{}", NULL, "{\"a\":1}", NULL } },
		{ "{\"properties\":{\"a\":{\"not\":{}},\"b\":false,\"c\":" INT "}}", /* zod's never */
			{ "{\"c\":1}", "{}", NULL, "{\"a\":1}", "{\"b\":1}", NULL } },
		{ "{\"type\":\"object\",\"unevaluatedProperties\":false}",
			{ "{}", NULL, "{\"a\":1}", NULL } },
	};
	CHECK(rows);
}

/* ---- schemas put together ------------------------------------------------------------------------------------------------- */

static void together(void **state)
{
	static const struct row rows[] = {
		{ "{\"allOf\":[{\"properties\":{\"a\":" INT
		  "},\"required\":[\"a\"]},{\"properties\":{\"b\":" INT
		  "}}],\"unevaluatedProperties\":false}", /* zod's intersection */
			{ "{\"a\":1,\"b\":2}", "{\"a\":1}", NULL, "{\"b\":2}", "{\"a\":1,\"c\":1}", NULL } },
		{ "{\"allOf\":[{\"properties\":{\"a\":" INT
		  "},\"additionalProperties\":false},{\"properties\":{\"b\":" INT
		  ",\"a\":{\"minimum\":5}}}]}",
			{ "{\"a\":5}", "{}", NULL, "{\"a\":4}", "{\"b\":1}", NULL } },
		{ "{\"allOf\":[{\"type\":[\"string\",\"integer\"]},{\"type\":[\"number\",\"null\"]}]}",
			{ "1", NULL, "\"\"", "null", "1.5", NULL } },
		{ "{\"type\":\"integer\",\"allOf\":[{\"minimum\":2,\"maximum\":9},{\"minimum\":4,\"maximum\":"
		  "12},{\"minimum\":3,\"maximum\":7}]}",
			{ "4", "7", NULL, "3", "8", NULL } },
		{ "{\"type\":\"string\",\"minLength\":1,\"maxLength\":2,\"allOf\":[{\"minLength\":2,"
		  "\"maxLength\":4}]}",
			{ "\"ab\"", NULL, "\"a\"", "\"abc\"", NULL } },
		{ "{\"allOf\":[{\"enum\":[1,2,3]},{\"enum\":[2,3,4]}],\"const\":3}",
			{ "3", NULL, "2", NULL } },
		{ "{\"allOf\":[{\"anyOf\":[" STR "," INT "]},{\"oneOf\":[" INT ",{\"type\":\"null\"}]}]}",
			{ "7", NULL, "\"\"", "null", NULL } },
		{ "{\"allOf\":[{\"items\":{\"minimum\":2},\"maxItems\":3},{\"prefixItems\":[" INT
		  "],\"items\":{\"type\":\"number\"},\"minItems\":2}]}",
			{ "[2,2.5]", "[3,3,3]", NULL, "[2.5,3]", "[2]", "[2,1]", "[2,2,2,2]", NULL } },
		{ "{\"$ref\":\"#/$defs/"
		  "s\",\"minLength\":2,\"$defs\":{\"s\":{\"type\":\"string\",\"maxLength\":3}}}",
			{ "\"ab\"", NULL, "\"a\"", "\"abcd\"", NULL } },
		{ "{\"properties\":{\"k\":" STR ",\"a\":" INT ",\"b\":" INT
		  "},\"anyOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
			{ "{\"a\":1}", "{\"k\":\"\",\"b\":1}", "{\"a\":1,\"b\":2}", NULL, "{\"k\":\"\"}",
				NULL } },
		{ "{\"type\":\"string\",\"oneOf\":[{\"format\":\"date\"},{\"const\":\"today\"}]}",
			{ "\"today\"", "\"2024-01-31\"", NULL, "\"x\"", NULL } },
		{ "{\"type\":\"string\",\"anyOf\":[{\"anyOf\":[{\"type\":\"null\"}]},{\"maxLength\":1},{"
		  "\"enum\":[1]}]}",
			{ "\"a\"", NULL, "null", "1", "\"ab\"", NULL } },
		{ "{\"type\":\"integer\",\"nullable\":true}", { "1", "null", NULL, "\"\"", NULL } },
		{ "{\"type\":\"integer\",\"nullable\":false}", { "1", NULL, "null", NULL } },
		{ "{\"items\":[" INT "," STR "],\"additionalItems\":false,\"minItems\":2}",
			{ "[1,\"\"]", NULL, "[1]", "[1,\"\",1]", NULL } },
		{ "{\"items\":[" INT "],\"additionalItems\":" STR "}",
			{ "[1,\"a\",\"b\"]", "[]", NULL, "[1,1]", NULL } },
		{ "{\"properties\":{\"a\":{\"anyOf\":[" INT
		  ",{\"type\":\"null\"}]},\"b\":{\"$ref\":\"#/properties/a/anyOf/0\"}}}",
			{ "{\"a\":null,\"b\":1}", NULL, "{\"b\":null}", NULL } },
		{ "{\"$ref\":\"#/$defs/a%20b\",\"$defs\":{\"a b\":" INT "}}", { "1", NULL, "\"\"", NULL } },
		{ "{\"type\":\"integer\",\"x-vendor\":{\"a\":1},\"contentMediaType\":\"text/plain\"}",
			{ "1", NULL, NULL } },
		{ "{\"type\":\"array\",\"uniqueItems\":true,\"maxItems\":1}",
			{ "[]", "[1]", NULL, "[1,1]", NULL } },
		{ "{\"type\":\"array\",\"uniqueItems\":false,\"items\":" INT "}", { "[1,1]", NULL, NULL } },
	};
	CHECK(rows);
}

/* ---- whole ones ---------------------------------------------------------------------------------------------------------- */

/* A model of pydantic's: optional, defaults, nested, tuples, decimals, dates, addresses, a mapping with names of a list. */
#define PYDANTIC                                                                                             \
	"{\"$defs\":{\"Color\":{\"enum\":[\"red\",\"blue\"],\"title\":\"Color\",\"type\":\"string\"},"       \
	"\"Node\":{\"properties\":{\"v\":{\"title\":\"V\",\"type\":\"integer\"},\"next\":{\"anyOf\":[{\"$"   \
	"ref\":"                                                                                             \
	"\"#/$defs/Node\"},{\"type\":\"null\"}],\"default\":null}},\"required\":[\"v\"],\"title\":\"Node\"," \
	"\"type\":\"object\"}},\"properties\":{\"id\":{\"format\":\"uuid\",\"title\":\"Id\",\"type\":"       \
	"\"string\"},"                                                                                       \
	"\"name\":{\"maxLength\":8,\"minLength\":1,\"pattern\":\"^[a-z]+$\",\"title\":\"Name\",\"type\":"    \
	"\"string\"},\"price\":{\"anyOf\":[{\"type\":\"number\"},{\"pattern\":\"^(?!^[-+.]*$)[+-]?0*\\\\d*"  \
	"\\\\.?\\\\d*$\",\"type\":\"string\"}],\"title\":\"Price\"},\"at\":{\"anyOf\":[{\"format\":\"date-"  \
	"time\","                                                                                            \
	"\"type\":\"string\"},{\"type\":\"null\"}],\"default\":null},\"pair\":{\"maxItems\":2,\"minItems\":" \
	"2,"                                                                                                 \
	"\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"type\":\"array\"},\"color\":{\"$"  \
	"ref\":"                                                                                             \
	"\"#/$defs/Color\",\"default\":\"red\"},\"by\":{\"additionalProperties\":{\"type\":\"integer\"},"    \
	"\"propertyNames\":{\"$ref\":\"#/$defs/Color\"},\"title\":\"By\",\"type\":\"object\"},\"site\":"     \
	"{\"format\":\"uri\",\"maxLength\":2083,\"minLength\":1,\"type\":\"string\"},\"tree\":{\"$ref\":"    \
	"\"#/$defs/"                                                                                         \
	"Node\"}},\"required\":[\"id\",\"name\",\"price\"],\"title\":\"Item\",\"type\":\"object\"}"
#define ID "{\"id\":\"01234567-89ab-cdef-0123-456789abcdef\",\"name\":\"ab\",\"price\":"

/* zod's, of draft 2020-12, with a union by its kind, a record and an intersection. */
#define ZOD                                                                                                  \
	"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"properties\":{" \
	"\"n\":{\"type\":\"integer\",\"exclusiveMinimum\":0,\"maximum\":9007199254740991},\"of\":{"          \
	"\"oneOf\":["                                                                                        \
	"{\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"string\",\"const\":\"a\"},\"x\":{"        \
	"\"type\":"                                                                                          \
	"\"number\",\"multipleOf\":0.5}},\"required\":[\"kind\",\"x\"],\"additionalProperties\":false},"     \
	"{\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"string\",\"const\":\"b\"}},\"required\":" \
	"["                                                                                                  \
	"\"kind\"],\"additionalProperties\":false}]},\"tags\":{\"type\":\"object\",\"propertyNames\":{"      \
	"\"type\":"                                                                                          \
	"\"string\"},\"additionalProperties\":{\"type\":\"boolean\"}},\"both\":{\"allOf\":[{\"type\":"       \
	"\"object\","                                                                                        \
	"\"properties\":{\"p\":{\"type\":\"null\"}},\"required\":[\"p\"]},{\"type\":\"object\","             \
	"\"properties\":{"                                                                                   \
	"\"q\":{\"type\":\"null\"}},\"required\":[\"q\"]}]}},\"required\":[\"n\",\"of\"],"                   \
	"\"additionalProperties\":false}"

static void whole(void **state)
{
	static const struct row rows[] = {
		{ PYDANTIC, { ID "1.5}", ID "\"1.50\",\"at\":null,\"pair\":[1,\"\"],\"color\":\"blue\"}",
				    ID "1,\"by\":{\"red\":1},\"site\":\"http://"
				       "ab.c\",\"tree\":{\"v\":1,\"next\":{\"v\":2}}}",
				    NULL, ID "\"-\"}", ID "1,\"pair\":[1]}", ID "1,\"by\":{\"green\":1}}",
				    "{\"name\":\"ab\"}", ID "1,\"site\":\"\"}", NULL } },
		{ ZOD, { "{\"n\":1,\"of\":{\"kind\":\"a\",\"x\":1.5}}",
			       "{\"n\":1,\"of\":{\"kind\":\"b\"},\"tags\":{\"q\":true},\"both\":{\"p\":null,"
			       "\"q\":null}}",
			       NULL, "{\"n\":0,\"of\":{\"kind\":\"b\"}}",
			       "{\"n\":1,\"of\":{\"kind\":\"b\",\"x\":1}}",
			       "{\"n\":1,\"of\":{\"kind\":\"a\",\"x\":1.2}}", NULL } },
	};
	CHECK(rows);
}

/* ---- refused ------------------------------------------------------------------------------------------------------------- */

static void refused_because(const char *source, const char *reason)
{
	struct arena a = { 0 };
	const void *blob;
	const char *why = "";
	size_t len;
	int r = compile(source, &a, &blob, &len, &why);
	if (r != 1 || !strstr(why, reason))
		fail_msg("%.200s: %d \"%s\", not \"%s\"", source, r, why, reason);
	arena_fini(&a);
}

static void refused(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"not\":{\"type\":\"null\"}}", "what must not be is outside the subset: \"not\"" },
		{ "{\"if\":{},\"then\":{}}", "\"if\"" },
		{ "{\"contains\":{}}", "\"contains\"" },
		{ "{\"type\":\"array\",\"uniqueItems\":true}", "\"uniqueItems\"" },
		{ "{\"not\":{}}", "nothing fits" },
		{ "{\"allOf\":[{\"const\":1},{\"const\":2}]}", "nothing fits" },
		{ "{\"anyOf\":[false,{\"not\":{}}]}", "nothing fits" },
		{ "{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "nothing fits" },
		{ "{\"allOf\":[{\"multipleOf\":0.3},{\"multipleOf\":0.5}]}", "differ in: \"multipleOf\"" },
		{ "{\"allOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", "GRAMMAR_NEST_MAX" },
		{ "{\"$ref\":\"#/$defs/1\",\"$defs\":[{}]}", "$ref to nothing" },
		{ "{\"enum\":[\"a\"],\"maxLength\":0}", "nothing fits" },
		{ "{\"enum\":[[1]],\"minItems\":1}", "beside constants: \"minItems\"" },
		{ "{\"required\":[\"a\"],\"properties\":{\"a\":false}}",
			"required names no property: \"a\"" },
		{ "{\"required\":[\"a\"],\"additionalProperties\":false}",
			"required names no property: \"a\"" },
		{ "{\"propertyNames\":{\"minimum\":1}}", "\"minimum\"" },
		{ "{\"maxProperties\":1,\"required\":[\"a\",\"b\"],\"properties\":{\"a\":{},\"b\":{}}}",
			"nothing fits" },
		{ "{\"multipleOf\":0}", "multipleOf is not above 0" },
		{ "{\"multipleOf\":-2}", "multipleOf is not above 0" },
		{ "{\"minimum\":\"1\"}", "a bound is not a number" },
		{ "{\"pattern\":\"^(?!a)b|c\"}", "one of several alternatives" },
		{ "{\"pattern\":\"a(?=b)\"}", "looking ahead" },
		{ "{\"pattern\":\"^a$\",\"minLength\":2}", "nothing fits" },
		{ "{\"format\":\"cuid2\"}", "a format outside the subset: \"cuid2\"" },
		{ "{\"patternProperties\":{\"^(?!a)\":true},\"additionalProperties\":true}",
			"looking ahead in a pattern" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		refused_because(rows[i][0], rows[i][1]);
}

/* Strings that need more states than GRAMMAR_TEXTS_MAX, divisors beyond GRAMMAR_MULTIPLE_MAX. */
static void limits(void **state)
{
	char text[256];
	snprintf(text, sizeof text, "{\"type\":\"integer\",\"multipleOf\":%u,\"maximum\":9,\"minimum\":0}",
		GRAMMAR_MULTIPLE_MAX + 1);
	refused_because(text, "GRAMMAR_MULTIPLE_MAX");
	snprintf(text, sizeof text, "{\"pattern\":\"^[a-z]*$\",\"maxLength\":%u}", GRAMMAR_TEXTS_MAX);
	refused_because(text, "need more than 16384 states");
	snprintf(text, sizeof text, "{\"pattern\":\"^[a-z]*$\",\"maxLength\":%u}", GRAMMAR_TEXTS_MAX / 4);
	assert_true(takes(text, "\"abc\""));
	refused_because("{\"pattern\":\"^((a{99}){99}){99}$\",\"minLength\":1}", "states");
	refused_because(
		"{\"pattern\":\"^(?:a|b)*a(?:a|b){18}$\",\"minLength\":20}", "need more than 16384 states");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),
		cmocka_unit_test(numbers),
		cmocka_unit_test(multiples),
		cmocka_unit_test(objects),
		cmocka_unit_test(together),
		cmocka_unit_test(whole),
		cmocka_unit_test(refused),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
