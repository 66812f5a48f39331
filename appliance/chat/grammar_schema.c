/* JSON schemas: the keywords that SDKs send. What only explains is passed over, every other keyword is refused by its name and place,
 * so an answer that fits the grammar fits the schema; oneOf is read as anyOf. Objects have their properties in the order of the
 * schema. */
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

static const char *const EXPLAINS[] = { "$schema", "$id", "$comment", "$anchor", "title", "description",
	"default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$defs", "definitions",
	"discriminator", "strict" };
static const char *const KNOWN[] = { "type", "properties", "required", "additionalProperties", "items",
	"prefixItems", "minItems", "maxItems", "pattern", "format", "minLength", "maxLength", "minimum",
	"maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const", "anyOf", "oneOf", "allOf",
	"$ref" };

static bool in_list(struct chat_str key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (chat_str_is(key, list[i]))
			return true;
	return false;
}

bool chat_schema_keys_ok(
	struct chat_schema *x, const struct chat_val *v, const char *only, const struct chat_place *p)
{
	for (u32 i = 0; i < v->dict->n && chat_gb_ok(x->b); i++) {
		struct chat_str key = v->dict->kv[2 * i].s;
		if (in_list(key, EXPLAINS, ARRAY_LEN(EXPLAINS)) || (only && chat_str_is(key, only)))
			continue;
		if (!in_list(key, KNOWN, ARRAY_LEN(KNOWN)))
			chat_schema_refuse(x, p, "a keyword outside the subset:", key);
		else if (only)
			chat_schema_refuse(x, p, "a keyword that cannot stand beside the others here:", key);
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

static u32 number(
	struct chat_schema *x, const struct chat_val *v, u32 from, bool integer, const struct chat_place *p)
{
	struct chat_range r = {
		.lo = chat_member(v, "minimum"), .hi = chat_member(v, "maximum"), .integer = integer
	};
	const struct chat_val *above = chat_member(v, "exclusiveMinimum"),
			      *below = chat_member(v, "exclusiveMaximum");
	char where[240];
	if (is(above, CHAT_BOOL) || is(below, CHAT_BOOL) || (above && r.lo) || (below && r.hi))
		chat_schema_refuse(
			x, p, "two bounds on one side are outside the subset", (struct chat_str){ 0 });
	if (!above && !below && !r.lo && !r.hi)
		return chat_gb_call_rule(x->b, from, integer ? RULE_INTEGER : RULE_NUMBER);
	r.lo_open = above != NULL;
	r.hi_open = below != NULL;
	r.lo = above ? above : r.lo;
	r.hi = below ? below : r.hi;
	return chat_gb_ok(x->b) ? chat_gb_range(x->b, from, &r, chat_place_text(x, p, where)) : from;
}

/* ---- choices ------------------------------------------------------------------------------------------------------------- */

static u32 any_of(struct chat_schema *x, const struct chat_val *list, bool constants, u32 from,
	const struct chat_place *p)
{
	u32 to = chat_gb_state(x->b);
	if (!is(list, CHAT_LIST) || list->list->n == 0) {
		chat_schema_refuse(x, p, "a choice without alternatives", (struct chat_str){ 0 });
		return to;
	}
	for (u32 i = 0; i < list->list->n && chat_gb_ok(x->b); i++) {
		const struct chat_val *v = &list->list->v[i];
		chat_gb_skip(x->b,
			constants ? chat_schema_constant(x, v, from) : chat_schema_value(x, v, from, p), to);
	}
	return to;
}

const struct chat_val *chat_schema_resolve(struct chat_schema *x, struct chat_str ref)
{
	const struct chat_val *v = x->root;
	if (ref.len == 0 || ref.p[0] != '#' || (ref.len > 1 && ref.p[1] != '/'))
		return NULL;
	for (u32 at = 2, end; v && at <= ref.len && ref.len > 1; at = end + 1) {
		char key[256];
		u32 n = 0;
		end = MIN(chat_str_find(ref, CHAT_S("/"), at), ref.len);
		for (u32 i = at; i < end && n < sizeof key; i++) {
			bool tilde = ref.p[i] == '~' && i + 1 < end &&
				     (ref.p[i + 1] == '0' || ref.p[i + 1] == '1');
			key[n++] = !tilde ? ref.p[i] : ref.p[++i] == '0' ? '~' : '/';
		}
		struct chat_val *next = NULL;
		struct chat_str k = { .p = key, .len = n };
		if (n == sizeof key || v->kind != CHAT_DICT ||
			!chat_dict_get(x->b->r, v->dict, chat_text(k), &next))
			return NULL;
		v = next;
	}
	return v;
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
		{ "required", "object" }, { "items", "array" }, { "prefixItems", "array" },
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

bool chat_schema_only_explains(const struct chat_val *v)
{
	for (u32 i = 0; i < v->dict->n; i++)
		if (!in_list(v->dict->kv[2 * i].s, EXPLAINS, ARRAY_LEN(EXPLAINS)))
			return false;
	return true;
}

static u32 keyword(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	static const char *const choice[] = { "$ref", "anyOf", "oneOf", "allOf" };
	for (size_t i = 0; i < ARRAY_LEN(choice); i++) {
		const struct chat_val *c = chat_member(v, choice[i]);
		struct chat_place in = { p, chat_cstr(choice[i]), p->depth + 1 };
		if (!c)
			continue;
		if (!chat_schema_keys_ok(x, v, choice[i], p))
			return from;
		if (i == 0)
			return reference(x, c, from, p);
		if (i == 3 && (!is(c, CHAT_LIST) || c->list->n != 1))
			chat_schema_refuse(x, p, "allOf of more than one schema is outside the subset",
				(struct chat_str){ 0 });
		return any_of(x, c, false, from, &in);
	}
	const struct chat_val *one = chat_member(v, "const"), *some = chat_member(v, "enum");
	if (one)
		return chat_schema_constant(x, one, from);
	return some ? any_of(x, some, true, from, p) : typed(x, v, from, p);
}

u32 chat_schema_value(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p)
{
	if (p->depth > GRAMMAR_NEST_MAX)
		chat_schema_refuse(x, p, "nested deeper than GRAMMAR_NEST_MAX", (struct chat_str){ 0 });
	else if (is(v, CHAT_BOOL) && v->b)
		return chat_schema_any(x, from);
	else if (!is(v, CHAT_DICT))
		chat_schema_refuse(x, p,
			is(v, CHAT_BOOL) ? "a schema that nothing fits" : "a schema that is no object",
			(struct chat_str){ 0 });
	else if (chat_charge(x->b->r, 0) && chat_schema_keys_ok(x, v, NULL, p))
		return keyword(x, v, from, p);
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
