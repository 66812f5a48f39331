/* Statements of a template, and what both halves of the parser share. Recursive descent, at most TEMPLATE_DEPTH_MAX deep; what is outside
 * the subset is refused by its name. Expressions are in jinja_expr.c. */
#include "chat/jinja_parse.h"

#include <string.h>

bool chat_nodes_add(struct chat_parser *p, struct chat_nodes *l, struct chat_node *n)
{
	if (l->n == l->cap) {
		u32 cap = l->cap ? 2 * l->cap : 4;
		struct chat_node **v = chat_alloc(p->r, cap * sizeof *v);
		if (!v)
			return false;
		if (l->n)
			memcpy(v, l->v, l->n * sizeof *v);
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = n;
	return true;
}

struct chat_node *chat_node_new(struct chat_parser *p, enum chat_op op)
{
	struct chat_node *n = chat_alloc(p->r, sizeof *n);
	if (!n)
		return NULL;
	n->op = op;
	n->line = p->t->line;
	return n;
}

static u16 list_depth(struct chat_node *const *v, u32 n, u16 most)
{
	for (u32 i = 0; i < n; i++)
		most = v[i] ? MAX(most, v[i]->depth) : most;
	return most;
}

struct chat_node *chat_node_done(struct chat_parser *p, struct chat_node *n)
{
	u16 d = 0;
	if (!n)
		return NULL;
	struct chat_node *const kids[] = { n->a, n->b, n->c };
	d = list_depth(kids, 3, d);
	d = list_depth(n->list, n->n, d);
	d = list_depth(n->body, n->n_body, d);
	d = list_depth(n->other, n->n_other, d);
	d = list_depth(n->kw, n->n_kw, d);
	n->depth = (u16)(d + 1);
	if (n->depth <= TEMPLATE_DEPTH_MAX)
		return n;
	chat_fail(p->r, "it is nested too deep");
	return NULL;
}

struct chat_node *chat_node_one(struct chat_parser *p, enum chat_op op, struct chat_node *a)
{
	struct chat_node *n = a ? chat_node_new(p, op) : NULL;
	if (!n)
		return NULL;
	n->a = a;
	return chat_node_done(p, n);
}

/* ---- tokens -------------------------------------------------------------------------------------------------------------- */

void *chat_refuse(struct chat_parser *p, const char *what)
{
	p->r->line = p->t->line;
	if (p->t->type == T_NAME)
		chat_fail(p->r, "%s at '%.*s'", what, (int)MIN(p->t->text.len, 40u), p->t->text.p);
	else
		chat_fail(p->r, "%s", what);
	return NULL;
}

bool chat_is_op(const struct chat_parser *p, u8 op)
{
	return p->t->type == T_OP && p->t->op == op;
}

bool chat_is_word(const struct chat_parser *p, const char *word)
{
	return p->t->type == T_NAME && chat_str_is(p->t->text, word);
}

bool chat_take_op(struct chat_parser *p, u8 op)
{
	bool is = chat_is_op(p, op);
	p->t += is;
	return is;
}

bool chat_take_word(struct chat_parser *p, const char *word)
{
	bool is = chat_is_word(p, word);
	p->t += is;
	return is;
}

bool chat_want_op(struct chat_parser *p, u8 op, const char *what)
{
	return chat_take_op(p, op) || chat_refuse(p, what);
}

bool chat_want_name(struct chat_parser *p, struct chat_str *ret)
{
	if (p->t->type != T_NAME)
		return chat_refuse(p, "a name is missing") != NULL;
	*ret = p->t++->text;
	return true;
}

bool chat_parse_enter(struct chat_parser *p)
{
	if (p->depth++ < TEMPLATE_DEPTH_MAX)
		return true;
	chat_refuse(p, "it is nested too deep");
	return false;
}

/* ---- statements ---------------------------------------------------------------------------------------------------------- */

static bool statements(struct chat_parser *p, const char *const *ends, struct chat_node ***ret, u32 *ret_n);

static bool block_end(struct chat_parser *p)
{
	if (p->t->type != T_BLOCK_END)
		return chat_refuse(p, "the tag does not end where it should") != NULL;
	p->t++;
	return true;
}

/* "%}", then statements until one of the words ends; that word is not taken. */
static bool block_body(struct chat_parser *p, const char *const *ends, struct chat_node ***ret, u32 *ret_n)
{
	return block_end(p) && statements(p, ends, ret, ret_n);
}

static struct chat_node *if_statement(struct chat_parser *p)
{
	static const char *const ends[] = { "elif", "else", "endif", NULL }, *const end[] = { "endif", NULL };
	struct chat_nodes arms = { 0 };
	struct chat_node *n = chat_node_new(p, N_IF);
	if (!n)
		return NULL;
	do {
		struct chat_node *arm = chat_node_new(p, N_ARM);
		if (!arm)
			return NULL;
		arm->a = chat_expr_tuple(p, false, false);
		if (!arm->a || !block_body(p, ends, &arm->body, &arm->n_body) || !chat_node_done(p, arm) ||
			!chat_nodes_add(p, &arms, arm))
			return NULL;
	} while (chat_take_word(p, "elif"));
	n->list = arms.v;
	n->n = arms.n;
	if (chat_take_word(p, "else") && !block_body(p, end, &n->other, &n->n_other))
		return NULL;
	p->t++;
	return chat_node_done(p, n);
}

static bool is_target(const struct chat_node *n)
{
	if (n->op != E_TUPLE)
		return n->op == E_NAME;
	for (u32 i = 0; i < n->n; i++)
		if (n->list[i]->op != E_NAME)
			return false;
	return n->n > 0;
}

/* Names to be set: "a", "a, b", "(a, b)"; with dotted: "ns.a". */
static struct chat_node *target(struct chat_parser *p, bool dotted)
{
	if (dotted && p->t->type == T_NAME && p->t[1].type == T_OP && p->t[1].op == '.') {
		struct chat_node *n = chat_node_new(p, E_ATTR);
		if (!n)
			return NULL;
		n->a = chat_expr_name(p);
		p->t++;
		if (!n->a || !chat_want_name(p, &n->name))
			return NULL;
		return chat_node_done(p, n);
	}
	struct chat_nodes l = { 0 };
	bool comma = false;
	if (chat_is_op(p, '(')) {
		struct chat_node *n = chat_expr_primary(p);
		return !n || is_target(n) ? n : chat_refuse(p, "this cannot be set");
	}
	while (p->t->type == T_NAME && !chat_is_word(p, "in")) {
		struct chat_node *n = chat_expr_name(p);
		if (!n || !chat_nodes_add(p, &l, n))
			return NULL;
		if (n->op != E_NAME)
			return chat_refuse(p, "a constant cannot be set");
		if (!chat_take_op(p, ','))
			break;
		comma = true;
	}
	if (l.n == 0)
		return chat_refuse(p, "a name is missing");
	if (!comma)
		return l.v[0];
	struct chat_node *n = chat_node_new(p, E_TUPLE);
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return chat_node_done(p, n);
}

static struct chat_node *for_statement(struct chat_parser *p)
{
	static const char *const ends[] = { "else", "endfor", NULL }, *const end[] = { "endfor", NULL };
	struct chat_node *n = chat_node_new(p, N_FOR);
	if (!n)
		return NULL;
	n->a = target(p, false);
	if (!n->a)
		return NULL;
	if (!chat_take_word(p, "in"))
		return chat_refuse(p, "'in' is missing");
	n->b = chat_expr_tuple(p, false, false);
	if (!n->b)
		return NULL;
	if (chat_take_word(p, "if")) {
		n->c = chat_expr(p);
		if (!n->c)
			return NULL;
	}
	if (chat_is_word(p, "recursive"))
		return chat_refuse(p, "a recursive loop is outside the subset");
	p->loops++;
	bool ok = block_body(p, ends, &n->body, &n->n_body);
	p->loops--;
	if (!ok || (chat_take_word(p, "else") && !block_body(p, end, &n->other, &n->n_other)))
		return NULL;
	p->t++;
	return chat_node_done(p, n);
}

/* "| filter | filter" over what a block printed. */
static struct chat_node *body_filters(struct chat_parser *p, bool first)
{
	struct chat_node *n = chat_node_done(p, chat_node_new(p, E_BODY));
	while (n && (first || chat_take_op(p, '|'))) {
		n = chat_expr_filter(p, n);
		first = false;
	}
	return n;
}

/* The body of a macro or of a captured block stands in no loop. */
static bool closed_body(struct chat_parser *p, const char *const *end, struct chat_node *n, bool loop_inside)
{
	u32 loops = p->loops;
	p->loops = loop_inside ? loops : 0;
	bool ok = block_body(p, end, &n->body, &n->n_body);
	p->loops = loops;
	p->t += ok;
	return ok;
}

static struct chat_node *set_statement(struct chat_parser *p)
{
	static const char *const end[] = { "endset", NULL };
	struct chat_node *n = chat_node_new(p, N_SET);
	if (!n)
		return NULL;
	n->a = target(p, true);
	if (!n->a)
		return NULL;
	if (chat_take_op(p, '=')) {
		n->b = chat_expr_tuple(p, true, false);
		return n->b ? chat_node_done(p, n) : NULL;
	}
	n->op = N_SET_BLOCK;
	n->b = body_filters(p, false);
	return n->b && closed_body(p, end, n, false) ? chat_node_done(p, n) : NULL;
}

static struct chat_node *filter_statement(struct chat_parser *p)
{
	static const char *const end[] = { "endfilter", NULL };
	struct chat_node *n = chat_node_new(p, N_FILTER);
	if (!n)
		return NULL;
	n->b = body_filters(p, true);
	return n->b && closed_body(p, end, n, false) ? chat_node_done(p, n) : NULL;
}

static struct chat_node *generation_statement(struct chat_parser *p)
{
	static const char *const end[] = { "endgeneration", NULL };
	struct chat_node *n = chat_node_new(p, N_GENERATION);
	return n && closed_body(p, end, n, false) ? chat_node_done(p, n) : NULL;
}

static struct chat_node *macro_statement(struct chat_parser *p)
{
	static const char *const end[] = { "endmacro", NULL };
	struct chat_nodes params = { 0 };
	struct chat_node *n = chat_node_new(p, N_MACRO);
	if (!n || !chat_want_name(p, &n->name) || !chat_want_op(p, '(', "a '(' is missing"))
		return NULL;
	for (bool with_default = false; !chat_take_op(p, ')');) {
		if (params.n && !chat_want_op(p, ',', "a comma is missing between parameters"))
			return NULL;
		struct chat_node *q = chat_node_new(p, E_OPERAND);
		if (!q || !chat_want_name(p, &q->key))
			return NULL;
		if (chat_take_op(p, '=')) {
			q->a = chat_expr(p);
			if (!q->a)
				return NULL;
			with_default = true;
		} else if (with_default) {
			return chat_refuse(
				p, "a parameter without a default stands behind one with a default");
		}
		if (!chat_node_done(p, q) || !chat_nodes_add(p, &params, q))
			return NULL;
	}
	n->list = params.v;
	n->n = params.n;
	return closed_body(p, end, n, false) ? chat_node_done(p, n) : NULL;
}

static struct chat_node *jump_statement(struct chat_parser *p, enum chat_op op)
{
	if (p->loops == 0) {
		p->t--;
		return chat_refuse(p, "no loop is here");
	}
	return chat_node_done(p, chat_node_new(p, op));
}

static struct chat_node *do_statement(struct chat_parser *p)
{
	return chat_node_one(p, N_DO, chat_expr_tuple(p, true, false));
}

static struct chat_node *break_statement(struct chat_parser *p)
{
	return jump_statement(p, N_BREAK);
}

static struct chat_node *continue_statement(struct chat_parser *p)
{
	return jump_statement(p, N_CONTINUE);
}

static struct chat_node *statement(struct chat_parser *p)
{
	static const struct {
		const char *word;
		struct chat_node *(*read)(struct chat_parser *p);
	} table[] = {
		{ "if", if_statement },
		{ "for", for_statement },
		{ "set", set_statement },
		{ "macro", macro_statement },
		{ "break", break_statement },
		{ "continue", continue_statement },
		{ "filter", filter_statement },
		{ "generation", generation_statement },
		{ "do", do_statement },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (chat_take_word(p, table[i].word)) {
			struct chat_node *n = table[i].read(p);
			return n && block_end(p) ? n : NULL;
		}
	return chat_refuse(p, "an unknown statement");
}

static bool ends_here(const struct chat_parser *p, const char *const *ends)
{
	for (; ends && *ends; ends++)
		if (chat_is_word(p, *ends))
			return true;
	return false;
}

static struct chat_node *text_or_output(struct chat_parser *p)
{
	struct chat_node *n;
	if (p->t->type == T_DATA) {
		n = chat_node_new(p, N_DATA);
		if (n)
			n->name = p->t++->text;
		return chat_node_done(p, n);
	}
	p->t++;
	n = chat_node_one(p, N_OUTPUT, chat_expr_tuple(p, true, false));
	if (n && p->t->type != T_VAR_END)
		return chat_refuse(p, "the tag does not end where it should");
	p->t++;
	return n;
}

static bool statements(struct chat_parser *p, const char *const *ends, struct chat_node ***ret, u32 *ret_n)
{
	struct chat_nodes l = { 0 };
	bool ended = false;
	if (!chat_parse_enter(p))
		return false;
	while (!ended && p->t->type != T_END) {
		struct chat_node *n = NULL;
		if (p->t->type == T_BLOCK_BEGIN) {
			p->t++;
			ended = ends_here(p, ends);
			n = ended ? NULL : statement(p);
		} else {
			n = text_or_output(p);
		}
		if (!ended && (!n || !chat_nodes_add(p, &l, n)))
			return false;
	}
	if (ends && !ended)
		return chat_refuse(p, "a block without an end") != NULL;
	p->depth--;
	*ret = l.v;
	*ret_n = l.n;
	return true;
}

bool chat_parse(struct chat_run *r, const struct chat_token *t, struct chat_node ***ret, u32 *ret_n)
{
	struct chat_parser p = { .r = r, .t = t };
	return statements(&p, NULL, ret, ret_n);
}
