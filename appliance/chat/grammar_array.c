/* Arrays of a schema. */
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

/* Elements that nothing fits end the array in front of them. */
static u32 most_items(const struct chat_val *v, const struct array *a)
{
	const struct chat_val *more = chat_member(v, "unevaluatedItems");
	for (u32 i = 0; i < a->n_prefix; i++)
		if (chat_schema_never(&a->prefix->list->v[i]))
			return i;
	bool none = a->items ? chat_schema_never(a->items) : is(more, CHAT_BOOL) && !more->b;
	return none ? a->n_prefix : CHAT_GB_NO_MAX;
}

static bool read_array(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *up, struct array *ret)
{
	struct array a = { .items = chat_member(v, "items"),
		.prefix = chat_member(v, "prefixItems"),
		.max = CHAT_GB_NO_MAX };
	const struct chat_val *unique = chat_member(v, "uniqueItems");
	a.n_prefix = is(a.prefix, CHAT_LIST) ? a.prefix->list->n : 0;
	if (!chat_schema_count(x, v, "minItems", &a.min, up) ||
		!chat_schema_count(x, v, "maxItems", &a.max, up))
		return false;
	a.max = MIN(a.max, most_items(v, &a));
	if ((a.prefix && a.prefix->kind != CHAT_LIST) || a.max < a.min)
		return chat_schema_refuse(x, up, "prefixItems, items or their counts are outside the subset",
			(struct chat_str){ 0 });
	if (unique && chat_truth(unique) && a.max > 1)
		return chat_schema_refuse(x, up,
			"what differs from element to element is outside the subset:", CHAT_S("uniqueItems"));
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
