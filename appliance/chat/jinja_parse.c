/* Tokens to a tree. Recursive descent, at most TEMPLATE_DEPTH_MAX deep; what is outside the subset is refused by its name. */
#include "chat/jinja.h"

#include <string.h>

struct parse {
	struct chat_run *r;
	const struct chat_token *t;
	u32 depth, loops;
};

/* A growing list of nodes. */
struct nodes {
	struct chat_node **v;
	u32 n, cap;
};

static bool nodes_add(struct parse *p, struct nodes *l, struct chat_node *n)
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

static struct chat_node *node_new(struct parse *p, enum chat_op op)
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

/* Note how deep the tree below n is. */
static struct chat_node *done(struct parse *p, struct chat_node *n)
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

/* ---- tokens -------------------------------------------------------------------------------------------------------------- */

static void *bad(struct parse *p, const char *what)
{
	p->r->line = p->t->line;
	if (p->t->type == T_NAME)
		chat_fail(p->r, "%s at '%.*s'", what, (int)MIN(p->t->text.len, 40u), p->t->text.p);
	else
		chat_fail(p->r, "%s", what);
	return NULL;
}

static bool is_op(const struct parse *p, u8 op)
{
	return p->t->type == T_OP && p->t->op == op;
}

static bool is_word(const struct parse *p, const char *word)
{
	return p->t->type == T_NAME && chat_str_is(p->t->text, word);
}

static bool take_op(struct parse *p, u8 op)
{
	bool is = is_op(p, op);
	p->t += is;
	return is;
}

static bool take_word(struct parse *p, const char *word)
{
	bool is = is_word(p, word);
	p->t += is;
	return is;
}

static bool want_op(struct parse *p, u8 op, const char *what)
{
	return take_op(p, op) || bad(p, what);
}

static bool want_name(struct parse *p, struct chat_str *ret)
{
	if (p->t->type != T_NAME)
		return bad(p, "a name is missing") != NULL;
	*ret = p->t++->text;
	return true;
}

static bool enter(struct parse *p)
{
	if (p->depth++ < TEMPLATE_DEPTH_MAX)
		return true;
	bad(p, "it is nested too deep");
	return false;
}

/* ---- expressions --------------------------------------------------------------------------------------------------------- */

static struct chat_node *expression(struct parse *p);
static struct chat_node *unary(struct parse *p, bool with_filters);
static struct chat_node *or_expression(struct parse *p);

static struct chat_node *constant(struct parse *p, struct chat_val v)
{
	struct chat_node *n = node_new(p, E_CONST);
	if (n)
		n->val = v;
	return done(p, n);
}

static struct chat_node *two(
	struct parse *p, enum chat_op op, u8 sub, struct chat_node *a, struct chat_node *b)
{
	struct chat_node *n = a && b ? node_new(p, op) : NULL;
	if (!n)
		return NULL;
	n->a = a;
	n->b = b;
	n->sub = sub;
	return done(p, n);
}

static struct chat_node *one(struct parse *p, enum chat_op op, struct chat_node *a)
{
	struct chat_node *n = a ? node_new(p, op) : NULL;
	if (!n)
		return NULL;
	n->a = a;
	return done(p, n);
}

static struct chat_node *strings(struct parse *p)
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

static struct chat_node *name_or_constant(struct parse *p)
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
	struct chat_node *n = node_new(p, E_NAME);
	p->t++;
	if (n)
		n->name = name;
	return done(p, n);
}

static bool tuple_ends(const struct parse *p)
{
	return p->t->type == T_VAR_END || p->t->type == T_BLOCK_END || is_op(p, ')') || is_word(p, "in");
}

/* One expression, or several with commas between: a tuple. */
static struct chat_node *tuple(struct parse *p, bool conditional, bool empty_ok)
{
	struct nodes l = { 0 };
	bool comma = false;
	while (!tuple_ends(p)) {
		struct chat_node *e = conditional ? expression(p) : or_expression(p);
		if (!e || !nodes_add(p, &l, e))
			return NULL;
		if (!take_op(p, ','))
			break;
		comma = true;
	}
	if (l.n == 1 && !comma)
		return l.v[0];
	if (l.n == 0 && !empty_ok)
		return bad(p, "an expression is missing");
	struct chat_node *n = node_new(p, E_TUPLE);
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return done(p, n);
}

static struct chat_node *list_literal(struct parse *p)
{
	struct nodes l = { 0 };
	struct chat_node *n = node_new(p, E_LIST);
	while (n && !take_op(p, ']')) {
		if (l.n && !want_op(p, ',', "a comma is missing in a list"))
			return NULL;
		if (take_op(p, ']'))
			break;
		struct chat_node *e = expression(p);
		if (!e || !nodes_add(p, &l, e))
			return NULL;
	}
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return done(p, n);
}

static struct chat_node *dict_literal(struct parse *p)
{
	struct nodes l = { 0 };
	struct chat_node *n = node_new(p, E_DICT);
	while (n && !take_op(p, '}')) {
		if (l.n && !want_op(p, ',', "a comma is missing in a mapping"))
			return NULL;
		if (take_op(p, '}'))
			break;
		struct chat_node *k = expression(p);
		if (!k || !want_op(p, ':', "a colon is missing in a mapping"))
			return NULL;
		struct chat_node *v = expression(p);
		if (!v || !nodes_add(p, &l, k) || !nodes_add(p, &l, v))
			return NULL;
	}
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return done(p, n);
}

static struct chat_node *primary(struct parse *p)
{
	const struct chat_token *t = p->t;
	switch (t->type) {
	case T_NAME:
		return name_or_constant(p);
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
	if (take_op(p, '[')) /* these nest; enter() was called by unary() */
		return list_literal(p);
	if (take_op(p, '{'))
		return dict_literal(p);
	if (!take_op(p, '('))
		return bad(p, "an expression is missing");
	struct chat_node *n = tuple(p, true, true);
	return n && want_op(p, ')', "a ')' is missing") ? n : NULL;
}

static bool call_args(struct parse *p, struct chat_node *n)
{
	struct nodes pos = { 0 }, kw = { 0 };
	while (!take_op(p, ')')) {
		if ((pos.n || kw.n) && !want_op(p, ',', "a comma is missing between arguments"))
			return false;
		if (take_op(p, ')'))
			break;
		if (is_op(p, '*') || is_op(p, OP_POW))
			return bad(p, "arguments from a list are outside the subset") != NULL;
		bool named = p->t->type == T_NAME && p->t[1].type == T_OP && p->t[1].op == '=';
		struct chat_str key = p->t->text;
		if (!named && kw.n)
			return bad(p, "an argument without a name stands behind one with a name") != NULL;
		p->t += named ? 2 : 0;
		struct chat_node *e = expression(p);
		if (!e || !nodes_add(p, named ? &kw : &pos, e))
			return false;
		if (named) {
			struct chat_node *copy = node_new(p, E_OPERAND);
			if (!copy)
				return false;
			copy->a = e;
			copy->key = key;
			kw.v[kw.n - 1] = done(p, copy);
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

static struct chat_node *call(struct parse *p, struct chat_node *a)
{
	struct chat_node *n = node_new(p, E_CALL);
	if (!n)
		return NULL;
	n->a = a;
	return call_args(p, n) ? done(p, n) : NULL;
}

static struct chat_node *attr(struct parse *p, struct chat_node *a)
{
	struct chat_node *n = node_new(p, E_ATTR);
	if (!n)
		return NULL;
	n->a = a;
	if (p->t->type == T_INT) {
		n->op = E_ITEM;
		n->b = constant(p, chat_int(p->t++->i));
		return n->b ? done(p, n) : NULL;
	}
	return want_name(p, &n->name) ? done(p, n) : NULL;
}

/* Behind '[': an index or a slice. */
static struct chat_node *item(struct parse *p, struct chat_node *a)
{
	struct chat_node *n = node_new(p, E_ITEM), *part[3] = { 0 };
	u32 k = 0;
	if (!n)
		return NULL;
	for (; k < 3; k++) {
		if (!is_op(p, ':') && !is_op(p, ']')) {
			part[k] = expression(p);
			if (!part[k])
				return NULL;
		}
		if (!is_op(p, ':'))
			break;
		p->t++;
	}
	if (!want_op(p, ']', "a ']' is missing"))
		return NULL;
	n->a = a;
	if (k == 0) {
		n->b = part[0];
		return n->b ? done(p, n) : bad(p, "an index is missing");
	}
	n->op = E_SLICE;
	n->list = chat_alloc(p->r, sizeof part);
	if (!n->list)
		return NULL;
	memcpy(n->list, part, sizeof part);
	n->n = 3;
	return done(p, n);
}

static struct chat_node *postfix(struct parse *p, struct chat_node *n)
{
	while (n) {
		if (take_op(p, '.'))
			n = attr(p, n);
		else if (take_op(p, '['))
			n = item(p, n);
		else if (take_op(p, '('))
			n = call(p, n);
		else
			break;
	}
	return n;
}

static struct chat_node *filter(struct parse *p, struct chat_node *a)
{
	struct chat_node *n = node_new(p, E_FILTER);
	if (!n || !want_name(p, &n->name))
		return NULL;
	n->a = a;
	n->func = chat_filter_find(n->name);
	if (!n->func) {
		p->t--;
		return bad(p, "an unknown filter");
	}
	if (take_op(p, '(') && !call_args(p, n))
		return NULL;
	return done(p, n);
}

static bool test_takes_argument(const struct parse *p)
{
	static const char *const not [] = { "else", "or", "and", "if", "in", "not", "is" };
	if (p->t->type == T_STRING || p->t->type == T_INT || p->t->type == T_FLOAT || is_op(p, '[') ||
		is_op(p, '{'))
		return true;
	if (p->t->type != T_NAME)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(not ); i++)
		if (is_word(p, not [i]))
			return false;
	return true;
}

static struct chat_node *test(struct parse *p, struct chat_node *a)
{
	struct chat_node *n = node_new(p, E_TEST);
	if (!n)
		return NULL;
	n->a = a;
	n->sub = take_word(p, "not");
	if (!want_name(p, &n->name))
		return NULL;
	n->func = chat_test_find(n->name);
	if (!n->func) {
		p->t--;
		return bad(p, "an unknown test");
	}
	if (take_op(p, '(')) {
		if (!call_args(p, n))
			return NULL;
	} else if (is_word(p, "is")) {
		return bad(p, "a test behind a test");
	} else if (test_takes_argument(p)) {
		struct nodes l = { 0 };
		struct chat_node *e = postfix(p, primary(p));
		if (!e || !nodes_add(p, &l, e))
			return NULL;
		n->list = l.v;
		n->n = l.n;
	}
	return done(p, n);
}

static struct chat_node *filters_and_tests(struct parse *p, struct chat_node *n)
{
	while (n) {
		if (take_op(p, '|'))
			n = filter(p, n);
		else if (take_word(p, "is"))
			n = test(p, n);
		else if (take_op(p, '('))
			n = call(p, n);
		else
			break;
	}
	return n;
}

static struct chat_node *unary(struct parse *p, bool with_filters)
{
	struct chat_node *n = NULL;
	if (!enter(p))
		return NULL;
	if (take_op(p, '-'))
		n = one(p, E_NEG, unary(p, false));
	else if (take_op(p, '+'))
		n = one(p, E_POS, unary(p, false));
	else
		n = primary(p);
	n = postfix(p, n);
	if (with_filters)
		n = filters_and_tests(p, n);
	p->depth--;
	return n;
}

static struct chat_node *power(struct parse *p)
{
	struct chat_node *n = unary(p, true);
	while (n && take_op(p, OP_POW))
		n = two(p, E_BINARY, OP_POW, n, unary(p, true));
	return n;
}

static struct chat_node *product(struct parse *p)
{
	struct chat_node *n = power(p);
	while (n && (is_op(p, '*') || is_op(p, '/') || is_op(p, OP_FLOORDIV) || is_op(p, '%'))) {
		u8 op = p->t++->op;
		n = two(p, E_BINARY, op, n, power(p));
	}
	return n;
}

static struct chat_node *concat(struct parse *p)
{
	struct nodes l = { 0 };
	struct chat_node *n = product(p);
	if (!n || !is_op(p, '~'))
		return n;
	if (!nodes_add(p, &l, n))
		return NULL;
	while (take_op(p, '~')) {
		n = product(p);
		if (!n || !nodes_add(p, &l, n))
			return NULL;
	}
	n = node_new(p, E_CONCAT);
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return done(p, n);
}

static struct chat_node *sum(struct parse *p)
{
	struct chat_node *n = concat(p);
	while (n && (is_op(p, '+') || is_op(p, '-'))) {
		u8 op = p->t++->op;
		n = two(p, E_BINARY, op, n, concat(p));
	}
	return n;
}

/* The comparison operator here, taken; 0: none. */
static u8 comparison(struct parse *p)
{
	static const u8 ops[] = { OP_EQ, OP_NE, OP_LE, OP_GE, '<', '>' };
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (take_op(p, ops[i]))
			return ops[i];
	if (take_word(p, "in"))
		return OP_IN;
	if (is_word(p, "not") && p->t[1].type == T_NAME && chat_str_is(p->t[1].text, "in")) {
		p->t += 2;
		return OP_NOT_IN;
	}
	return 0;
}

static struct chat_node *compare(struct parse *p)
{
	struct nodes l = { 0 };
	struct chat_node *n = sum(p), *first = n;
	for (u8 op; n && (op = comparison(p));) {
		struct chat_node *e = one(p, E_OPERAND, sum(p));
		if (!e || !nodes_add(p, &l, e))
			return NULL;
		e->sub = op;
	}
	if (!n || l.n == 0)
		return n;
	n = node_new(p, E_COMPARE);
	if (!n)
		return NULL;
	n->a = first;
	n->list = l.v;
	n->n = l.n;
	return done(p, n);
}

static struct chat_node *not_expression(struct parse *p)
{
	if (!take_word(p, "not"))
		return compare(p);
	if (!enter(p))
		return NULL;
	struct chat_node *n = one(p, E_NOT, not_expression(p));
	p->depth--;
	return n;
}

static struct chat_node *and_expression(struct parse *p)
{
	struct chat_node *n = not_expression(p);
	while (n && take_word(p, "and"))
		n = two(p, E_AND, 0, n, not_expression(p));
	return n;
}

static struct chat_node *or_expression(struct parse *p)
{
	struct chat_node *n = and_expression(p);
	while (n && take_word(p, "or"))
		n = two(p, E_OR, 0, n, and_expression(p));
	return n;
}

/* "a if b else c", also a chain of them. */
static struct chat_node *expression(struct parse *p)
{
	if (!enter(p))
		return NULL;
	struct chat_node *n = or_expression(p);
	while (n && take_word(p, "if")) {
		struct chat_node *c = or_expression(p), *cond = c ? node_new(p, E_COND) : NULL;
		if (!cond)
			return NULL;
		cond->a = n;
		cond->b = c;
		if (take_word(p, "else")) {
			cond->c = expression(p);
			if (!cond->c)
				return NULL;
		}
		n = done(p, cond);
	}
	p->depth--;
	return n;
}

/* ---- statements ---------------------------------------------------------------------------------------------------------- */

static bool statements(struct parse *p, const char *const *ends, struct chat_node ***ret, u32 *ret_n);

static bool block_end(struct parse *p)
{
	if (p->t->type != T_BLOCK_END)
		return bad(p, "the tag does not end where it should") != NULL;
	p->t++;
	return true;
}

/* "%}", then statements until one of the words ends; that word is not taken. */
static bool block_body(struct parse *p, const char *const *ends, struct chat_node ***ret, u32 *ret_n)
{
	return block_end(p) && statements(p, ends, ret, ret_n);
}

static struct chat_node *if_statement(struct parse *p)
{
	static const char *const ends[] = { "elif", "else", "endif", NULL }, *const end[] = { "endif", NULL };
	struct nodes arms = { 0 };
	struct chat_node *n = node_new(p, N_IF);
	if (!n)
		return NULL;
	do {
		struct chat_node *arm = node_new(p, N_ARM);
		if (!arm)
			return NULL;
		arm->a = tuple(p, false, false);
		if (!arm->a || !block_body(p, ends, &arm->body, &arm->n_body) || !done(p, arm) ||
			!nodes_add(p, &arms, arm))
			return NULL;
	} while (take_word(p, "elif"));
	n->list = arms.v;
	n->n = arms.n;
	if (take_word(p, "else") && !block_body(p, end, &n->other, &n->n_other))
		return NULL;
	p->t++;
	return done(p, n);
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
static struct chat_node *target(struct parse *p, bool dotted)
{
	if (dotted && p->t->type == T_NAME && p->t[1].type == T_OP && p->t[1].op == '.') {
		struct chat_node *n = node_new(p, E_ATTR);
		if (!n)
			return NULL;
		n->a = name_or_constant(p);
		p->t++;
		if (!n->a || !want_name(p, &n->name))
			return NULL;
		return done(p, n);
	}
	struct nodes l = { 0 };
	bool comma = false;
	if (is_op(p, '(')) {
		struct chat_node *n = primary(p);
		return !n || is_target(n) ? n : bad(p, "this cannot be set");
	}
	while (p->t->type == T_NAME && !is_word(p, "in")) {
		struct chat_node *n = name_or_constant(p);
		if (!n || !nodes_add(p, &l, n))
			return NULL;
		if (n->op != E_NAME)
			return bad(p, "a constant cannot be set");
		if (!take_op(p, ','))
			break;
		comma = true;
	}
	if (l.n == 0)
		return bad(p, "a name is missing");
	if (!comma)
		return l.v[0];
	struct chat_node *n = node_new(p, E_TUPLE);
	if (!n)
		return NULL;
	n->list = l.v;
	n->n = l.n;
	return done(p, n);
}

static struct chat_node *for_statement(struct parse *p)
{
	static const char *const ends[] = { "else", "endfor", NULL }, *const end[] = { "endfor", NULL };
	struct chat_node *n = node_new(p, N_FOR);
	if (!n)
		return NULL;
	n->a = target(p, false);
	if (!n->a)
		return NULL;
	if (!take_word(p, "in"))
		return bad(p, "'in' is missing");
	n->b = tuple(p, false, false);
	if (!n->b)
		return NULL;
	if (take_word(p, "if")) {
		n->c = expression(p);
		if (!n->c)
			return NULL;
	}
	if (is_word(p, "recursive"))
		return bad(p, "a recursive loop is outside the subset");
	p->loops++;
	bool ok = block_body(p, ends, &n->body, &n->n_body);
	p->loops--;
	if (!ok || (take_word(p, "else") && !block_body(p, end, &n->other, &n->n_other)))
		return NULL;
	p->t++;
	return done(p, n);
}

/* "| filter | filter" over what a block printed. */
static struct chat_node *body_filters(struct parse *p, bool first)
{
	struct chat_node *n = done(p, node_new(p, E_BODY));
	while (n && (first || take_op(p, '|'))) {
		n = filter(p, n);
		first = false;
	}
	return n;
}

/* The body of a macro or of a captured block stands in no loop. */
static bool closed_body(struct parse *p, const char *const *end, struct chat_node *n, bool loop_inside)
{
	u32 loops = p->loops;
	p->loops = loop_inside ? loops : 0;
	bool ok = block_body(p, end, &n->body, &n->n_body);
	p->loops = loops;
	p->t += ok;
	return ok;
}

static struct chat_node *set_statement(struct parse *p)
{
	static const char *const end[] = { "endset", NULL };
	struct chat_node *n = node_new(p, N_SET);
	if (!n)
		return NULL;
	n->a = target(p, true);
	if (!n->a)
		return NULL;
	if (take_op(p, '=')) {
		n->b = tuple(p, true, false);
		return n->b ? done(p, n) : NULL;
	}
	n->op = N_SET_BLOCK;
	n->b = body_filters(p, false);
	return n->b && closed_body(p, end, n, false) ? done(p, n) : NULL;
}

static struct chat_node *filter_statement(struct parse *p)
{
	static const char *const end[] = { "endfilter", NULL };
	struct chat_node *n = node_new(p, N_FILTER);
	if (!n)
		return NULL;
	n->b = body_filters(p, true);
	return n->b && closed_body(p, end, n, false) ? done(p, n) : NULL;
}

static struct chat_node *generation_statement(struct parse *p)
{
	static const char *const end[] = { "endgeneration", NULL };
	struct chat_node *n = node_new(p, N_GENERATION);
	return n && closed_body(p, end, n, false) ? done(p, n) : NULL;
}

static struct chat_node *macro_statement(struct parse *p)
{
	static const char *const end[] = { "endmacro", NULL };
	struct nodes params = { 0 };
	struct chat_node *n = node_new(p, N_MACRO);
	if (!n || !want_name(p, &n->name) || !want_op(p, '(', "a '(' is missing"))
		return NULL;
	for (bool with_default = false; !take_op(p, ')');) {
		if (params.n && !want_op(p, ',', "a comma is missing between parameters"))
			return NULL;
		struct chat_node *q = node_new(p, E_OPERAND);
		if (!q || !want_name(p, &q->key))
			return NULL;
		if (take_op(p, '=')) {
			q->a = expression(p);
			if (!q->a)
				return NULL;
			with_default = true;
		} else if (with_default) {
			return bad(p, "a parameter without a default stands behind one with a default");
		}
		if (!done(p, q) || !nodes_add(p, &params, q))
			return NULL;
	}
	n->list = params.v;
	n->n = params.n;
	return closed_body(p, end, n, false) ? done(p, n) : NULL;
}

static struct chat_node *jump_statement(struct parse *p, enum chat_op op)
{
	if (p->loops == 0) {
		p->t--;
		return bad(p, "no loop is here");
	}
	return done(p, node_new(p, op));
}

static struct chat_node *do_statement(struct parse *p)
{
	return one(p, N_DO, tuple(p, true, false));
}

static struct chat_node *break_statement(struct parse *p)
{
	return jump_statement(p, N_BREAK);
}

static struct chat_node *continue_statement(struct parse *p)
{
	return jump_statement(p, N_CONTINUE);
}

static struct chat_node *statement(struct parse *p)
{
	static const struct {
		const char *word;
		struct chat_node *(*read)(struct parse *p);
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
		if (take_word(p, table[i].word)) {
			struct chat_node *n = table[i].read(p);
			return n && block_end(p) ? n : NULL;
		}
	return bad(p, "an unknown statement");
}

static bool ends_here(const struct parse *p, const char *const *ends)
{
	for (; ends && *ends; ends++)
		if (is_word(p, *ends))
			return true;
	return false;
}

static struct chat_node *text_or_output(struct parse *p)
{
	struct chat_node *n;
	if (p->t->type == T_DATA) {
		n = node_new(p, N_DATA);
		if (n)
			n->name = p->t++->text;
		return done(p, n);
	}
	p->t++;
	n = one(p, N_OUTPUT, tuple(p, true, false));
	if (n && p->t->type != T_VAR_END)
		return bad(p, "the tag does not end where it should");
	p->t++;
	return n;
}

static bool statements(struct parse *p, const char *const *ends, struct chat_node ***ret, u32 *ret_n)
{
	struct nodes l = { 0 };
	bool ended = false;
	if (!enter(p))
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
		if (!ended && (!n || !nodes_add(p, &l, n)))
			return false;
	}
	if (ends && !ended)
		return bad(p, "a block without an end") != NULL;
	p->depth--;
	*ret = l.v;
	*ret_n = l.n;
	return true;
}

bool chat_parse(struct chat_run *r, const struct chat_token *t, struct chat_node ***ret, u32 *ret_n)
{
	struct parse p = { .r = r, .t = t };
	return statements(&p, NULL, ret, ret_n);
}
