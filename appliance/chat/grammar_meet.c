/* Schemas that hold one value together are put together into one: what allOf lists, what stands beside $ref or a choice. What fits the one
 * that comes of it fits both. A choice of both is one of every pair. */
#include "chat/grammar_schema.h"

#include <string.h>

static bool is(const struct chat_val *v, enum chat_kind kind)
{
	return v && v->kind == kind;
}

/* ---- where a reference leads --------------------------------------------------------------------------------------------- */

static u32 hex(char c)
{
	return c >= '0' && c <= '9' ? (u32)(c - '0') : ((u32)(c | 0x20) - 'a' + 10) & 15;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* One part of a pointer, its escapes undone: "~1" is '/', "~0" is '~', "%41" is 'A'. */
static bool part_of(struct chat_str ref, u32 at, u32 end, char out[256], struct chat_str *ret)
{
	u32 n = 0;
	for (; at < end && n < 256; at++) {
		char c = ref.p[at];
		if (c == '~' && at + 1 < end && (ref.p[at + 1] == '0' || ref.p[at + 1] == '1'))
			c = ref.p[++at] == '0' ? '~' : '/';
		else if (c == '%' && at + 2 < end && is_hex(ref.p[at + 1]) && is_hex(ref.p[at + 2])) {
			c = (char)(hex(ref.p[at + 1]) << 4 | hex(ref.p[at + 2]));
			at += 2;
		}
		out[n++] = c;
	}
	*ret = (struct chat_str){ .p = out, .len = n };
	return n < 256;
}

static const struct chat_val *child(struct chat_schema *x, const struct chat_val *v, struct chat_str key)
{
	struct chat_val *next = NULL;
	u32 i = 0;
	if (v->kind == CHAT_DICT)
		return chat_dict_get(x->b->r, v->dict, chat_text(key), &next) ? next : NULL;
	if (v->kind != CHAT_LIST || key.len == 0 || key.len > 6)
		return NULL;
	for (u32 k = 0; k < key.len; k++) {
		if (key.p[k] < '0' || key.p[k] > '9')
			return NULL;
		i = i * 10 + (u32)(key.p[k] - '0');
	}
	return i < v->list->n ? &v->list->v[i] : NULL;
}

const struct chat_val *chat_schema_resolve(struct chat_schema *x, struct chat_str ref)
{
	const struct chat_val *v = x->root;
	char text[256];
	struct chat_str key;
	if (ref.len == 0 || ref.p[0] != '#' || (ref.len > 1 && ref.p[1] != '/'))
		return NULL;
	for (u32 at = 2, end; v && at <= ref.len && ref.len > 1; at = end + 1) {
		end = MIN(chat_str_find(ref, CHAT_S("/"), at), ref.len);
		v = part_of(ref, at, end, text, &key) ? child(x, v, key) : NULL;
	}
	return v;
}

/* ---- parts of schemas ---------------------------------------------------------------------------------------------------- */

static const struct chat_val NEVER = { .kind = CHAT_BOOL, .b = false };

bool chat_schema_never(const struct chat_val *v)
{
	const struct chat_val *not = chat_member(v, "not");
	return (is(v, CHAT_BOOL) && !v->b) || (is(not, CHAT_BOOL) && not ->b) ||
	       (is(not, CHAT_DICT) && chat_schema_only_explains(not ));
}

bool chat_schema_without(
	struct chat_schema *x, const struct chat_val *v, const char *key, struct chat_val *ret)
{
	struct chat_val to;
	if (!chat_dict_new(x->b->r, CHAT_DICT, &to))
		return false;
	for (u32 i = 0; i < v->dict->n; i++)
		if (!chat_str_is(v->dict->kv[2 * i].s, key) &&
			!chat_dict_set(x->b->r, to.dict, v->dict->kv[2 * i], v->dict->kv[2 * i + 1]))
			return false;
	*ret = to;
	return true;
}

/* {"key": [a, b]} with b left out where it is NULL. */
static bool pair_of(struct chat_schema *x, const char *key, const struct chat_val *a,
	const struct chat_val *b, struct chat_val *ret)
{
	struct chat_val list;
	return chat_list_new(x->b->r, CHAT_LIST, &list) && chat_list_add(x->b->r, list.list, *a) &&
	       (!b || chat_list_add(x->b->r, list.list, *b)) && chat_dict_new(x->b->r, CHAT_DICT, ret) &&
	       chat_dict_put(x->b->r, ret->dict, key, list);
}

bool chat_schema_or_null(struct chat_schema *x, const struct chat_val *v, struct chat_val *ret)
{
	struct chat_val rest, none;
	return chat_schema_without(x, v, "nullable", &rest) && chat_dict_new(x->b->r, CHAT_DICT, &none) &&
	       chat_dict_put(x->b->r, none.dict, "type", chat_text(CHAT_S("null"))) &&
	       pair_of(x, "anyOf", &rest, &none, ret);
}

/* ---- two values of one keyword ------------------------------------------------------------------------------------------- */

struct meet {
	struct chat_schema *x;
	const struct chat_place *p;
	bool never; /* nothing fits both */
};

static bool meet(struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret);

static bool refuse(struct meet *m, const char *what)
{
	return chat_schema_refuse(m->x, m->p, "two schemas for one value, which differ in:", chat_cstr(what));
}

/* Where nothing fits, a property or an element cannot be; the rest of the schema stays. */
static bool meet_part(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	struct chat_place in = { m->p, CHAT_S("allOf"), m->p->depth + 1 };
	struct meet part = { .x = m->x, .p = &in };
	if (in.depth > GRAMMAR_NEST_MAX)
		return chat_schema_refuse(m->x, m->p, "nested deeper than GRAMMAR_NEST_MAX", CHAT_S(""));
	return meet(&part, a, b, ret);
}

static bool same(struct meet *m, const struct chat_val *a, const struct chat_val *b, bool *ret)
{
	return chat_charge(m->x->b->r, 0) && chat_equal(m->x->b->r, a, b, ret);
}

static bool meet_equal(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	bool eq = false;
	if (!same(m, a, b, &eq))
		return false;
	m->never = m->never || !eq;
	*ret = *a;
	return true;
}

static bool meet_bound(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, bool larger, struct chat_val *ret)
{
	f64 x, y;
	if (is(a, CHAT_BOOL) || is(b, CHAT_BOOL) || !chat_number(a, &x) || !chat_number(b, &y))
		return chat_schema_refuse(m->x, m->p, "a bound is not a number", CHAT_S(""));
	*ret = (x > y) == larger ? *a : *b;
	return true;
}

static bool meet_larger(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	return meet_bound(m, a, b, true, ret);
}

static bool meet_smaller(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	return meet_bound(m, a, b, false, ret);
}

/* A name or a list of them, as a list. */
static bool as_list(struct meet *m, const struct chat_val *v, struct chat_val *ret)
{
	if (v->kind == CHAT_LIST) {
		*ret = *v;
		return true;
	}
	return chat_list_new(m->x->b->r, CHAT_LIST, ret) && chat_list_add(m->x->b->r, ret->list, *v);
}

/* What stands in both lists. */
static bool meet_some(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	if (!is(a, CHAT_LIST) || !is(b, CHAT_LIST))
		return refuse(m, "enum");
	if (!chat_list_new(m->x->b->r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < a->list->n; i++) {
		bool in = false;
		if (!chat_charge(m->x->b->r, 64 * (u64)b->list->n) ||
			!chat_contains(m->x->b->r, b, &a->list->v[i], &in) ||
			(in && !chat_list_add(m->x->b->r, ret->list, a->list->v[i])))
			return false;
	}
	m->never = m->never || ret->list->n == 0;
	return true;
}

/* What stands in either list. */
static bool meet_all(struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	struct chat_val x, y;
	if (!as_list(m, a, &x) || !as_list(m, b, &y) || !chat_list_new(m->x->b->r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < x.list->n + y.list->n; i++) {
		const struct chat_val *v = i < x.list->n ? &x.list->v[i] : &y.list->v[i - x.list->n];
		bool in = false;
		if (!chat_charge(m->x->b->r, 64 * (u64)ret->list->n) ||
			!chat_contains(m->x->b->r, ret, v, &in) ||
			(!in && !chat_list_add(m->x->b->r, ret->list, *v)))
			return false;
	}
	return true;
}

/* Names of types; an integer is a number. */
static bool meet_type(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	struct chat_val x, y;
	if (!as_list(m, a, &x) || !as_list(m, b, &y) || !chat_list_new(m->x->b->r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < x.list->n; i++)
		for (u32 k = 0; k < y.list->n; k++) {
			const struct chat_val *s = &x.list->v[i], *t = &y.list->v[k];
			if (!is(s, CHAT_STR) || !is(t, CHAT_STR))
				return refuse(m, "type");
			bool eq = chat_str_eq(s->s, t->s);
			bool s_in = eq || (chat_str_is(s->s, "integer") && chat_str_is(t->s, "number"));
			bool t_in = chat_str_is(t->s, "integer") && chat_str_is(s->s, "number");
			if ((s_in || t_in) && !chat_list_add(m->x->b->r, ret->list, s_in ? *s : *t))
				return false;
		}
	m->never = m->never || ret->list->n == 0;
	return true;
}

/* A choice of both: of every pair. */
static bool meet_choice(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	if (!is(a, CHAT_LIST) || !is(b, CHAT_LIST))
		return refuse(m, "anyOf");
	if (!chat_list_new(m->x->b->r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < a->list->n; i++)
		for (u32 k = 0; k < b->list->n; k++) {
			struct chat_val both;
			if (!meet_part(m, &a->list->v[i], &b->list->v[k], &both) ||
				(!chat_schema_never(&both) && !chat_list_add(m->x->b->r, ret->list, both)))
				return false;
		}
	m->never = m->never || ret->list->n == 0;
	return true;
}

static bool meet_multiple(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	if (!is(a, CHAT_INT) || !is(b, CHAT_INT) || a->i <= 0 || b->i <= 0 || a->i > GRAMMAR_MULTIPLE_MAX ||
		b->i > GRAMMAR_MULTIPLE_MAX)
		return meet_equal(m, a, b, ret) && (!m->never || refuse(m, "multipleOf"));
	i64 n = a->i;
	while (n % b->i)
		n += a->i;
	*ret = chat_int(n);
	return true;
}

static bool meet_either(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	*ret = chat_bool(chat_truth(a) || chat_truth(b));
	return true;
}

static bool meet_both_true(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	*ret = chat_bool(chat_truth(a) && chat_truth(b));
	return true;
}

/* ---- objects and arrays: what one says of a property or an element that the other names ------------------------------------- */

/* What a schema says of a property: its own words for it, else those for all others; NULL: nothing. */
static const struct chat_val *says_of(const struct chat_val *v, const struct chat_val *key)
{
	const struct chat_val *props = chat_member(v, "properties");
	for (u32 i = 0; is(props, CHAT_DICT) && i < props->dict->n; i++)
		if (chat_str_eq(props->dict->kv[2 * i].s, key->s))
			return &props->dict->kv[2 * i + 1];
	return chat_member(v, "additionalProperties");
}

static bool put_property(struct meet *m, const struct chat_val *key, const struct chat_val *a,
	const struct chat_val *b, struct chat_val *ret)
{
	struct chat_val both = a ? *a : *b;
	if (a && b && !meet_part(m, a, b, &both))
		return false;
	return chat_dict_set(m->x->b->r, ret->dict, *key, both);
}

static bool meet_properties(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	const struct chat_val *of[2] = { a, b };
	for (u32 i = 0; i < 2; i++)
		if (!chat_member(of[i], "properties") && !chat_member(of[i], "additionalProperties") &&
			!chat_member(of[i], "patternProperties")) {
			*ret = *chat_member(of[!i], "properties");
			return true;
		}
	if (chat_member(a, "patternProperties") || chat_member(b, "patternProperties"))
		return refuse(m, "patternProperties");
	if (!chat_dict_new(m->x->b->r, CHAT_DICT, ret))
		return false;
	for (u32 i = 0; i < 2; i++) {
		const struct chat_val *props = chat_member(of[i], "properties");
		if (props && props->kind != CHAT_DICT)
			return refuse(m, "properties");
		for (u32 k = 0; props && k < props->dict->n; k++) {
			const struct chat_val *key = &props->dict->kv[2 * k];
			struct chat_val *known = NULL;
			if (!chat_charge(m->x->b->r, 64 * (u64)ret->dict->n) ||
				!chat_dict_get(m->x->b->r, ret->dict, *key, &known) ||
				(!known && !put_property(m, key, says_of(a, key), says_of(b, key), ret)))
				return false;
		}
	}
	return true;
}

/* What a schema says of element i; NULL: nothing. */
static const struct chat_val *says_at(const struct chat_val *v, u32 i)
{
	const struct chat_val *prefix = chat_member(v, "prefixItems");
	return is(prefix, CHAT_LIST) && i < prefix->list->n ? &prefix->list->v[i] : chat_member(v, "items");
}

static bool meet_prefix(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	const struct chat_val *x = chat_member(a, "prefixItems"), *y = chat_member(b, "prefixItems");
	if ((x && x->kind != CHAT_LIST) || (y && y->kind != CHAT_LIST))
		return refuse(m, "prefixItems");
	u32 n = MAX(x ? x->list->n : 0, y ? y->list->n : 0);
	if (!chat_list_new(m->x->b->r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < n; i++) {
		const struct chat_val *s = says_at(a, i), *t = says_at(b, i);
		struct chat_val both = s ? *s : *t;
		if ((s && t && !meet_part(m, s, t, &both)) || !chat_list_add(m->x->b->r, ret->list, both))
			return false;
	}
	return true;
}

/* ---- two schemas --------------------------------------------------------------------------------------------------------- */

typedef bool meet_fn(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret);

static meet_fn *rule_of(struct chat_str key)
{
	static const struct {
		const char *key;
		meet_fn *fn;
	} rules[] = { { "type", meet_type }, { "enum", meet_some }, { "const", meet_equal },
		{ "required", meet_all }, { "pattern", meet_all }, { "format", meet_all },
		{ "allOf", meet_all }, { "anyOf", meet_choice }, { "oneOf", meet_choice },
		{ "minimum", meet_larger }, { "exclusiveMinimum", meet_larger }, { "maximum", meet_smaller },
		{ "exclusiveMaximum", meet_smaller }, { "minLength", meet_larger },
		{ "maxLength", meet_smaller }, { "minItems", meet_larger }, { "maxItems", meet_smaller },
		{ "minProperties", meet_larger }, { "maxProperties", meet_smaller },
		{ "multipleOf", meet_multiple }, { "uniqueItems", meet_either }, { "items", meet_part },
		{ "propertyNames", meet_part }, { "additionalProperties", meet_part },
		{ "unevaluatedProperties", meet_both_true }, { "unevaluatedItems", meet_both_true },
		{ "$ref", meet_all } };
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (chat_str_is(key, rules[i].key))
			return rules[i].fn;
	return NULL;
}

/* One keyword of b joins those of a, which are in *ret. */
static bool join(struct meet *m, const struct chat_val *key, const struct chat_val *v, struct chat_val *ret)
{
	struct chat_val *own = NULL, both;
	if (!chat_charge(m->x->b->r, 0) || !chat_dict_get(m->x->b->r, ret->dict, *key, &own))
		return false;
	if (!own)
		return chat_dict_set(m->x->b->r, ret->dict, *key, *v);
	meet_fn *fn = rule_of(key->s);
	if (fn)
		return fn(m, own, v, &both) && chat_dict_set(m->x->b->r, ret->dict, *key, both);
	bool eq = chat_schema_explains(key->s);
	return eq || (same(m, own, v, &eq) &&
			     (eq || chat_schema_refuse(m->x, m->p,
					    "two schemas for one value, which differ in:", key->s)));
}

static bool meet_dicts(
	struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	static const struct {
		const char *key;
		meet_fn *fn;
	} whole[] = { { "properties", meet_properties }, { "prefixItems", meet_prefix } };
	struct chat_val part;
	if (!chat_schema_without(m->x, a, "", ret))
		return false;
	for (u32 i = 0; i < b->dict->n; i++) {
		const struct chat_val *key = &b->dict->kv[2 * i];
		bool later = chat_str_is(key->s, whole[0].key) || chat_str_is(key->s, whole[1].key);
		if (!later && !join(m, key, &b->dict->kv[2 * i + 1], ret))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if ((chat_member(a, whole[i].key) || chat_member(b, whole[i].key)) &&
			!(whole[i].fn(m, a, b, &part) &&
				chat_dict_put(m->x->b->r, ret->dict, whole[i].key, part)))
			return false;
	return true;
}

/* nullable is a choice; a list of items is a prefix, as schemas of 2019 have it. */
bool chat_schema_modern(struct chat_schema *x, const struct chat_val *v, struct chat_val *ret)
{
	const struct chat_val *items = chat_member(v, "items"), *more = chat_member(v, "additionalItems"),
			      *nullable = chat_member(v, "nullable");
	*ret = *v;
	if (is(nullable, CHAT_BOOL) && nullable->b)
		return chat_schema_or_null(x, v, ret);
	if (nullable && !chat_schema_without(x, ret, "nullable", ret))
		return false;
	if (!is(items, CHAT_LIST))
		return true;
	return chat_schema_without(x, ret, "items", ret) &&
	       chat_schema_without(x, ret, "additionalItems", ret) &&
	       chat_dict_put(x->b->r, ret->dict, "prefixItems", *items) &&
	       (!more || chat_dict_put(x->b->r, ret->dict, "items", *more));
}

static bool meet(struct meet *m, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	struct chat_val x, y;
	if (chat_schema_never(a) || chat_schema_never(b) || is(a, CHAT_BOOL) || is(b, CHAT_BOOL)) {
		*ret = chat_schema_never(a) || chat_schema_never(b) ? NEVER : is(a, CHAT_BOOL) ? *b : *a;
		return true;
	}
	if (!is(a, CHAT_DICT) || !is(b, CHAT_DICT))
		return chat_schema_refuse(m->x, m->p, "a schema that is no object", CHAT_S(""));
	if (!chat_schema_modern(m->x, a, &x) || !chat_schema_modern(m->x, b, &y) ||
		!meet_dicts(m, &x, &y, ret))
		return false;
	*ret = m->never ? NEVER : *ret;
	return true;
}

bool chat_schema_meet(struct chat_schema *x, const struct chat_val *a, const struct chat_val *b,
	const struct chat_place *p, struct chat_val *ret)
{
	struct meet m = { .x = x, .p = p };
	struct chat_val both;
	if (!meet(&m, a, b, &both))
		return false;
	*ret = both;
	return true;
}

/* What one reference, or each of several, leads to, and what stands beside it. */
bool chat_schema_beside_ref(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *p, struct chat_val *ret)
{
	const struct chat_val *ref = chat_member(v, "$ref");
	u32 n = is(ref, CHAT_LIST) ? ref->list->n : 1;
	if (!chat_schema_without(x, v, "$ref", ret))
		return false;
	for (u32 i = 0; i < n; i++) {
		const struct chat_val *name = is(ref, CHAT_LIST) ? &ref->list->v[i] : ref;
		const struct chat_val *to = is(name, CHAT_STR) ? chat_schema_resolve(x, name->s) : NULL;
		if (!to)
			return chat_schema_refuse(x, p, "$ref to nothing inside of the schema:",
				is(name, CHAT_STR) ? name->s : CHAT_S(""));
		if (!chat_schema_meet(x, ret, to, p, ret))
			return false;
	}
	return true;
}
