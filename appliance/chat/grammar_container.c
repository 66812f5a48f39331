/* Arrays and objects of a schema. */
#include "chat/grammar_schema.h"

#include <string.h>

static bool is(const struct chat_val *v, enum chat_kind kind)
{
	return v && v->kind == kind;
}

static u32 comma(struct chat_gb *b, u32 from)
{
	return chat_gb_call_rule(b, chat_gb_str(b, from, ","), RULE_WS);
}

static u32 colon(struct chat_gb *b, u32 from)
{
	return chat_gb_call_rule(b, chat_gb_str(b, from, ":"), RULE_WS);
}

/* Blanks and the bracket that ends it. */
static void close(struct chat_gb *b, u32 from, const char *bracket, u32 to)
{
	chat_gb_skip(b, chat_gb_str(b, chat_gb_call_rule(b, from, RULE_WS), bracket), to);
}

/* ---- arrays -------------------------------------------------------------------------------------------------------------- */

struct array {
	const struct chat_val *items, *prefix; /* items NULL: anything */
	u32 min, max, n_prefix;
};

static bool read_array(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *up, struct array *ret)
{
	struct array a = { .items = chat_member(v, "items"),
		.prefix = chat_member(v, "prefixItems"),
		.max = CHAT_GB_NO_MAX };
	a.n_prefix = is(a.prefix, CHAT_LIST) ? a.prefix->list->n : 0;
	if (!chat_schema_count(x, v, "minItems", &a.min, up) ||
		!chat_schema_count(x, v, "maxItems", &a.max, up))
		return false;
	if ((a.prefix && !a.n_prefix) || is(a.items, CHAT_LIST) || a.max < a.min)
		return chat_schema_refuse(x, up, "prefixItems, items or their counts are outside the subset",
			(struct chat_str){ 0 });
	if (is(a.items, CHAT_BOOL) && !a.items->b)
		a.max = MIN(a.max, a.n_prefix);
	a.items = is(a.items, CHAT_BOOL) ? NULL : a.items;
	*ret = a;
	return true;
}

/* The rest of a list behind its prefix: element (comma element)*, or the latter alone behind the first ones. */
static u32 rest(struct chat_schema *x, const struct array *a, u32 at, const struct chat_place *p)
{
	struct chat_gb *b = x->b;
	u32 least = a->min > a->n_prefix ? a->min - a->n_prefix : 0;
	u32 most = a->max == CHAT_GB_NO_MAX ? a->max : a->max - a->n_prefix;
	u32 entry = chat_gb_state(b);
	chat_gb_return(b, a->items ? chat_schema_value(x, a->items, entry, p) : chat_schema_any(x, entry));
	if (a->n_prefix == 0) {
		u32 one = chat_gb_state(b);
		chat_gb_call(b, at, entry, one);
		at = one;
		least = least ? least - 1 : 0;
		most = most == CHAT_GB_NO_MAX ? most : most - 1;
	}
	u32 begin = chat_gb_state(b), behind = chat_gb_state(b);
	chat_gb_call(b, comma(b, begin), entry, behind);
	return most ? chat_gb_times(b, at, begin, behind, least, most) : at;
}

u32 chat_schema_array(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	struct chat_place p = { up, CHAT_S("items"), up->depth + 1 },
			  pp = { up, CHAT_S("prefixItems"), up->depth + 1 };
	struct array a = { 0 };
	if (!read_array(x, v, up, &a))
		return from;
	u32 at = chat_gb_call_rule(b, chat_gb_str(b, from, "["), RULE_WS), to = chat_gb_state(b);
	if (a.min == 0)
		chat_gb_skip(b, chat_gb_str(b, at, "]"), to);
	for (u32 i = 0; i < a.n_prefix && i < a.max && chat_gb_ok(b); i++) {
		at = chat_schema_value(x, &a.prefix->list->v[i], i ? comma(b, at) : at, &pp);
		if (i + 1 >= a.min)
			close(b, at, "]", to);
	}
	if (a.n_prefix < a.max && chat_gb_ok(b))
		close(b, rest(x, &a, at, &p), "]", to);
	return to;
}

/* ---- keys that are none of the properties -------------------------------------------------------------------------------- */

struct keys {
	struct chat_gb *b;
	const struct chat_val *props; /* NULL: none */
	u32 rest, to;		      /* inside of a key that is none of them; behind its quote */
};

static u32 n_props(const struct keys *k)
{
	return k->props ? k->props->dict->n : 0;
}

/* What the properties have in common with the first c bytes of property i: the characters that follow there, whether one ends there, and
 * whether i is the first of them. */
static bool branch(
	const struct keys *k, u32 i, u32 c, struct chat_set *next, bool *ret_first, bool *ret_whole)
{
	struct chat_str key = k->props->dict->kv[2 * i].s;
	*ret_first = true;
	*ret_whole = false;
	for (u32 j = 0; j < n_props(k) && chat_charge(k->b->r, 16); j++) {
		struct chat_str other = k->props->dict->kv[2 * j].s;
		u32 w;
		if (other.len < c || memcmp(other.p, key.p, c) != 0)
			continue;
		*ret_first = *ret_first && j >= i;
		*ret_whole = *ret_whole || other.len == c;
		if (other.len == c)
			continue;
		u32 cp = chat_char_at(other, c, &w);
		if (!chat_set_add(next, cp, cp))
			return false;
	}
	return chat_set_add(next, 0, 0x1f) && chat_set_add(next, '"', '"') && chat_set_add(next, '\\', '\\');
}

/* From `at`, behind the first c bytes of property i: every character that no property has there. */
static bool leave(const struct keys *k, u32 i, u32 c, u32 at)
{
	struct chat_set next = { .n = 0 };
	bool first, whole;
	if (!branch(k, i, c, &next, &first, &whole))
		return chat_gb_fail(k->b, "schema", "additionalProperties beside more than %u properties",
			CHAT_SET_MAX - 3);
	if (!first)
		return true;
	if (!whole && c)
		chat_gb_byte(k->b, at, '"', '"', k->to);
	chat_set_close(&next, true);
	for (u32 n = 0; n < next.n; n++)
		chat_gb_chars_but(k->b, at, next.v[n].lo, next.v[n].hi, chat_gb_stop_char(k->b), k->rest);
	return true;
}

/* A key that is none of the properties: without escapes, and different from each at a character where no property goes on. A way
 * through the beginnings of the properties, from `from` behind the quote. */
static u32 other_key(struct chat_gb *b, const struct chat_val *props, u32 from)
{
	struct keys k = { b, props, chat_gb_state(b), chat_gb_state(b) };
	chat_gb_chars(b, k.rest, 0x20, 0x21, k.rest);
	chat_gb_chars_but(b, k.rest, 0x23, 0x5b, chat_gb_stop_char(b), k.rest);
	chat_gb_chars(b, k.rest, 0x5d, 0x10ffff, k.rest);
	chat_gb_byte(b, k.rest, '"', '"', k.to);
	if (n_props(&k) == 0)
		chat_gb_skip(b, from, k.rest);
	for (u32 i = 0; i < n_props(&k) && chat_gb_ok(b); i++) {
		struct chat_str key = props->dict->kv[2 * i].s;
		u32 at = from;
		for (u32 c = 0, len; leave(&k, i, c, at) && c < key.len && chat_gb_ok(b); c += len) {
			(void)chat_char_at(key, c, &len);
			at = chat_gb_text(b, at, key.p + c, len);
		}
	}
	return k.to;
}

/* In calls that write keys bare: one word. */
static u32 bare_key(struct chat_gb *b, u32 from)
{
	u32 word = chat_gb_state(b), to = chat_gb_state(b);
	static const u8 ranges[][2] = { { 'a', 'z' }, { 'A', 'Z' }, { '_', '_' }, { '0', '9' } };
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (i < 3)
			chat_gb_byte(b, from, ranges[i][0], ranges[i][1], word);
		chat_gb_byte(b, word, ranges[i][0], ranges[i][1], word);
	}
	chat_gb_skip(b, word, to);
	return to;
}

/* ---- objects ------------------------------------------------------------------------------------------------------------- */

bool chat_schema_is_required(struct chat_schema *x, const struct chat_val *v, const struct chat_val *key)
{
	const struct chat_val *required = chat_member(v, "required");
	bool in = false;
	return required && chat_contains(x->b->r, required, key, &in) && in;
}

bool chat_schema_required(struct chat_schema *x, const struct chat_val *v, const struct chat_place *p)
{
	const struct chat_val *props = chat_member(v, "properties"), *required = chat_member(v, "required");
	const struct chat_val *more = chat_member(v, "additionalProperties");
	if ((props && props->kind != CHAT_DICT) || (required && required->kind != CHAT_LIST) ||
		(more && more->kind != CHAT_BOOL && more->kind != CHAT_DICT))
		return chat_schema_refuse(x, p,
			"properties, required or additionalProperties are not what they must be",
			(struct chat_str){ 0 });
	for (u32 i = 0; required && i < required->list->n; i++) {
		struct chat_val *found = NULL;
		const struct chat_val *name = &required->list->v[i];
		if (!props || !chat_dict_get(x->b->r, props->dict, *name, &found) || !found)
			return chat_schema_refuse(x, p, "required names no property:",
				name->kind == CHAT_STR ? name->s : (struct chat_str){ 0 });
	}
	return true;
}

/* Inside of the braces. none: nothing was written yet; some: a comma must stand before the next. */
struct inside {
	u32 none, some;
	bool may_be_none, may_be_some;
};

static void property(struct chat_schema *x, const struct chat_val *v, const struct chat_val *key,
	struct inside *in, const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	struct chat_place p1 = { up, CHAT_S("properties"), up->depth }, p = { &p1, key->s, up->depth + 1 };
	bool need = chat_schema_is_required(x, v, key);
	u32 begin = chat_gb_state(b), next = chat_gb_state(b), next_none = chat_gb_state(b);
	if (in->may_be_none)
		chat_gb_skip(b, in->none, begin);
	if (in->may_be_some)
		chat_gb_skip(b, comma(b, in->some), begin);
	u32 named = b->quote.len ? chat_gb_text(b, begin, key->s.p, key->s.len)
				 : chat_schema_constant(x, key, begin);
	chat_gb_skip(b, chat_schema_value(x, &key[1], colon(b, named), &p), next);
	if (!need && in->may_be_some)
		chat_gb_skip(b, in->some, next);
	if (!need && in->may_be_none)
		chat_gb_skip(b, in->none, next_none);
	*in = (struct inside){ next_none, next, in->may_be_none && !need, true };
}

/* Further properties, of the schema `more` or any. */
static void others(
	struct chat_schema *x, const struct chat_val *v, struct inside *in, const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	const struct chat_val *props = chat_member(v, "properties"),
			      *more = chat_member(v, "additionalProperties");
	struct chat_place p = { up, CHAT_S("additionalProperties"), up->depth + 1 };
	u32 begin = chat_gb_state(b), next = chat_gb_state(b);
	if (in->may_be_none)
		chat_gb_skip(b, in->none, begin);
	chat_gb_skip(b, in->some, next);
	chat_gb_skip(b, comma(b, next), begin);
	u32 end = colon(
		b, b->quote.len ? bare_key(b, begin) : other_key(b, props, chat_gb_str(b, begin, "\"")));
	end = is(more, CHAT_DICT) ? chat_schema_value(x, more, end, &p) : chat_schema_any(x, end);
	chat_gb_skip(b, end, next);
	in->some = next;
}

u32 chat_schema_object(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	const struct chat_val *props = chat_member(v, "properties"),
			      *more = chat_member(v, "additionalProperties");
	if (!chat_schema_required(x, v, up))
		return from;
	bool open = more ? more->kind == CHAT_DICT || more->b : !props;
	u32 none = chat_gb_call_rule(b, chat_gb_str(b, from, "{"), RULE_WS), to = chat_gb_state(b);
	struct inside in = { none, chat_gb_state(b), true, false };
	for (u32 i = 0; props && i < props->dict->n && chat_gb_ok(b); i++)
		property(x, v, &props->dict->kv[2 * i], &in, up);
	if (open)
		others(x, v, &in, up);
	if (in.may_be_none)
		chat_gb_skip(b, chat_gb_str(b, in.none, "}"), to);
	close(b, in.some, "}", to);
	return to;
}
