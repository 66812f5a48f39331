/* JSON schemas: the keywords that SDKs send. What only explains is passed over, every other keyword is refused by its name and place,
 * so an answer that fits the grammar fits the schema; oneOf is read as anyOf. What stands beside $ref, allOf or a choice holds as well:
 * grammar_meet.c puts it together. Objects have their properties in the order of the schema. */
#include "chat/grammar_schema.h"

#include <stdio.h>
#include <string.h>

const char *chat_place_text(const struct chat_schema *x, const struct chat_place *p, char out[240])
{
	const struct chat_place *chain[GRAMMAR_NEST_MAX + 1];
	u32 n = 0;
	for (; p && n <= GRAMMAR_NEST_MAX; p = p->up)
		chain[n++] = p;
	int at = snprintf(out, 240, "%.100s #", x->name);
	while (n-- && at < 230)
		if (chain[n]->key.len)
			at += snprintf(out + at, 240 - (size_t)at, "/%.*s", (int)MIN(chain[n]->key.len, 60u),
				chain[n]->key.p);
	return out;
}

bool chat_schema_refuse(
	struct chat_schema *x, const struct chat_place *p, const char *what, struct chat_str name)
{
	char where[240];
	chat_place_text(x, p, where);
	return name.len ? chat_gb_fail(x->b, where, "%s \"%.*s\"", what, (int)MIN(name.len, 60u), name.p)
			: chat_gb_fail(x->b, where, "%s", what);
}

static bool is(const struct chat_val *v, enum chat_kind kind)
{
	return v && v->kind == kind;
}

/* ---- which keywords there are -------------------------------------------------------------------------------------------- */

static const char *const EXPLAINS[] = { "$schema", "$id", "id", "$comment", "$anchor", "title", "description",
	"default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$defs", "definitions",
	"discriminator", "strict", "contentEncoding", "contentMediaType", "contentSchema", "externalDocs",
	"xml", "markdownDescription", "errorMessage", "propertyOrdering" };
static const char *const KNOWN[] = { "type", "properties", "required", "additionalProperties",
	"patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties",
	"items", "additionalItems", "prefixItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems",
	"pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
	"exclusiveMaximum", "multipleOf", "enum", "const", "anyOf", "oneOf", "allOf", "not", "nullable",
	"$ref" };

static bool in_list(struct chat_str key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (chat_str_is(key, list[i]))
			return true;
	return false;
}

bool chat_schema_explains(struct chat_str key)
{
	return in_list(key, EXPLAINS, ARRAY_LEN(EXPLAINS)) ||
	       (key.len > 2 && memcmp(key.p, "x-", 2) == 0); /* OpenAPI's own words of a vendor */
}

bool chat_schema_only_explains(const struct chat_val *v)
{
	for (u32 i = 0; i < v->dict->n; i++)
		if (!chat_schema_explains(v->dict->kv[2 * i].s))
			return false;
	return true;
}

bool chat_schema_keys_ok(struct chat_schema *x, const struct chat_val *v, const struct chat_place *p)
{
	for (u32 i = 0; i < v->dict->n && chat_gb_ok(x->b); i++) {
		struct chat_str key = v->dict->kv[2 * i].s;
		if (!chat_schema_explains(key) && !in_list(key, KNOWN, ARRAY_LEN(KNOWN)))
			chat_schema_refuse(x, p, "a keyword outside the subset:", key);
	}
	return chat_gb_ok(x->b);
}

bool chat_schema_count(struct chat_schema *x, const struct chat_val *v, const char *key, u32 *ret,
	const struct chat_place *p)
{
	const struct chat_val *n = chat_member(v, key);
	if (!n)
		return chat_gb_ok(x->b);
	if (n->kind != CHAT_INT || n->i < 0 || n->i > GRAMMAR_REPEAT_MAX)
		return chat_schema_refuse(x, p, "beyond GRAMMAR_REPEAT_MAX, or not a count:", chat_cstr(key));
	*ret = (u32)n->i;
	return true;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

/* The bound on one side (sign 1: from below), the tighter one where two are given; NULL: none, or one that every number keeps which this
 * grammar writes. *ret_open: the bound itself is outside. */
static const struct chat_val *bound(
	const struct chat_val *v, const char *key, const char *beyond, f64 sign, bool *ret_open)
{
	const struct chat_val *at = chat_member(v, key), *out = chat_member(v, beyond);
	f64 a = 0, b = 0;
	*ret_open = is(out, CHAT_BOOL) && out->b; /* as schemas of 2013 have it */
	out = is(out, CHAT_BOOL) ? NULL : out;
	if (out && (!at || (chat_number(out, &a) && chat_number(at, &b) && a * sign >= b * sign))) {
		at = out;
		*ret_open = true;
	}
	return at && chat_number(at, &a) && a * sign <= -1e15 ? NULL : at;
}

static u32 number(
	struct chat_schema *x, const struct chat_val *v, u32 from, bool integer, const struct chat_place *p)
{
	static const char *const bounds[] = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum" };
	struct chat_range r = { .multiple = chat_member(v, "multipleOf"), .integer = integer };
	char where[240];
	r.lo = bound(v, "minimum", "exclusiveMinimum", 1, &r.lo_open);
	r.hi = bound(v, "maximum", "exclusiveMaximum", -1, &r.hi_open);
	bool far =
		false; /* a bound that only numbers of more digits than these break, or such with an exponent */
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		far = far || chat_member(v, bounds[i]);
	if (!r.lo && !r.hi && !r.multiple && (integer || !far))
		return chat_gb_call_rule(x->b, from, integer ? RULE_INTEGER : RULE_NUMBER);
	return chat_gb_range(x->b, from, &r, chat_place_text(x, p, where));
}

/* ---- choices ------------------------------------------------------------------------------------------------------------- */

/* One of several schemas, each together with what stands beside the choice. */
static u32 any_of(struct chat_schema *x, const struct chat_val *list, const struct chat_val *rest, u32 from,
	const struct chat_place *p)
{
	u32 to = chat_gb_state(x->b);
	bool alone = chat_schema_only_explains(rest);
	if (!is(list, CHAT_LIST) || list->list->n == 0)
		chat_schema_refuse(x, p, "a choice without alternatives", (struct chat_str){ 0 });
	for (u32 i = 0; chat_gb_ok(x->b) && i < list->list->n; i++) {
		struct chat_val v = list->list->v[i];
		if (alone || chat_schema_meet(x, rest, &v, p, &v))
			chat_gb_skip(x->b, chat_schema_value(x, &v, from, p), to);
	}
	return to;
}

/* All of several schemas at once. */
static u32 all_of(struct chat_schema *x, const struct chat_val *list, struct chat_val *rest, u32 from,
	const struct chat_place *p)
{
	if (!is(list, CHAT_LIST) || list->list->n == 0) {
		chat_schema_refuse(x, p, "a choice without alternatives", (struct chat_str){ 0 });
		return from;
	}
	if (list->list->n == 1 && chat_schema_only_explains(rest))
		return chat_schema_value(x, &list->list->v[0], from, p);
	for (u32 i = 0; i < list->list->n; i++)
		if (!chat_schema_meet(x, rest, &list->list->v[i], p, rest))
			return from;
	return chat_schema_value(x, rest, from, p);
}

static u32 reference(struct chat_schema *x, const struct chat_val *name, u32 from, const struct chat_place *p)
{
	const struct chat_val *v = is(name, CHAT_STR) ? chat_schema_resolve(x, name->s) : NULL;
	u32 to = chat_gb_state(x->b), i = 0;
	if (!v) {
		chat_schema_refuse(x, p, "$ref to nothing inside of the schema:",
			is(name, CHAT_STR) ? name->s : (struct chat_str){ 0 });
		return to;
	}
	while (i < x->n && x->ref[i].target != v && chat_charge(x->b->r, 0))
		i++;
	if (i == x->cap) {
		u32 cap = x->cap ? 2 * x->cap : 32;
		struct chat_ref *r = chat_alloc(x->b->r, cap * sizeof *r);
		if (!r)
			return to;
		if (x->n)
			memcpy(r, x->ref, x->n * sizeof *r);
		x->ref = r;
		x->cap = cap;
	}
	if (i == x->n)
		x->ref[x->n++] = (struct chat_ref){ v, chat_gb_state(x->b) };
	chat_gb_call(x->b, from, x->ref[i].entry, to);
	return to;
}

/* ---- a schema ------------------------------------------------------------------------------------------------------------ */

static u32 of_type(struct chat_schema *x, const struct chat_val *v, struct chat_str type, u32 from,
	const struct chat_place *p)
{
	if (chat_str_is(type, "string"))
		return chat_schema_string(x, v, from, p);
	if (chat_str_is(type, "integer") || chat_str_is(type, "number"))
		return number(x, v, from, chat_str_is(type, "integer"), p);
	if (chat_str_is(type, "object"))
		return chat_schema_object(x, v, from, p);
	if (chat_str_is(type, "array"))
		return chat_schema_array(x, v, from, p);
	if (chat_str_is(type, "null"))
		return chat_gb_str(x->b, from, "null");
	u32 to = chat_gb_state(x->b);
	if (!chat_str_is(type, "boolean"))
		chat_schema_refuse(x, p, "an unknown type:", type);
	chat_gb_skip(x->b, chat_gb_str(x->b, from, "true"), to);
	chat_gb_skip(x->b, chat_gb_str(x->b, from, "false"), to);
	return to;
}

/* What a schema without a type is about. */
static struct chat_str implied_type(const struct chat_val *v)
{
	static const char *const by[][2] = { { "properties", "object" }, { "additionalProperties", "object" },
		{ "patternProperties", "object" }, { "propertyNames", "object" }, { "required", "object" },
		{ "minProperties", "object" }, { "maxProperties", "object" }, { "items", "array" },
		{ "prefixItems", "array" }, { "uniqueItems", "array" }, { "multipleOf", "number" },
		{ "minItems", "array" }, { "maxItems", "array" }, { "pattern", "string" },
		{ "format", "string" }, { "minLength", "string" }, { "maxLength", "string" },
		{ "minimum", "number" }, { "maximum", "number" }, { "exclusiveMinimum", "number" },
		{ "exclusiveMaximum", "number" } };
	for (size_t i = 0; i < ARRAY_LEN(by); i++)
		if (chat_member(v, by[i][0]))
			return chat_cstr(by[i][1]);
	return (struct chat_str){ 0 };
}

static u32 typed(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	const struct chat_val *type = chat_member(v, "type");
	u32 to = chat_gb_state(x->b);
	if (is(type, CHAT_STR))
		return of_type(x, v, type->s, from, p);
	if (!type) {
		struct chat_str implied = implied_type(v);
		return implied.len ? of_type(x, v, implied, from, p) : chat_schema_any(x, from);
	}
	if (type->kind != CHAT_LIST || type->list->n == 0)
		chat_schema_refuse(x, p, "a type that is neither a name nor names", (struct chat_str){ 0 });
	for (u32 i = 0; chat_gb_ok(x->b) && i < type->list->n; i++) {
		if (type->list->v[i].kind != CHAT_STR)
			chat_schema_refuse(x, p, "a type that is not a name", (struct chat_str){ 0 });
		else
			chat_gb_skip(x->b, of_type(x, v, type->list->v[i].s, from, p), to);
	}
	return to;
}

void chat_schema_other_types(
	struct chat_schema *x, const struct chat_val *v, u32 from, u32 to, const struct chat_place *p)
{
	const struct chat_val *type = chat_member(v, "type");
	for (u32 i = 0; chat_gb_ok(x->b) && i < type->list->n; i++) {
		const struct chat_val *t = &type->list->v[i];
		if (t->kind != CHAT_STR)
			chat_schema_refuse(x, p, "a type that is not a name", (struct chat_str){ 0 });
		else if (!chat_str_is(t->s, "string"))
			chat_gb_skip(x->b, of_type(x, v, t->s, from, p), to);
	}
}

static u32 keyword(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	static const char *const choice[] = { "$ref", "allOf", "anyOf", "oneOf" };
	for (size_t i = 0; i < ARRAY_LEN(choice); i++) {
		const struct chat_val *c = chat_member(v, choice[i]);
		struct chat_place in = { p, chat_cstr(choice[i]), p->depth + 1 };
		struct chat_val rest;
		if (!c)
			continue;
		if (!chat_schema_without(x, v, choice[i], &rest))
			return from;
		if (i == 0 && chat_schema_only_explains(&rest) && is(c, CHAT_STR))
			return reference(x, c, from, p);
		if (i == 0)
			return chat_schema_beside_ref(x, v, p, &rest) ? chat_schema_value(x, &rest, from, &in)
								      : from;
		return i == 1 ? all_of(x, c, &rest, from, &in) : any_of(x, c, &rest, from, &in);
	}
	const struct chat_val *one = chat_member(v, "const"), *some = chat_member(v, "enum");
	if (!one && !some)
		return typed(x, v, from, p);
	struct chat_val list = { .kind = CHAT_LIST,
		.list = &(struct chat_list){ .v = (struct chat_val *)one, .n = 1 } };
	return chat_schema_constants(x, v, one ? &list : some, from, p);
}

u32 chat_schema_value(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	struct chat_val now;
	if (p->depth > GRAMMAR_NEST_MAX)
		chat_schema_refuse(x, p, "nested deeper than GRAMMAR_NEST_MAX", (struct chat_str){ 0 });
	else if (is(v, CHAT_BOOL) && v->b)
		return chat_schema_any(x, from);
	else if (chat_schema_never(v))
		return chat_gb_state(x->b); /* which nothing leads to: the way to here is taken out */
	else if (!is(v, CHAT_DICT))
		chat_schema_refuse(x, p, "a schema that is no object", (struct chat_str){ 0 });
	else if (chat_member(v, "not"))
		chat_schema_refuse(x, p, "what must not be is outside the subset:", CHAT_S("not"));
	else if (chat_charge(x->b->r, 0) && chat_schema_keys_ok(x, v, p) && chat_schema_modern(x, v, &now))
		return keyword(x, &now, from, p);
	return from;
}

u32 chat_schema_any(struct chat_schema *x, u32 from)
{
	static const char *const words[] = { "true", "false", "null" };
	struct chat_gb *b = x->b;
	if (!b->quote.len)
		return chat_gb_call_rule(b, from, RULE_VALUE);
	u32 to = chat_gb_state(b); /* plain values only */
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		chat_gb_skip(b, chat_gb_str(b, from, words[i]), to);
	chat_gb_skip(b, chat_gb_call_rule(b, from, RULE_NUMBER), to);
	u32 in = chat_gb_text(b, from, b->quote.p, b->quote.len);
	chat_gb_skip(b, chat_gb_text(b, chat_gb_call_rule(b, in, RULE_RAW), b->quote.p, b->quote.len), to);
	return to;
}

void chat_schema_refs(struct chat_schema *x)
{
	struct chat_place top = { 0 };
	while (x->n_done < x->n && chat_gb_ok(x->b)) {
		struct chat_ref r = x->ref[x->n_done++];
		chat_gb_return(x->b, chat_schema_value(x, r.target, r.entry, &top));
	}
}

u32 chat_gb_schema(struct chat_gb *b, const struct chat_val *schema)
{
	struct chat_schema x = { .b = b, .name = "schema", .root = schema };
	struct chat_place top = { 0 };
	u32 start = chat_gb_state(b);
	chat_gb_return(b, chat_schema_value(&x, schema, start, &top));
	chat_schema_refs(&x);
	return start;
}
