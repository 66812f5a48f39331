/* JSON schemas: the keywords that SDKs send. What only explains is passed over, every other keyword is refused by its name and place,
 * so an answer that fits the grammar fits the schema; oneOf is read as anyOf. Objects have their properties in the order of the
 * schema. */
#include "chat/grammar_build.h"

#include <stdio.h>
#include <string.h>

/* Where we are, for messages: keys from the outside in. */
struct place {
	const struct place *up;
	struct chat_str key;
	u32 depth;
};

struct ref {
	const struct chat_val *target;
	u32 entry;
};

struct schema {
	struct chat_gb *b;
	const struct chat_val *root;
	struct ref *ref;
	u32 n, cap, n_done;
};

static u32 value(struct schema *x, const struct chat_val *v, u32 from, const struct place *up);

static const char *place_text(const struct place *p, char out[200])
{
	const struct place *chain[GRAMMAR_NEST_MAX + 1];
	u32 n = 0;
	for (; p && n <= GRAMMAR_NEST_MAX; p = p->up)
		chain[n++] = p;
	int at = snprintf(out, 200, "schema #");
	while (n-- && at < 190)
		if (chain[n]->key.len)
			at += snprintf(out + at, 200 - (size_t)at, "/%.*s", (int)MIN(chain[n]->key.len, 60u),
				chain[n]->key.p);
	return out;
}

static bool refuse(struct schema *x, const struct place *p, const char *what, struct chat_str name)
{
	char where[200];
	place_text(p, where);
	return name.len ? chat_gb_fail(x->b, where, "%s \"%.*s\"", what, (int)MIN(name.len, 60u), name.p)
			: chat_gb_fail(x->b, where, "%s", what);
}

static bool is(const struct chat_val *v, enum chat_kind kind)
{
	return v && v->kind == kind;
}

static const struct chat_val *get(struct schema *x, const struct chat_val *v, const char *key)
{
	struct chat_val *ret = NULL;
	return chat_dict_get(x->b->r, v->dict, chat_text(chat_cstr(key)), &ret) ? ret : NULL;
}

/* A value as JSON, compact, written out. */
static u32 constant(struct schema *x, const struct chat_val *v, u32 from)
{
	struct chat_call c = { .self = *v };
	struct chat_val text;
	if (!chat_tojson(x->b->r, &c, &text))
		return from;
	return chat_gb_text(x->b, from, text.s.p, text.s.len);
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

/* Every key is known; where only is given, nothing but it and what explains may stand. */
static bool keys_ok(struct schema *x, const struct chat_val *v, const char *only, const struct place *p)
{
	for (u32 i = 0; i < v->dict->n && chat_gb_ok(x->b); i++) {
		struct chat_str key = v->dict->kv[2 * i].s;
		if (in_list(key, EXPLAINS, ARRAY_LEN(EXPLAINS)) || (only && chat_str_is(key, only)))
			continue;
		if (!in_list(key, KNOWN, ARRAY_LEN(KNOWN)))
			refuse(x, p, "a keyword outside the subset:", key);
		else if (only)
			refuse(x, p, "a keyword that cannot stand beside the others here:", key);
	}
	return chat_gb_ok(x->b);
}

static bool count(struct schema *x, const struct chat_val *v, const char *key, u32 otherwise, u32 *ret,
	const struct place *p)
{
	const struct chat_val *n = get(x, v, key);
	*ret = otherwise;
	if (!n)
		return chat_gb_ok(x->b);
	if (n->kind != CHAT_INT || n->i < 0 || n->i > GRAMMAR_REPEAT_MAX)
		return refuse(x, p, "beyond GRAMMAR_REPEAT_MAX, or not a count:", chat_cstr(key));
	*ret = (u32)n->i;
	return true;
}

/* ---- strings ------------------------------------------------------------------------------------------------------------- */

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

static u32 string(struct schema *x, const struct chat_val *v, u32 from, const struct place *p)
{
	const struct chat_val *pattern = get(x, v, "pattern"), *format = get(x, v, "format");
	u32 min, max, in = chat_gb_str(x->b, from, "\"");
	char where[200];
	if (!count(x, v, "minLength", 0, &min, p) || !count(x, v, "maxLength", CHAT_GB_NO_MAX, &max, p))
		return in;
	if ((pattern != NULL) + (format != NULL) + (min || max != CHAT_GB_NO_MAX) > 1)
		refuse(x, p, "pattern, format and a length together are outside the subset",
			(struct chat_str){ 0 });
	if (is(pattern, CHAT_STR)) {
		in = chat_gb_regex(x->b, in, pattern->s, place_text(p, where));
	} else if (is(format, CHAT_STR)) {
		const char *re = format_pattern(format->s);
		if (!re)
			refuse(x, p, "a format outside the subset:", format->s);
		else
			in = chat_gb_regex(x->b, in, chat_cstr(re), place_text(p, where));
	} else if (pattern || format) {
		refuse(x, p, "a pattern or format that is not a string", (struct chat_str){ 0 });
	} else {
		u32 begin = chat_gb_state(x->b), end = chat_gb_call_rule(x->b, begin, RULE_CHAR);
		if (max < min)
			refuse(x, p, "maxLength is below minLength", (struct chat_str){ 0 });
		in = max ? chat_gb_times(x->b, in, begin, end, min, max) : in;
	}
	return chat_gb_str(x->b, in, "\"");
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

static u32 number(struct schema *x, const struct chat_val *v, u32 from, bool integer, const struct place *p)
{
	struct chat_range r = { .lo = get(x, v, "minimum"), .hi = get(x, v, "maximum"), .integer = integer };
	const struct chat_val *above = get(x, v, "exclusiveMinimum"), *below = get(x, v, "exclusiveMaximum");
	char where[200];
	if (is(above, CHAT_BOOL) || is(below, CHAT_BOOL) || (above && r.lo) || (below && r.hi))
		refuse(x, p, "two bounds on one side are outside the subset", (struct chat_str){ 0 });
	if (!above && !below && !r.lo && !r.hi)
		return chat_gb_call_rule(x->b, from, integer ? RULE_INTEGER : RULE_NUMBER);
	r.lo_open = above != NULL;
	r.hi_open = below != NULL;
	r.lo = above ? above : r.lo;
	r.hi = below ? below : r.hi;
	return chat_gb_ok(x->b) ? chat_gb_range(x->b, from, &r, place_text(p, where)) : from;
}

/* ---- arrays -------------------------------------------------------------------------------------------------------------- */

static u32 element(struct schema *x, const struct chat_val *v, u32 from, const struct place *p)
{
	return v ? value(x, v, from, p) : chat_gb_call_rule(x->b, from, RULE_VALUE);
}

static u32 comma(struct chat_gb *b, u32 from)
{
	return chat_gb_call_rule(b, chat_gb_str(b, from, ","), RULE_WS);
}

static u32 array(struct schema *x, const struct chat_val *v, u32 from, const struct place *up)
{
	struct chat_gb *b = x->b;
	const struct chat_val *items = get(x, v, "items"), *prefix = get(x, v, "prefixItems");
	struct place p = { up, CHAT_S("items"), up->depth + 1 },
		     pp = { up, CHAT_S("prefixItems"), up->depth + 1 };
	u32 min, max, n_prefix = is(prefix, CHAT_LIST) ? prefix->list->n : 0;
	if (!count(x, v, "minItems", 0, &min, up) || !count(x, v, "maxItems", CHAT_GB_NO_MAX, &max, up))
		return from;
	if ((prefix && !n_prefix) || is(items, CHAT_LIST) || max < min)
		refuse(x, up, "prefixItems, items or their counts are outside the subset",
			(struct chat_str){ 0 });
	bool closed = is(items, CHAT_BOOL) && !items->b;
	items = is(items, CHAT_BOOL) ? NULL : items;
	if (closed)
		max = MIN(max, n_prefix);
	u32 in = chat_gb_call_rule(b, chat_gb_str(b, from, "["), RULE_WS), to = chat_gb_state(b);
	u32 at = in;
	if (min == 0)
		chat_gb_skip(b, chat_gb_str(b, in, "]"), to);
	for (u32 i = 0; i < n_prefix && i < max && chat_gb_ok(b); i++) {
		at = value(x, &prefix->list->v[i], i ? comma(b, at) : at, &pp);
		if (i + 1 >= min)
			chat_gb_skip(b, chat_gb_str(b, chat_gb_call_rule(b, at, RULE_WS), "]"), to);
	}
	if (n_prefix >= max || !chat_gb_ok(b))
		return to;
	/* the rest: element (comma element)*, or the latter alone behind the first ones */
	u32 least = min > n_prefix ? min - n_prefix : 0, most = max == CHAT_GB_NO_MAX ? max : max - n_prefix;
	u32 entry = chat_gb_state(b), end = element(x, items, entry, &p);
	chat_gb_return(b, end);
	if (n_prefix == 0) {
		u32 one = chat_gb_state(b);
		chat_gb_call(b, at, entry, one);
		at = one;
		least = least ? least - 1 : 0;
		most = most == CHAT_GB_NO_MAX ? most : most - 1;
	}
	u32 begin = chat_gb_state(b), behind = chat_gb_state(b);
	chat_gb_call(b, comma(b, begin), entry, behind);
	at = most ? chat_gb_times(b, at, begin, behind, least, most) : at;
	chat_gb_skip(b, chat_gb_str(b, chat_gb_call_rule(b, at, RULE_WS), "]"), to);
	return to;
}

/* ---- objects ------------------------------------------------------------------------------------------------------------- */

static bool is_required(struct schema *x, const struct chat_val *required, const struct chat_val *key)
{
	bool in = false;
	return required && chat_contains(x->b->r, required, key, &in) && in;
}

static u32 colon(struct chat_gb *b, u32 from)
{
	return chat_gb_call_rule(b, chat_gb_str(b, from, ":"), RULE_WS);
}

/* A key that is none of the properties: without escapes, and different from each at a character where no property goes on. A way
 * through the beginnings of the properties, from `from` behind the quote. */
static u32 other_key(struct schema *x, const struct chat_val *props, u32 from)
{
	struct chat_gb *b = x->b;
	u32 to = chat_gb_state(b), rest = chat_gb_state(b), n = props ? props->dict->n : 0;
	struct chat_set plain = { .n = 0 };
	(void)(chat_set_add(&plain, 0x20, 0x21) && chat_set_add(&plain, 0x23, 0x5b) &&
		chat_set_add(&plain, 0x5d, 0x10ffff));
	for (u32 k = 0; k < plain.n; k++)
		chat_gb_chars(b, rest, plain.v[k].lo, plain.v[k].hi, rest);
	chat_gb_byte(b, rest, '"', '"', to);
	if (n == 0)
		chat_gb_skip(b, from, rest);
	/* for each different beginning of a property, at a whole character: what may follow is what no property with it has there */
	for (u32 i = 0; i < n && chat_gb_ok(b); i++) {
		struct chat_str key = props->dict->kv[2 * i].s;
		u32 at = from;
		for (u32 c = 0, len; c <= key.len && chat_gb_ok(b); c += len) {
			struct chat_set next = { .n = 0 };
			bool first = true, whole = false;
			for (u32 k = 0; k < n && chat_charge(b->r, 16); k++) {
				struct chat_str other = props->dict->kv[2 * k].s;
				u32 w;
				if (other.len < c || memcmp(other.p, key.p, c) != 0)
					continue;
				first = first && k >= i;
				whole |= other.len == c;
				if (other.len > c) {
					u32 cp = chat_char_at(other, c, &w);
					if (!chat_set_add(&next, cp, cp))
						return chat_gb_fail(b, "schema",
							       "additionalProperties beside more than %u "
							       "properties",
							       CHAT_SET_MAX),
						       to;
				}
			}
			if (first) {
				if (!whole && c)
					chat_gb_byte(b, at, '"', '"', to);
				if (!chat_set_add(&next, 0, 0x1f) || !chat_set_add(&next, '"', '"') ||
					!chat_set_add(&next, '\\', '\\'))
					return chat_gb_fail(b, "schema",
						       "additionalProperties beside more than %u properties",
						       CHAT_SET_MAX - 3),
					       to;
				chat_set_close(&next, true);
				for (u32 k = 0; k < next.n; k++)
					chat_gb_chars(b, at, next.v[k].lo, next.v[k].hi, rest);
			}
			if (c == key.len)
				break;
			(void)chat_char_at(key, c, &len);
			at = chat_gb_text(b, at, key.p + c, len);
		}
	}
	return to;
}

static u32 object(struct schema *x, const struct chat_val *v, u32 from, const struct place *up)
{
	struct chat_gb *b = x->b;
	const struct chat_val *props = get(x, v, "properties"), *required = get(x, v, "required");
	const struct chat_val *more = get(x, v, "additionalProperties");
	if ((props && props->kind != CHAT_DICT) || (required && required->kind != CHAT_LIST) ||
		(more && more->kind != CHAT_BOOL && more->kind != CHAT_DICT)) {
		refuse(x, up, "properties, required or additionalProperties are not what they must be",
			(struct chat_str){ 0 });
		return from;
	}
	for (u32 i = 0; required && i < required->list->n; i++) {
		struct chat_val *found = NULL;
		if (!props || !chat_dict_get(b->r, props->dict, required->list->v[i], &found) || !found)
			refuse(x, up, "required names no property:",
				required->list->v[i].kind == CHAT_STR ? required->list->v[i].s
								      : (struct chat_str){ 0 });
	}
	bool open = more ? more->kind == CHAT_DICT || more->b : !props;
	/* none: nothing was written yet; some: a comma must stand before the next */
	u32 none = chat_gb_call_rule(b, chat_gb_str(b, from, "{"), RULE_WS), some = chat_gb_state(b);
	bool may_be_none = true, may_be_some = false;
	for (u32 i = 0; props && i < props->dict->n && chat_gb_ok(b); i++) {
		const struct chat_val *key = &props->dict->kv[2 * i];
		struct place p1 = { up, CHAT_S("properties"), up->depth }, p = { &p1, key->s, up->depth + 1 };
		bool need = is_required(x, required, key);
		u32 begin = chat_gb_state(b), next = chat_gb_state(b), next_none = chat_gb_state(b);
		if (may_be_none)
			chat_gb_skip(b, none, begin);
		if (may_be_some)
			chat_gb_skip(b, comma(b, some), begin);
		u32 end = value(x, &props->dict->kv[2 * i + 1], colon(b, constant(x, key, begin)), &p);
		chat_gb_skip(b, end, next);
		if (!need && may_be_some)
			chat_gb_skip(b, some, next);
		if (!need && may_be_none)
			chat_gb_skip(b, none, next_none);
		may_be_none = may_be_none && !need;
		may_be_some = true;
		some = next;
		none = next_none;
	}
	u32 to = chat_gb_state(b);
	if (open) {
		struct place p = { up, CHAT_S("additionalProperties"), up->depth + 1 };
		u32 begin = chat_gb_state(b), next = chat_gb_state(b);
		if (may_be_none)
			chat_gb_skip(b, none, begin);
		chat_gb_skip(b, some, next);
		chat_gb_skip(b, comma(b, next), begin);
		u32 end = colon(b, other_key(x, props, chat_gb_str(b, begin, "\"")));
		end = is(more, CHAT_DICT) ? value(x, more, end, &p) : chat_gb_call_rule(b, end, RULE_VALUE);
		chat_gb_skip(b, end, next);
		some = next;
	}
	if (may_be_none)
		chat_gb_skip(b, chat_gb_str(b, none, "}"), to);
	chat_gb_skip(b, chat_gb_str(b, chat_gb_call_rule(b, some, RULE_WS), "}"), to);
	return to;
}

/* ---- choices ------------------------------------------------------------------------------------------------------------- */

static u32 any_of(
	struct schema *x, const struct chat_val *list, bool constants, u32 from, const struct place *p)
{
	u32 to = chat_gb_state(x->b);
	if (!is(list, CHAT_LIST) || list->list->n == 0) {
		refuse(x, p, "a choice without alternatives", (struct chat_str){ 0 });
		return to;
	}
	for (u32 i = 0; i < list->list->n && chat_gb_ok(x->b); i++) {
		const struct chat_val *v = &list->list->v[i];
		chat_gb_skip(x->b, constants ? constant(x, v, from) : value(x, v, from, p), to);
	}
	return to;
}

/* "#", "#/a/b" with ~0 and ~1. */
static const struct chat_val *resolve(struct schema *x, struct chat_str ref)
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

static u32 reference(struct schema *x, const struct chat_val *name, u32 from, const struct place *p)
{
	const struct chat_val *v = is(name, CHAT_STR) ? resolve(x, name->s) : NULL;
	u32 to = chat_gb_state(x->b), i = 0;
	if (!v) {
		refuse(x, p, "$ref to nothing inside of the schema:",
			is(name, CHAT_STR) ? name->s : (struct chat_str){ 0 });
		return to;
	}
	while (i < x->n && x->ref[i].target != v && chat_charge(x->b->r, 0))
		i++;
	if (i == x->cap) {
		u32 cap = x->cap ? 2 * x->cap : 32;
		struct ref *r = chat_alloc(x->b->r, cap * sizeof *r);
		if (!r)
			return to;
		if (x->n)
			memcpy(r, x->ref, x->n * sizeof *r);
		x->ref = r;
		x->cap = cap;
	}
	if (i == x->n)
		x->ref[x->n++] = (struct ref){ v, chat_gb_state(x->b) };
	chat_gb_call(x->b, from, x->ref[i].entry, to);
	return to;
}

/* ---- a schema ------------------------------------------------------------------------------------------------------------ */

static u32 of_type(
	struct schema *x, const struct chat_val *v, struct chat_str type, u32 from, const struct place *p)
{
	if (chat_str_is(type, "string"))
		return string(x, v, from, p);
	if (chat_str_is(type, "integer") || chat_str_is(type, "number"))
		return number(x, v, from, chat_str_is(type, "integer"), p);
	if (chat_str_is(type, "object"))
		return object(x, v, from, p);
	if (chat_str_is(type, "array"))
		return array(x, v, from, p);
	if (chat_str_is(type, "null"))
		return chat_gb_str(x->b, from, "null");
	u32 to = chat_gb_state(x->b);
	if (!chat_str_is(type, "boolean"))
		refuse(x, p, "an unknown type:", type);
	chat_gb_skip(x->b, chat_gb_str(x->b, from, "true"), to);
	chat_gb_skip(x->b, chat_gb_str(x->b, from, "false"), to);
	return to;
}

/* What a schema without a type is about. */
static struct chat_str implied_type(struct schema *x, const struct chat_val *v)
{
	static const char *const by[][2] = { { "properties", "object" }, { "additionalProperties", "object" },
		{ "required", "object" }, { "items", "array" }, { "prefixItems", "array" },
		{ "minItems", "array" }, { "maxItems", "array" }, { "pattern", "string" },
		{ "format", "string" }, { "minLength", "string" }, { "maxLength", "string" },
		{ "minimum", "number" }, { "maximum", "number" }, { "exclusiveMinimum", "number" },
		{ "exclusiveMaximum", "number" } };
	for (size_t i = 0; i < ARRAY_LEN(by); i++)
		if (get(x, v, by[i][0]))
			return chat_cstr(by[i][1]);
	return (struct chat_str){ 0 };
}

static u32 typed(struct schema *x, const struct chat_val *v, u32 from, const struct place *p)
{
	const struct chat_val *type = get(x, v, "type");
	u32 to = chat_gb_state(x->b);
	if (is(type, CHAT_STR))
		return of_type(x, v, type->s, from, p);
	if (!type) {
		struct chat_str implied = implied_type(x, v);
		return implied.len ? of_type(x, v, implied, from, p)
				   : chat_gb_call_rule(x->b, from, RULE_VALUE);
	}
	if (type->kind != CHAT_LIST || type->list->n == 0)
		refuse(x, p, "a type that is neither a name nor names", (struct chat_str){ 0 });
	for (u32 i = 0; chat_gb_ok(x->b) && i < type->list->n; i++) {
		if (type->list->v[i].kind != CHAT_STR)
			refuse(x, p, "a type that is not a name", (struct chat_str){ 0 });
		else
			chat_gb_skip(x->b, of_type(x, v, type->list->v[i].s, from, p), to);
	}
	return to;
}

static u32 keyword(struct schema *x, const struct chat_val *v, u32 from, const struct place *p)
{
	static const char *const choice[] = { "$ref", "anyOf", "oneOf", "allOf" };
	for (size_t i = 0; i < ARRAY_LEN(choice); i++) {
		const struct chat_val *c = get(x, v, choice[i]);
		struct place in = { p, chat_cstr(choice[i]), p->depth + 1 };
		if (!c)
			continue;
		if (!keys_ok(x, v, choice[i], p))
			return from;
		if (i == 0)
			return reference(x, c, from, p);
		if (i == 3 && (!is(c, CHAT_LIST) || c->list->n != 1))
			refuse(x, p, "allOf of more than one schema is outside the subset",
				(struct chat_str){ 0 });
		return any_of(x, c, false, from, &in);
	}
	const struct chat_val *one = get(x, v, "const"), *some = get(x, v, "enum");
	if (one)
		return constant(x, one, from);
	return some ? any_of(x, some, true, from, p) : typed(x, v, from, p);
}

static u32 value(struct schema *x, const struct chat_val *v, u32 from, const struct place *p)
{
	if (p->depth > GRAMMAR_NEST_MAX)
		refuse(x, p, "nested deeper than GRAMMAR_NEST_MAX", (struct chat_str){ 0 });
	else if (is(v, CHAT_BOOL) && v->b)
		return chat_gb_call_rule(x->b, from, RULE_VALUE);
	else if (!is(v, CHAT_DICT))
		refuse(x, p, is(v, CHAT_BOOL) ? "a schema that nothing fits" : "a schema that is no object",
			(struct chat_str){ 0 });
	else if (chat_charge(x->b->r, 0) && keys_ok(x, v, NULL, p))
		return keyword(x, v, from, p);
	return from;
}

u32 chat_gb_schema(struct chat_gb *b, const struct chat_val *schema)
{
	struct schema x = { .b = b, .root = schema };
	struct place top = { 0 };
	u32 start = chat_gb_state(b);
	chat_gb_return(b, value(&x, schema, start, &top));
	while (x.n_done < x.n && chat_gb_ok(b)) {
		struct ref r = x.ref[x.n_done++];
		chat_gb_return(b, value(&x, r.target, r.entry, &top));
	}
	return start;
}
