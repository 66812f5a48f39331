/* Inside of chat: a schema becomes part of a grammar. grammar_schema.c holds which keyword means what, grammar_meet.c how two schemas
 * for one value become one, grammar_array.c arrays, grammar_object.c objects, grammar_string.c strings, grammar_constant.c constants. Values are JSON; or, where chat_gb says so, as a model writes them in its calls. */
#pragma once

#include "chat/grammar_texts.h"

/* Where we are, for messages: keys from the outside in. */
struct chat_place {
	const struct chat_place *up;
	struct chat_str key;
	u32 depth;
};

struct chat_ref {
	const struct chat_val *target;
	u32 entry;
};

struct chat_schema {
	struct chat_gb *b;
	const char *name; /* in messages: "schema" */
	const struct chat_val *root;
	struct chat_ref *ref;
	u32 n, cap, n_done;
};

/* All take where a value begins and give the state behind it. */
u32 chat_schema_value(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *up);
/* What $ref leads to; once, behind everything else. */
void chat_schema_refs(struct chat_schema *x);
u32 chat_schema_array(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *up);
u32 chat_schema_object(
	struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *up);
u32 chat_schema_string(struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p);
/* A string without its quotes, as raw text in front of b->stop. */
u32 chat_schema_raw_string(
	struct chat_schema *x, const struct chat_val *v, u32 from, const struct chat_place *p);
u32 chat_schema_quote(struct chat_gb *b, u32 from); /* what a string stands between */
u32 chat_schema_constant(struct chat_schema *x, const struct chat_val *v, u32 from);
/* Those of a list that fit what else the schema says. */
u32 chat_schema_constants(struct chat_schema *x, const struct chat_val *v, const struct chat_val *list,
	u32 from, const struct chat_place *p);
/* Everything that holds a string of this schema. */
bool chat_schema_texts(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *p, struct chat_texts *ret);
u32 chat_schema_any(struct chat_schema *x, u32 from); /* any value */

/* Values of every type in the list `type` but strings. */
void chat_schema_other_types(
	struct chat_schema *x, const struct chat_val *v, u32 from, u32 to, const struct chat_place *p);
bool chat_schema_only_explains(const struct chat_val *v); /* nothing in it says what fits */

/* "#", "#/a/0/b" with ~0, ~1 and %41; NULL: it leads nowhere. */
const struct chat_val *chat_schema_resolve(struct chat_schema *x, struct chat_str ref);
/* Every key is one that we know. */
bool chat_schema_keys_ok(struct chat_schema *x, const struct chat_val *v, const struct chat_place *p);
bool chat_schema_explains(struct chat_str key); /* it says nothing of what fits */

/* Schemas made of others. never: nothing fits. modern: notations of earlier drafts as those of 2020. */
bool chat_schema_never(const struct chat_val *v);
bool chat_schema_without(
	struct chat_schema *x, const struct chat_val *v, const char *key, struct chat_val *ret);
bool chat_schema_or_null(struct chat_schema *x, const struct chat_val *v, struct chat_val *ret);
bool chat_schema_modern(struct chat_schema *x, const struct chat_val *v, struct chat_val *ret);
bool chat_schema_meet(struct chat_schema *x, const struct chat_val *a, const struct chat_val *b,
	const struct chat_place *p, struct chat_val *ret);
bool chat_schema_beside_ref(
	struct chat_schema *x, const struct chat_val *v, const struct chat_place *p, struct chat_val *ret);
/* Is that key in `required`? */
bool chat_schema_is_required(struct chat_schema *x, const struct chat_val *v, const struct chat_val *key);
/* A number of times: minItems and its like. */
bool chat_schema_count(struct chat_schema *x, const struct chat_val *v, const char *key, u32 *ret,
	const struct chat_place *p);
bool chat_schema_refuse(
	struct chat_schema *x, const struct chat_place *p, const char *what, struct chat_str name);
const char *chat_place_text(const struct chat_schema *x, const struct chat_place *p, char out[240]);
