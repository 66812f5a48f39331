/* Strings of a schema: as JSON, or raw, as models write them in calls. */
#include "chat/grammar_schema.h"
#include "chat/grammar_texts.h"

#include <stdio.h>
#include <string.h>

#define H16   "[0-9a-f]{1,4}"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define LEAP  "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
#define DATE                                                                                                 \
	"([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|" \
	"1[0-9]|2[0-8]))|" LEAP "-02-29)"
#define TIME  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
/* At most 1,990 characters, so that every URI is one for readers that take 2,000 */
#define PCHAR "A-Za-z0-9._~%!$&'()*+,;=:@-"
#define PATH  "(/[" PCHAR "]{0,200}){0,8}"
#define QUERY "(\\?[/?" PCHAR "]{0,100})?"
#define URI   "[a-z][a-z0-9+.-]{1,15}://" LABEL "(\\." LABEL "){0,3}(:[1-9][0-9]{0,3})?" PATH QUERY

/* What a format says of the text, as a pattern; "" where it says nothing that a reader could check. */
static const struct {
	const char *name, *pattern;
} FORMATS[] = {
	{ "date", "^" DATE "$" },
	{ "time", "^" TIME "$" },
	{ "date-time", "^" DATE "T" TIME "$" },
	{ "duration", "^P([0-9]{1,6}W|[0-9]{1,6}D(T([0-9]{1,6}H)?([0-9]{1,6}M)?[0-9]{1,6}S)?|T([0-9]{"
		      "1,6}H)?([0-9]{1,6}M)?[0-9]{1,6}S)$" },
	{ "uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$" },
	{ "ipv4", "^" OCTET "(\\." OCTET "){3}$" },
	{ "ipv6", "^" H16 "(:" H16 "){7}$" },
	{ "hostname", "^" LABEL "(\\." LABEL "){0,3}$" },
	{ "email", "^[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,31})?@(" LABEL "\\.){1,3}[A-Za-z]{2,18}$" },
	{ "uri", "^" URI "$" },
	{ "url", "^" URI "$" },
	{ "uri-reference", "^(" URI "|" PATH QUERY ")$" },
	{ "json-pointer", "^(/([^~/\\x00-\\x1f\"\\\\]|~[01])*)*$" },
	{ "base64", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$" },
	{ "base64url", "^[A-Za-z0-9_-]*$" },
	{ "byte", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$" },
	{ "ulid", "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" },
	{ "jwt", "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*$" },
	{ "e164", "^\\+[1-9][0-9]{6,14}$" },
	{ "cidrv4", "^" OCTET "(\\." OCTET "){3}/([0-9]|[12][0-9]|3[0-2])$" },
	{ "binary", "" },
	{ "password", "" },
	{ "path", "" },
	{ "file-path", "" },
	{ "directory-path", "" },
};

/* NULL: none that we know. */
static const char *format_pattern(const struct chat_val *v)
{
	for (size_t i = 0; v->kind == CHAT_STR && i < ARRAY_LEN(FORMATS); i++)
		if (chat_str_is(v->s, FORMATS[i].name))
			return FORMATS[i].pattern;
	return NULL;
}

/* Everything that holds one text: `pattern` and `format` are strings, or lists of some where schemas were put together. */
struct holds {
	struct chat_str pattern[CHAT_SIDES_MAX];
	u32 n, n_own; /* of these, patterns of the schema */
	u32 min, max;
};

static bool add_pattern(struct chat_schema *x, struct holds *h, struct chat_str s, const struct chat_place *p)
{
	if (h->n == CHAT_SIDES_MAX)
		return chat_schema_refuse(
			x, p, "more patterns and formats than can hold one text", CHAT_S(""));
	h->pattern[h->n++] = s;
	return true;
}

static bool add_one(struct chat_schema *x, struct holds *h, const struct chat_val *v, bool format,
	const struct chat_place *p)
{
	if (v->kind != CHAT_STR)
		return chat_schema_refuse(x, p, "a pattern or format that is not a string", CHAT_S(""));
	if (!format) {
		h->n_own++;
		return add_pattern(x, h, v->s, p);
	}
	const char *re = format_pattern(v);
	if (!re && !h->n_own) /* beside a pattern it only names what that is */
		return chat_schema_refuse(x, p, "a format outside the subset:", v->s);
	return !re || !*re || add_pattern(x, h, chat_cstr(re), p);
}

static bool read_holds(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *p, struct holds *h)
{
	static const char *const keys[] = { "pattern", "format" };
	*h = (struct holds){ .max = CHAT_GB_NO_MAX };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct chat_val *of = chat_member(v, keys[i]);
		u32 n = !of ? 0 : of->kind == CHAT_LIST ? of->list->n : 1;
		for (u32 k = 0; k < n; k++)
			if (!add_one(x, h, of->kind == CHAT_LIST ? &of->list->v[k] : of, i == 1, p))
				return false;
	}
	if (!chat_schema_count(x, v, "minLength", &h->min, p) ||
		!chat_schema_count(x, v, "maxLength", &h->max, p))
		return false;
	return h->max >= h->min || chat_schema_refuse(x, p, "maxLength is below minLength", CHAT_S(""));
}

static bool make_texts(struct chat_schema *x, const struct holds *h, const char *where, struct chat_texts *t)
{
	chat_texts_init(t, x->b->r);
	t->min = h->min;
	t->max = h->max;
	for (u32 i = 0; i < h->n; i++)
		if (!chat_texts_pattern(t, h->pattern[i], false, where))
			return false;
	return true;
}

bool chat_schema_texts(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *p, struct chat_texts *ret)
{
	struct holds h;
	char where[240];
	return read_holds(x, v, p, &h) && make_texts(x, &h, chat_place_text(x, p, where), ret);
}

static u32 counted(struct chat_schema *x, const struct holds *h, u32 from)
{
	if (h->max == 0)
		return from;
	u32 begin = chat_gb_state(x->b), end = chat_gb_state(x->b);
	chat_gb_string_char(x->b, begin, end);
	return chat_gb_times(x->b, from, begin, end, h->min, h->max);
}

/* Several things at once, or one that the grammar's own notation does not have. */
static u32 together(struct chat_schema *x, const struct holds *h, u32 from, const char *where)
{
	struct chat_texts t;
	if (!make_texts(x, h, where, &t))
		return from;
	if (t.n == 1 && chat_texts_length_holds(&t, 0))
		return chat_gb_regex(x->b, from, h->pattern[0], where);
	return chat_gb_ok(x->b) ? chat_texts_put(x->b, from, &t, where) : from;
}

/* What stands between the quotes. */
static u32 inside(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	struct holds h;
	char where[240];
	if (!read_holds(x, v, p, &h))
		return from;
	bool length = h.min || h.max != CHAT_GB_NO_MAX;
	if (h.n == 0 && length)
		return counted(x, &h, from);
	if (h.n == 0)
		return chat_gb_call_rule(x->b, from, x->b->raw ? RULE_RAW : RULE_TEXT);
	chat_place_text(x, p, where);
	if (h.n == 1 && !length && !chat_regex_looks(h.pattern[0]))
		return chat_gb_regex(x->b, from, h.pattern[0], where);
	return together(x, &h, from, where);
}

u32 chat_schema_quote(struct chat_gb *b, u32 from)
{
	return b->quote.len ? chat_gb_text(b, from, b->quote.p, b->quote.len) : chat_gb_str(b, from, "\"");
}

u32 chat_schema_string(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	return chat_schema_quote(x->b, inside(x, v, chat_schema_quote(x->b, from), p));
}

/* ---- raw ----------------------------------------------------------------------------------------------------------------- */

/* A string that stands in a raw text as it is: it may not hold the tag that ends it. */
static u32 raw_constant(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	struct chat_str stop = { .p = x->b->stop.p, .len = x->b->stop.len };
	if (v->kind != CHAT_STR) {
		chat_schema_refuse(
			x, p, "a constant that is no string, among strings", (struct chat_str){ 0 });
		return from;
	}
	if (chat_str_find(v->s, stop, 0) <= v->s.len)
		chat_schema_refuse(x, p, "a constant that holds the tag behind it:", v->s);
	return chat_gb_text(x->b, from, v->s.p, v->s.len);
}

u32 chat_schema_raw_string(
	struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	const struct chat_val *one = chat_member(v, "const"), *some = chat_member(v, "enum");
	if (one)
		return raw_constant(x, one, from, p);
	if (!some)
		return inside(x, v, from, p);
	u32 to = chat_gb_state(x->b);
	for (u32 i = 0; some->kind == CHAT_LIST && i < some->list->n && chat_gb_ok(x->b); i++)
		chat_gb_skip(x->b, raw_constant(x, &some->list->v[i], from, p), to);
	return to;
}
