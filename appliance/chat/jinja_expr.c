/* Expressions of a template: tokens to a tree. One function for each level of binding, the loosest last. */
#include "chat/jinja_parse.h"

#include <string.h>

static struct chat_node *unary(struct chat_parser *p, bool with_filters);
static struct chat_node *or_expression(struct chat_parser *p);

static struct chat_node *constant(struct chat_parser *p, struct chat_val v)
{
	struct chat_node *n = chat_node_new(p, E_CONST);
	if (n)
		n->val = v;
	return chat_node_done(p, n);
}

static struct chat_node *two(
	struct chat_parser *p, enum chat_op op, u8 sub, struct chat_node *a, struct chat_node *b)
{
	struct chat_node *n = a && b ? chat_node_new(p, op) : NULL;
	if (!n)
		return NULL;
	n->a = a;
	n->b = b;
	n->sub = sub;
	return chat_node_done(p, n);
}

static struct chat_node *strings(struct chat_parser *p)
{
	struct chat_buf b = { 0 };
	struct chat_str s = p->t->text;
	if (p->t[1].type == T_STRING) {
		for (; p->t->type == T_STRING; p->t++)
			if (!chat_buf_add(p->r, &b, p->t->text))
				return NULL;
		s = chat_buf_str(&b);
	} else {
		p->t++;
	}
	return constant(p, chat_text(s));
}

struct chat_node *chat_expr_name(struct chat_parser *p)
{
	static const struct {
		const char *word;
		enum chat_kind kind;
		bool b;
	} words[] = { { "true", CHAT_BOOL, true }, { "True", CHAT_BOOL, true }, { "false", CHAT_BOOL, false },
		{ "False", CHAT_BOOL, false }, { "none", CHAT_NONE, false }, { "None", CHAT_NONE, false } };
	struct chat_str name = p->t->text;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (chat_str_is(name, words[i].word)) {
			p->t++;
			return constant(p, words[i].kind == CHAT_NONE ? chat_none() : chat_bool(words[i].b));
		}
	struct chat_node *n = chat_node_new(p, E_NAME);
	p->t++;
	if (n)
		n->name = name;
	return chat_node_done(p, n);
}

static bool tuple_ends(const struct chat_parser *p)
{
	return p->t->type == T_VAR_END || p->t->type == T_BLOCK_END || chat_is_op(p, ')') ||
	       chat_is_word(p, "in");
}

/* One expression, or several with commas between: a tuple. */
struct chat_node *chat_expr_tuple(struct chat_parser *p, bool conditional, bool empty_ok)
{
	struct chat_nodes l = { 0 };
	bool comma = false;
	while (!tuple_ends(p)) {
		struct chat_node *e = conditional ? chat_expr(p) : or_expression(p);
		if (!e || !chat_nodes_add(p, &l, e))
			return NULL;
		if (!chat_take_op(p, ','))
			break;
		comma = true;
	}
	if (l.n == 1 && !comma)
		return l.v[0];
	if (l.n == 0 && !empty_ok)
		return chat_refuse(p, "an expression is missing");
	struct chat_node *n = chat_node_new(p, E_TUPLE);
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return chat_node_done(p, n);
}

/* One element of a list, or a key and its value. */
static bool element(struct chat_parser *p, struct chat_nodes *l, bool dict)
{
	struct chat_node *e = chat_expr(p);
	if (!e || (dict && !chat_want_op(p, ':', "a colon is missing in a mapping")))
		return false;
	struct chat_node *value = dict ? chat_expr(p) : NULL;
	return chat_nodes_add(p, l, e) && (!dict || (value && chat_nodes_add(p, l, value)));
}

/* Behind the bracket that opens it. */
static struct chat_node *literal(struct chat_parser *p, bool dict)
{
	struct chat_nodes l = { 0 };
	struct chat_node *n = chat_node_new(p, dict ? E_DICT : E_LIST);
	char end = dict ? '}' : ']';
	while (n && !chat_take_op(p, end)) {
		if (l.n && !chat_want_op(p, ',',
				   dict ? "a comma is missing in a mapping" : "a comma is missing in a list"))
			return NULL;
		if (chat_take_op(p, end))
			break;
		if (!element(p, &l, dict))
			return NULL;
	}
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return chat_node_done(p, n);
}

struct chat_node *chat_expr_primary(struct chat_parser *p)
{
	const struct chat_token *t = p->t;
	switch (t->type) {
	case T_NAME:
		return chat_expr_name(p);
	case T_STRING:
		return strings(p);
	case T_INT:
		p->t++;
		return constant(p, chat_int(t->i));
	case T_FLOAT:
		p->t++;
		return constant(p, chat_float(t->f));
	default:
		break;
	}
	if (chat_take_op(p, '[')) /* these nest; chat_parse_enter() was called by unary() */
		return literal(p, false);
	if (chat_take_op(p, '{'))
		return literal(p, true);
	if (!chat_take_op(p, '('))
		return chat_refuse(p, "an expression is missing");
	struct chat_node *n = chat_expr_tuple(p, true, true);
	return n && chat_want_op(p, ')', "a ')' is missing") ? n : NULL;
}

static bool call_args(struct chat_parser *p, struct chat_node *n)
{
	struct chat_nodes pos = { 0 }, kw = { 0 };
	while (!chat_take_op(p, ')')) {
		if ((pos.n || kw.n) && !chat_want_op(p, ',', "a comma is missing between arguments"))
			return false;
		if (chat_take_op(p, ')'))
			break;
		if (chat_is_op(p, '*') || chat_is_op(p, OP_POW))
			return chat_refuse(p, "arguments from a list are outside the subset") != NULL;
		bool named = p->t->type == T_NAME && p->t[1].type == T_OP && p->t[1].op == '=';
		struct chat_str key = p->t->text;
		if (!named && kw.n)
			return chat_refuse(p, "an argument without a name stands behind one with a name") !=
			       NULL;
		p->t += named ? 2 : 0;
		struct chat_node *e = chat_expr(p);
		if (!e || !chat_nodes_add(p, named ? &kw : &pos, e))
			return false;
		if (named) {
			struct chat_node *copy = chat_node_new(p, E_OPERAND);
			if (!copy)
				return false;
			copy->a = e;
			copy->key = key;
			kw.v[kw.n - 1] = chat_node_done(p, copy);
			if (!kw.v[kw.n - 1])
				return false;
		}
	}
	n->list = pos.v;
	n->n = pos.n;
	n->kw = kw.v;
	n->n_kw = kw.n;
	return true;
}

static struct chat_node *call(struct chat_parser *p, struct chat_node *a)
{
	struct chat_node *n = chat_node_new(p, E_CALL);
	if (!n)
		return NULL;
	n->a = a;
	return call_args(p, n) ? chat_node_done(p, n) : NULL;
}

static struct chat_node *attr(struct chat_parser *p, struct chat_node *a)
{
	struct chat_node *n = chat_node_new(p, E_ATTR);
	if (!n)
		return NULL;
	n->a = a;
	if (p->t->type == T_INT) {
		n->op = E_ITEM;
		n->b = constant(p, chat_int(p->t++->i));
		return n->b ? chat_node_done(p, n) : NULL;
	}
	return chat_want_name(p, &n->name) ? chat_node_done(p, n) : NULL;
}

/* Behind '[': an index or a slice. */
static struct chat_node *item(struct chat_parser *p, struct chat_node *a)
{
	struct chat_node *n = chat_node_new(p, E_ITEM), *part[3] = { 0 };
	u32 k = 0;
	if (!n)
		return NULL;
	for (; k < 3; k++) {
		if (!chat_is_op(p, ':') && !chat_is_op(p, ']')) {
			part[k] = chat_expr(p);
			if (!part[k])
				return NULL;
		}
		if (!chat_is_op(p, ':'))
			break;
		p->t++;
	}
	if (!chat_want_op(p, ']', "a ']' is missing"))
		return NULL;
	n->a = a;
	if (k == 0) {
		n->b = part[0];
		return n->b ? chat_node_done(p, n) : chat_refuse(p, "an index is missing");
	}
	n->op = E_SLICE;
	n->list = chat_alloc(p->r, sizeof part);
	if (!n->list)
		return NULL;
	memcpy(n->list, part, sizeof part);
	n->n = 3;
	return chat_node_done(p, n);
}

static struct chat_node *postfix(struct chat_parser *p, struct chat_node *n)
{
	while (n) {
		if (chat_take_op(p, '.'))
			n = attr(p, n);
		else if (chat_take_op(p, '['))
			n = item(p, n);
		else if (chat_take_op(p, '('))
			n = call(p, n);
		else
			break;
	}
	return n;
}

struct chat_node *chat_expr_filter(struct chat_parser *p, struct chat_node *a)
{
	struct chat_node *n = chat_node_new(p, E_FILTER);
	if (!n || !chat_want_name(p, &n->name))
		return NULL;
	n->a = a;
	n->func = chat_filter_find(n->name);
	if (!n->func) {
		p->t--;
		return chat_refuse(p, "an unknown filter");
	}
	if (chat_take_op(p, '(') && !call_args(p, n))
		return NULL;
	return chat_node_done(p, n);
}

static bool test_takes_argument(const struct chat_parser *p)
{
	static const char *const not [] = { "else", "or", "and", "if", "in", "not", "is" };
	if (p->t->type == T_STRING || p->t->type == T_INT || p->t->type == T_FLOAT || chat_is_op(p, '[') ||
		chat_is_op(p, '{'))
		return true;
	if (p->t->type != T_NAME)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(not ); i++)
		if (chat_is_word(p, not [i]))
			return false;
	return true;
}

static struct chat_node *test(struct chat_parser *p, struct chat_node *a)
{
	struct chat_node *n = chat_node_new(p, E_TEST);
	if (!n)
		return NULL;
	n->a = a;
	n->sub = chat_take_word(p, "not");
	if (!chat_want_name(p, &n->name))
		return NULL;
	n->func = chat_test_find(n->name);
	if (!n->func) {
		p->t--;
		return chat_refuse(p, "an unknown test");
	}
	if (chat_take_op(p, '(')) {
		if (!call_args(p, n))
			return NULL;
	} else if (chat_is_word(p, "is")) {
		return chat_refuse(p, "a test behind a test");
	} else if (test_takes_argument(p)) {
		struct chat_nodes l = { 0 };
		struct chat_node *e = postfix(p, chat_expr_primary(p));
		if (!e || !chat_nodes_add(p, &l, e))
			return NULL;
		n->list = l.v;
		n->n = l.n;
	}
	return chat_node_done(p, n);
}

static struct chat_node *filters_and_tests(struct chat_parser *p, struct chat_node *n)
{
	while (n) {
		if (chat_take_op(p, '|'))
			n = chat_expr_filter(p, n);
		else if (chat_take_word(p, "is"))
			n = test(p, n);
		else if (chat_take_op(p, '('))
			n = call(p, n);
		else
			break;
	}
	return n;
}

static struct chat_node *unary(struct chat_parser *p, bool with_filters)
{
	struct chat_node *n = NULL;
	if (!chat_parse_enter(p))
		return NULL;
	if (chat_take_op(p, '-'))
		n = chat_node_one(p, E_NEG, unary(p, false));
	else if (chat_take_op(p, '+'))
		n = chat_node_one(p, E_POS, unary(p, false));
	else
		n = chat_expr_primary(p);
	n = postfix(p, n);
	if (with_filters)
		n = filters_and_tests(p, n);
	p->depth--;
	return n;
}

static struct chat_node *power(struct chat_parser *p)
{
	struct chat_node *n = unary(p, true);
	while (n && chat_take_op(p, OP_POW))
		n = two(p, E_BINARY, OP_POW, n, unary(p, true));
	return n;
}

static struct chat_node *product(struct chat_parser *p)
{
	struct chat_node *n = power(p);
	while (n && (chat_is_op(p, '*') || chat_is_op(p, '/') || chat_is_op(p, OP_FLOORDIV) ||
			    chat_is_op(p, '%'))) {
		u8 op = p->t++->op;
		n = two(p, E_BINARY, op, n, power(p));
	}
	return n;
}

static struct chat_node *concat(struct chat_parser *p)
{
	struct chat_nodes l = { 0 };
	struct chat_node *n = product(p);
	if (!n || !chat_is_op(p, '~'))
		return n;
	if (!chat_nodes_add(p, &l, n))
		return NULL;
	while (chat_take_op(p, '~')) {
		n = product(p);
		if (!n || !chat_nodes_add(p, &l, n))
			return NULL;
	}
	n = chat_node_new(p, E_CONCAT);
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return chat_node_done(p, n);
}

static struct chat_node *sum(struct chat_parser *p)
{
	struct chat_node *n = concat(p);
	while (n && (chat_is_op(p, '+') || chat_is_op(p, '-'))) {
		u8 op = p->t++->op;
		n = two(p, E_BINARY, op, n, concat(p));
	}
	return n;
}

/* The comparison operator here, taken; 0: none. */
static u8 comparison(struct chat_parser *p)
{
	static const u8 ops[] = { OP_EQ, OP_NE, OP_LE, OP_GE, '<', '>' };
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (chat_take_op(p, ops[i]))
			return ops[i];
	if (chat_take_word(p, "in"))
		return OP_IN;
	if (chat_is_word(p, "not") && p->t[1].type == T_NAME && chat_str_is(p->t[1].text, "in")) {
		p->t += 2;
		return OP_NOT_IN;
	}
	return 0;
}

static struct chat_node *compare(struct chat_parser *p)
{
	struct chat_nodes l = { 0 };
	struct chat_node *n = sum(p), *first = n;
	for (u8 op; n && (op = comparison(p));) {
		struct chat_node *e = chat_node_one(p, E_OPERAND, sum(p));
		if (!e || !chat_nodes_add(p, &l, e))
			return NULL;
		e->sub = op;
	}
	if (!n || l.n == 0)
		return n;
	n = chat_node_new(p, E_COMPARE);
	if (!n)
		return NULL;
	n->a = first;
	n->list = l.v;
	n->n = l.n;
	return chat_node_done(p, n);
}

static struct chat_node *not_expression(struct chat_parser *p)
{
	if (!chat_take_word(p, "not"))
		return compare(p);
	if (!chat_parse_enter(p))
		return NULL;
	struct chat_node *n = chat_node_one(p, E_NOT, not_expression(p));
	p->depth--;
	return n;
}

static struct chat_node *and_expression(struct chat_parser *p)
{
	struct chat_node *n = not_expression(p);
	while (n && chat_take_word(p, "and"))
		n = two(p, E_AND, 0, n, not_expression(p));
	return n;
}

static struct chat_node *or_expression(struct chat_parser *p)
{
	struct chat_node *n = and_expression(p);
	while (n && chat_take_word(p, "or"))
		n = two(p, E_OR, 0, n, and_expression(p));
	return n;
}

/* "a if b else c", also a chain of them. */
struct chat_node *chat_expr(struct chat_parser *p)
{
	if (!chat_parse_enter(p))
		return NULL;
	struct chat_node *n = or_expression(p);
	while (n && chat_take_word(p, "if")) {
		struct chat_node *c = or_expression(p), *cond = c ? chat_node_new(p, E_COND) : NULL;
		if (!cond)
			return NULL;
		cond->a = n;
		cond->b = c;
		if (chat_take_word(p, "else")) {
			cond->c = chat_expr(p);
			if (!cond->c)
				return NULL;
		}
		n = chat_node_done(p, cond);
	}
	p->depth--;
	return n;
}
