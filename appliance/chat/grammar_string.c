/* Strings and constants of a schema: as JSON, or raw, as models write them in calls. */
#include "chat/grammar_schema.h"

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

static const char *format_pattern(struct chat_str format)
{
	static const struct {
		const char *name, *pattern;
	} table[] = {
		{ "date", "^" DATE "$" },
		{ "time", "^" TIME "$" },
		{ "date-time", "^" DATE "T" TIME "$" },
		{ "duration", "^P([0-9]{1,6}W|[0-9]{1,6}D(T([0-9]{1,6}H)?([0-9]{1,6}M)?[0-9]{1,6}S)?|T([0-9]{"
			      "1,6}H)?([0-9]{1,6}M)?[0-9]{1,6}S)$" },
		{ "uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$" },
		{ "ipv4", "^" OCTET "(\\." OCTET "){3}$" },
		{ "ipv6", "^" H16 "(:" H16 "){7}$" },
		{ "hostname", "^" LABEL "(\\." LABEL "){0,3}$" },
		{ "email",
			"^[A-Za-z0-9_%+-]{1,32}(\\.[A-Za-z0-9_%+-]{1,31})?@" LABEL "(\\." LABEL "){1,3}$" },
		{ "uri", "^[a-z][a-z0-9+.-]{1,15}://" LABEL "(\\." LABEL
			 "){0,3}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~%!$&'()*+,;=:@-]*)*$" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (chat_str_is(format, table[i].name))
			return table[i].pattern;
	return NULL;
}

/* The pattern that holds the string, "" where only its length does; NULL: refused. */
static const char *pattern_of(struct chat_schema *x, const struct chat_val *v, const struct chat_place *p)
{
	const struct chat_val *pattern = chat_member(v, "pattern"), *format = chat_member(v, "format");
	bool counted = chat_member(v, "minLength") || chat_member(v, "maxLength");
	if ((pattern != NULL) + (format != NULL) + counted > 1) {
		chat_schema_refuse(x, p, "pattern, format and a length together are outside the subset",
			(struct chat_str){ 0 });
		return NULL;
	}
	if ((pattern && pattern->kind != CHAT_STR) || (format && format->kind != CHAT_STR)) {
		chat_schema_refuse(x, p, "a pattern or format that is not a string", (struct chat_str){ 0 });
		return NULL;
	}
	const char *re = format ? format_pattern(format->s) : "";
	if (!re)
		chat_schema_refuse(x, p, "a format outside the subset:", format->s);
	return re;
}

static u32 counted(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	u32 min = 0, max = CHAT_GB_NO_MAX;
	if (!chat_schema_count(x, v, "minLength", &min, p) || !chat_schema_count(x, v, "maxLength", &max, p))
		return from;
	if (max < min)
		chat_schema_refuse(x, p, "maxLength is below minLength", (struct chat_str){ 0 });
	if (max == 0)
		return from;
	u32 begin = chat_gb_state(x->b), end = chat_gb_state(x->b);
	chat_gb_string_char(x->b, begin, end);
	return chat_gb_times(x->b, from, begin, end, min, max);
}

/* What stands between the quotes. */
static u32 inside(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	const struct chat_val *pattern = chat_member(v, "pattern"), *format = chat_member(v, "format");
	const char *re = pattern_of(x, v, p);
	char where[240];
	if (!re)
		return from;
	if (pattern || format)
		return chat_gb_regex(
			x->b, from, pattern ? pattern->s : chat_cstr(re), chat_place_text(x, p, where));
	if (!chat_member(v, "minLength") && !chat_member(v, "maxLength"))
		return chat_gb_call_rule(x->b, from, x->b->raw ? RULE_RAW : RULE_TEXT);
	return counted(x, v, from, p);
}

static u32 quote(struct chat_gb *b, u32 from)
{
	return b->quote.len ? chat_gb_text(b, from, b->quote.p, b->quote.len) : chat_gb_str(b, from, "\"");
}

u32 chat_schema_string(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	return quote(x->b, inside(x, v, quote(x->b, from), p));
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

/* ---- constants ----------------------------------------------------------------------------------------------------------- */

/* A value as JSON, compact, written out. */
u32 chat_schema_constant(struct chat_schema *x, const struct chat_val *v, u32 from)
{
	struct chat_call c = { .self = *v };
	struct chat_val text;
	bool container = v->kind == CHAT_LIST || v->kind == CHAT_DICT;
	if (x->b->quote.len && v->kind == CHAT_STR)
		return quote(x->b, chat_gb_text(x->b, quote(x->b, from), v->s.p, v->s.len));
	if (x->b->quote.len && container)
		chat_gb_fail(
			x->b, x->name, "a constant list or object cannot be written in this model's calls");
	if (!chat_gb_ok(x->b) || !chat_tojson(x->b->r, &c, &text))
		return from;
	u32 stop = chat_gb_stop_char(x->b);
	char escaped[16];
	snprintf(escaped, sizeof escaped, "\\u%04x", stop);
	for (u32 i = 0; i < text.s.len && chat_gb_ok(x->b); i++) { /* it stands inside of a string there */
		bool hide = stop && (u8)text.s.p[i] == stop;
		from = hide ? chat_gb_str(x->b, from, escaped) : chat_gb_text(x->b, from, text.s.p + i, 1);
	}
	return from;
}
