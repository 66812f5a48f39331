/* Inside of chat: what the two halves of the template parser share. All that return a pointer return NULL, and all that return bool
 * false, after a failure that is noted in the run. */
#pragma once

#include "chat/jinja.h"

struct chat_parser {
	struct chat_run *r;
	const struct chat_token *t; /* the next one */
	u32 depth, loops;
};

/* ---- jinja_parse.c: nodes ------------------------------------------------------------------------------------------------ */

/* A growing list of nodes. */
struct chat_nodes {
	struct chat_node **v;
	u32 n, cap;
};
bool chat_nodes_add(struct chat_parser *p, struct chat_nodes *l, struct chat_node *n);
struct chat_node *chat_node_new(struct chat_parser *p, enum chat_op op);
/* Note how deep the tree below n is; n. NULL stays NULL. */
struct chat_node *chat_node_done(struct chat_parser *p, struct chat_node *n);
/* A node over a; NULL if a is. */
struct chat_node *chat_node_one(struct chat_parser *p, enum chat_op op, struct chat_node *a);

/* ---- tokens -------------------------------------------------------------------------------------------------------------- */

/* Names what is wrong at the next token. Always NULL. */
void *chat_refuse(struct chat_parser *p, const char *what);
bool chat_is_op(const struct chat_parser *p, u8 op);
bool chat_is_word(const struct chat_parser *p, const char *word);
bool chat_take_op(struct chat_parser *p, u8 op);
bool chat_take_word(struct chat_parser *p, const char *word);
bool chat_want_op(struct chat_parser *p, u8 op, const char *what);
bool chat_want_name(struct chat_parser *p, struct chat_str *ret);
bool chat_parse_enter(struct chat_parser *p); /* one level deeper; undone by p->depth-- */

/* ---- jinja_expr.c -------------------------------------------------------------------------------------------------------- */

struct chat_node *chat_expr(struct chat_parser *p); /* one expression */
/* One, or several with commas between: a tuple. conditional: "a if b else c" may stand here. */
struct chat_node *chat_expr_tuple(struct chat_parser *p, bool conditional, bool empty_ok);
struct chat_node *chat_expr_primary(struct chat_parser *p);
struct chat_node *chat_expr_name(struct chat_parser *p); /* a name or one of the words true, false, none */
struct chat_node *chat_expr_filter(struct chat_parser *p, struct chat_node *a); /* behind '|' */
