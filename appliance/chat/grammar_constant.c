/* Constants of a schema: const and enum, less what does not fit the keywords beside them. */
#include "chat/grammar_schema.h"

#include <stdio.h>
#include <string.h>

static bool is(const struct chat_val *v, enum chat_kind kind)
{
	return v && v->kind == kind;
}

/* ---- which of them fit what stands beside them ---------------------------------------------------------------------------- */

static bool is_of(const struct chat_val *v, struct chat_str type)
{
	static const struct {
		const char *type;
		enum chat_kind kind;
	} table[] = { { "string", CHAT_STR }, { "integer", CHAT_INT }, { "number", CHAT_INT },
		{ "number", CHAT_FLOAT }, { "boolean", CHAT_BOOL }, { "null", CHAT_NONE },
		{ "array", CHAT_LIST }, { "object", CHAT_DICT } };
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (v->kind == table[i].kind && chat_str_is(type, table[i].type))
			return true;
	return v->kind == CHAT_FLOAT && v->f == (f64)(i64)v->f && chat_str_is(type, "integer");
}

static bool type_fits(const struct chat_val *schema, const struct chat_val *v)
{
	const struct chat_val *type = chat_member(schema, "type");
	for (u32 i = 0; is(type, CHAT_LIST) && i < type->list->n; i++)
		if (is(&type->list->v[i], CHAT_STR) && is_of(v, type->list->v[i].s))
			return true;
	return !type || (is(type, CHAT_STR) && is_of(v, type->s));
}

static bool number_fits(const struct chat_val *schema, f64 v)
{
	const struct chat_val *lo = chat_member(schema, "minimum"), *hi = chat_member(schema, "maximum");
	const struct chat_val *above = chat_member(schema, "exclusiveMinimum"),
			      *below = chat_member(schema, "exclusiveMaximum");
	f64 b;
	if ((lo && chat_number(lo, &b) && v < b) || (hi && chat_number(hi, &b) && v > b))
		return false;
	bool lo_out = is(above, CHAT_BOOL) && above->b && lo && chat_number(lo, &b) && v <= b;
	bool hi_out = is(below, CHAT_BOOL) && below->b && hi && chat_number(hi, &b) && v >= b;
	bool out = above && !is(above, CHAT_BOOL) && chat_number(above, &b) && v <= b;
	return !lo_out && !hi_out && !out &&
	       !(below && !is(below, CHAT_BOOL) && chat_number(below, &b) && v >= b);
}

/* Keywords beside constants that are not looked into; NULL: none. */
static const char *beyond(const struct chat_val *schema, const struct chat_val *v)
{
	static const struct {
		enum chat_kind of;
		const char *key;
	} table[] = { { CHAT_DICT, "properties" }, { CHAT_DICT, "required" },
		{ CHAT_DICT, "additionalProperties" }, { CHAT_DICT, "patternProperties" },
		{ CHAT_DICT, "propertyNames" }, { CHAT_DICT, "minProperties" },
		{ CHAT_DICT, "maxProperties" }, { CHAT_DICT, "unevaluatedProperties" },
		{ CHAT_LIST, "items" }, { CHAT_LIST, "prefixItems" }, { CHAT_LIST, "minItems" },
		{ CHAT_LIST, "maxItems" }, { CHAT_LIST, "uniqueItems" }, { CHAT_LIST, "unevaluatedItems" },
		{ CHAT_INT, "multipleOf" }, { CHAT_FLOAT, "multipleOf" } };
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (v->kind == table[i].of && chat_member(schema, table[i].key))
			return table[i].key;
	return NULL;
}

static bool in_enum(struct chat_schema *x, const struct chat_val *schema, const struct chat_val *v)
{
	const struct chat_val *some = chat_member(schema, "enum");
	bool in = true;
	return !is(some, CHAT_LIST) || (chat_contains(x->b->r, some, v, &in) && in);
}

/* texts: what holds a string; NULL: nothing does. */
static bool fits(struct chat_schema *x, const struct chat_val *schema, const struct chat_val *v,
	struct chat_texts *texts, const struct chat_place *p)
{
	const char *key = beyond(schema, v);
	f64 f;
	if (!type_fits(schema, v))
		return false;
	if (key)
		return chat_schema_refuse(
			x, p, "a keyword that cannot stand beside constants:", chat_cstr(key));
	if ((v->kind == CHAT_INT || v->kind == CHAT_FLOAT) && chat_number(v, &f) && !number_fits(schema, f))
		return false;
	return v->kind != CHAT_STR || !texts || chat_texts_fit(texts, v->s);
}

u32 chat_schema_constants(struct chat_schema *x, const struct chat_val *v, const struct chat_val *list,
	u32 from, const struct chat_place *p)
{
	static const char *const of_text[] = { "pattern", "format", "minLength", "maxLength" };
	u32 to = chat_gb_state(x->b);
	bool one = chat_member(v, "const") != NULL, held = false;
	struct chat_texts texts;
	for (size_t i = 0; i < ARRAY_LEN(of_text); i++)
		held = held || chat_member(v, of_text[i]);
	if (!is(list, CHAT_LIST) || list->list->n == 0)
		chat_schema_refuse(x, p, "a choice without alternatives", (struct chat_str){ 0 });
	if (!chat_gb_ok(x->b) || (held && !chat_schema_texts(x, v, p, &texts)))
		return to;
	for (u32 i = 0; i < list->list->n && chat_gb_ok(x->b); i++) {
		const struct chat_val *c = &list->list->v[i];
		if (!fits(x, v, c, held ? &texts : NULL, p) || (one && !in_enum(x, v, c)))
			continue;
		chat_gb_skip(x->b, chat_schema_constant(x, c, from), to);
	}
	return to;
}

/* ---- written out ---------------------------------------------------------------------------------------------------------- */

/* A value as JSON, compact, written out. */
u32 chat_schema_constant(struct chat_schema *x, const struct chat_val *v, u32 from)
{
	struct chat_call c = { .self = *v };
	struct chat_val text;
	bool container = v->kind == CHAT_LIST || v->kind == CHAT_DICT;
	if (x->b->quote.len && v->kind == CHAT_STR)
		return chat_schema_quote(
			x->b, chat_gb_text(x->b, chat_schema_quote(x->b, from), v->s.p, v->s.len));
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
