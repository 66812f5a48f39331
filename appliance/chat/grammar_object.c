/* Objects of a schema: the properties that are named, in their order, then those that only a pattern or nothing names. */
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

/* ---- which properties there are -------------------------------------------------------------------------------------------- */

bool chat_schema_is_required(struct chat_schema *x, const struct chat_val *v, const struct chat_val *key)
{
	const struct chat_val *required = chat_member(v, "required");
	bool in = false;
	return required && chat_contains(x->b->r, required, key, &in) && in;
}

/* What is to be said of an object, read from its schema. */
struct object {
	const struct chat_val *v;
	struct chat_val named;		 /* properties: all that have a name here */
	const struct chat_val *patterns; /* NULL: none */
	struct chat_val names;		 /* what every name must be, a schema of strings */
	const struct chat_val *more;	 /* of all others; NULL: any value */
	bool open;			 /* there may be others */
	bool held;			 /* names of others are held by more than being others */
	u32 min, max;
};

static bool wrong(struct chat_schema *x, const struct chat_place *p)
{
	return chat_schema_refuse(x, p,
		"properties, required or additionalProperties are not what they must be",
		(struct chat_str){ 0 });
}

static bool are_dicts(struct chat_schema *x, const struct chat_val *v, const struct chat_place *p)
{
	static const char *const keys[] = { "properties", "patternProperties" };
	const struct chat_val *required = chat_member(v, "required"),
			      *more = chat_member(v, "additionalProperties");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct chat_val *d = chat_member(v, keys[i]);
		if (d && d->kind != CHAT_DICT)
			return wrong(x, p);
	}
	for (u32 i = 0; is(required, CHAT_LIST) && i < required->list->n; i++)
		if (required->list->v[i].kind != CHAT_STR)
			return wrong(x, p);
	return (!required || required->kind == CHAT_LIST) &&
			       (!more || more->kind == CHAT_BOOL || more->kind == CHAT_DICT)
		       ? true
		       : wrong(x, p);
}

/* Does the pattern fit the name? */
static bool fits_pattern(
	struct chat_schema *x, struct chat_str pattern, struct chat_str name, const char *where)
{
	struct chat_texts t;
	chat_texts_init(&t, x->b->r);
	return chat_texts_pattern(&t, pattern, false, where) && chat_texts_fit(&t, name);
}

/* A property joins: own is what the schema says of it by name, NULL: nothing; then what is said of those that fit a pattern, else of all
 * others. One that nothing fits is none. */
static bool name_it(struct chat_schema *x, struct object *o, const struct chat_val *key,
	const struct chat_val *own, const struct chat_place *p)
{
	static const struct chat_val any = { .kind = CHAT_BOOL, .b = true };
	struct chat_val says = own ? *own : any;
	bool matched = own != NULL;
	char where[240];
	chat_place_text(x, p, where);
	for (u32 i = 0; o->patterns && i < o->patterns->dict->n; i++) {
		const struct chat_val *entry = &o->patterns->dict->kv[2 * i];
		bool fit = fits_pattern(x, entry->s, key->s, where);
		matched = matched || fit;
		if (!chat_gb_ok(x->b) || (fit && !chat_schema_meet(x, &says, &entry[1], p, &says)))
			return false;
	}
	if (!matched && !o->open)
		says.b = false;
	else if (!matched && o->more)
		says = *o->more;
	if (o->held && !(o->names.kind == CHAT_BOOL) && !chat_member(&o->names, "enum")) {
		struct chat_texts t;
		if (!chat_schema_texts(x, &o->names, p, &t))
			return false;
		if (!chat_texts_fit(&t, key->s))
			says = (struct chat_val){ .kind = CHAT_BOOL };
	}
	if (!chat_schema_never(&says))
		return chat_dict_set(x->b->r, o->named.dict, *key, says);
	return !chat_schema_is_required(x, o->v, key) ||
	       chat_schema_refuse(x, p, "required names no property:", key->s);
}

/* propertyNames: true, or a schema of strings; references followed. */
static bool read_names(struct chat_schema *x, struct object *o, const struct chat_place *p)
{
	const struct chat_val *v = chat_member(o->v, "propertyNames");
	o->names = (struct chat_val){ .kind = CHAT_BOOL, .b = true };
	if (!v)
		return true;
	o->names = *v;
	for (u32 i = 0; chat_member(&o->names, "$ref") && i < GRAMMAR_NEST_MAX; i++)
		if (!chat_schema_beside_ref(x, &o->names, p, &o->names))
			return false;
	static const char *const may[] = { "type", "pattern", "format", "minLength", "maxLength", "enum",
		"const" };
	for (u32 i = 0; is(&o->names, CHAT_DICT) && i < o->names.dict->n; i++) {
		struct chat_str key = o->names.dict->kv[2 * i].s;
		bool known = chat_schema_explains(key);
		for (size_t k = 0; k < ARRAY_LEN(may); k++) {
			known = known || chat_str_is(key, may[k]);
			o->held = o->held || (k && chat_str_is(key, may[k]));
		}
		if (!known)
			return chat_schema_refuse(x, p, "a keyword outside the subset:", key);
	}
	if (chat_schema_never(&o->names))
		o->open = false;
	return true;
}

/* Names that a list in propertyNames gives are all that there may be. */
static bool name_listed(struct chat_schema *x, struct object *o, const struct chat_place *p)
{
	const struct chat_val *some = chat_member(&o->names, "enum"), *one = chat_member(&o->names, "const");
	u32 n = one ? 1 : is(some, CHAT_LIST) ? some->list->n : 0;
	if (!one && !some)
		return true;
	for (u32 i = 0; i < n; i++) {
		const struct chat_val *key = one ? one : &some->list->v[i];
		struct chat_val *known = NULL;
		if (key->kind == CHAT_STR && chat_dict_get(x->b->r, o->named.dict, *key, &known) && !known &&
			!name_it(x, o, key, NULL, p))
			return false;
	}
	o->open = false;
	o->patterns = NULL;
	return chat_gb_ok(x->b);
}

static bool read_object(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *p, struct object *o)
{
	const struct chat_val *props = chat_member(v, "properties"), *required = chat_member(v, "required"),
			      *more = chat_member(v, "additionalProperties"),
			      *rest = chat_member(v, "unevaluatedProperties");
	*o = (struct object){
		.v = v, .patterns = chat_member(v, "patternProperties"), .max = CHAT_GB_NO_MAX
	};
	if (!are_dicts(x, v, p) || !chat_schema_count(x, v, "minProperties", &o->min, p) ||
		!chat_schema_count(x, v, "maxProperties", &o->max, p))
		return false;
	bool closed = is(rest, CHAT_BOOL) && !rest->b;
	o->open = more ? !chat_schema_never(more) : !props && !o->patterns && !closed;
	o->more = is(more, CHAT_DICT) ? more : NULL;
	if (!read_names(x, o, p) || !chat_dict_new(x->b->r, CHAT_DICT, &o->named))
		return false;
	for (u32 i = 0; props && i < props->dict->n; i++)
		if (!name_it(x, o, &props->dict->kv[2 * i], &props->dict->kv[2 * i + 1], p))
			return false;
	for (u32 i = 0; required && i < required->list->n; i++) {
		struct chat_val *known = NULL;
		if (!chat_dict_get(x->b->r, o->named.dict, required->list->v[i], &known) ||
			(!known && !name_it(x, o, &required->list->v[i], NULL, p)))
			return false;
	}
	return name_listed(x, o, p);
}

/* ---- inside of the braces ------------------------------------------------------------------------------------------------- */

#define NOWHERE 0xffffffffu

/* at[n]: behind n properties; the last stands for all that are more, where there may be more. */
struct inside {
	u32 *at, last;
	bool more;
};

static u32 *places(struct chat_schema *x, const struct inside *in)
{
	u32 *at = chat_alloc(x->b->r, (in->last + 1) * sizeof *at);
	for (u32 i = 0; at && i <= in->last; i++)
		at[i] = NOWHERE;
	return at;
}

static u32 place(struct chat_schema *x, u32 *at, u32 n)
{
	at[n] = at[n] == NOWHERE ? chat_gb_state(x->b) : at[n];
	return at[n];
}

/* From each place over begin..end to the next. twice: the same may come again. What stands between the braces once is written once;
 * where properties are counted it is called. */
static void element(struct chat_schema *x, struct inside *in, u32 begin, u32 end, bool optional, bool twice)
{
	struct chat_gb *b = x->b;
	u32 *next = twice ? in->at : places(x, in);
	if (in->last > 1)
		chat_gb_return(b, end);
	for (u32 n = 0; next && n <= in->last && chat_gb_ok(b); n++) {
		if (in->at[n] == NOWHERE)
			continue;
		if (optional && !twice)
			chat_gb_skip(b, in->at[n], place(x, next, n));
		if (n == in->last && !in->more)
			continue;
		u32 from = n ? comma(b, in->at[n]) : in->at[n], to = place(x, next, MIN(n + 1, in->last));
		if (in->last > 1)
			chat_gb_call(b, from, begin, to);
		else
			chat_gb_skip(b, from, begin);
	}
	if (next && in->last == 1 && next[1] != NOWHERE)
		chat_gb_skip(b, end, next[1]);
	in->at = next ? next : in->at;
}

static void property(struct chat_schema *x, const struct object *o, const struct chat_val *key,
	struct inside *in, const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	struct chat_place p1 = { up, CHAT_S("properties"), up->depth }, p = { &p1, key->s, up->depth + 1 };
	bool need = chat_schema_is_required(x, o->v, key);
	u32 begin = chat_gb_state(b);
	u32 named = b->quote.len ? chat_gb_text(b, begin, key->s.p, key->s.len)
				 : chat_schema_constant(x, key, begin);
	u32 end = chat_gb_state(b);
	chat_gb_skip(b, chat_schema_value(x, &key[1], colon(b, named), &p), end);
	element(x, in, begin, end, !need, false);
}

/* A name that is none of the named ones, fits what every name must be, and of the patterns this one alone (n: none). */
static u32 held_key(
	struct chat_schema *x, const struct object *o, u32 one, u32 from, const struct chat_place *p)
{
	struct chat_texts t;
	char where[240];
	u32 n = o->patterns ? o->patterns->dict->n : 0;
	chat_place_text(x, p, where);
	chat_texts_init(&t, x->b->r);
	if (is(&o->names, CHAT_DICT) && !chat_schema_texts(x, &o->names, p, &t))
		return from;
	for (u32 i = 0; i < n; i++)
		if (!chat_texts_pattern(&t, o->patterns->dict->kv[2 * i].s, i != one, where))
			return from;
	if (!chat_texts_but(&t, o->named.dict, where))
		return from;
	from = chat_gb_str(x->b, from, "\"");
	return chat_gb_str(x->b, chat_texts_put(x->b, from, &t, where), "\"");
}

/* Further properties: those that fit pattern `one`; or none of them. */
static void others(struct chat_schema *x, const struct object *o, u32 one, struct inside *in,
	const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	u32 n = o->patterns ? o->patterns->dict->n : 0;
	const struct chat_val *says = one < n ? &o->patterns->dict->kv[2 * one + 1] : o->more;
	struct chat_place p1 = { up, one < n ? CHAT_S("patternProperties") : CHAT_S("additionalProperties"),
		up->depth + 1 },
			  p2 = { &p1, one < n ? o->patterns->dict->kv[2 * one].s : CHAT_S(""),
				  up->depth + 1 };
	u32 begin = chat_gb_state(b), end = chat_gb_state(b), at = begin;
	bool held = o->held || n;
	if (says && chat_schema_never(says))
		return;
	if (held && b->quote.len)
		chat_schema_refuse(
			x, &p1, "names by a pattern cannot be written in this model's calls", CHAT_S(""));
	else if (held)
		at = held_key(x, o, one, begin, &p2);
	else
		at = b->quote.len
			     ? bare_key(b, begin)
			     : other_key(b, o->named.dict->n ? &o->named : NULL, chat_gb_str(b, begin, "\""));
	at = colon(b, at);
	chat_gb_skip(b,
		says && !is(says, CHAT_BOOL) ? chat_schema_value(x, says, at, &p2) : chat_schema_any(x, at),
		end);
	element(x, in, begin, end, true, true);
}

u32 chat_schema_object(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *up)
{
	struct chat_gb *b = x->b;
	struct object o;
	if (!read_object(x, v, up, &o))
		return from;
	u32 none = chat_gb_call_rule(b, chat_gb_str(b, from, "{"), RULE_WS), to = chat_gb_state(b);
	struct inside in = { .more = o.max == CHAT_GB_NO_MAX };
	in.last = in.more ? MAX(o.min, 1u) : o.max;
	if (!(in.at = places(x, &in)))
		return to;
	in.at[0] = none;
	for (u32 i = 0; i < o.named.dict->n && chat_gb_ok(b); i++)
		property(x, &o, &o.named.dict->kv[2 * i], &in, up);
	u32 n = o.patterns ? o.patterns->dict->n : 0;
	for (u32 i = 0; i < n + o.open && chat_gb_ok(b); i++)
		others(x, &o, i, &in, up);
	for (u32 i = o.min; i <= in.last && chat_gb_ok(b); i++)
		if (in.at[i] != NOWHERE)
			chat_gb_skip(b,
				chat_gb_str(b, i ? chat_gb_call_rule(b, in.at[i], RULE_WS) : in.at[i], "}"),
				to);
	return to;
}
