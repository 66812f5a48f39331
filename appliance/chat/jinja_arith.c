/* Expressions that compute: + - * / // % ** and ~. */
#include "chat/jinja.h"

#include <math.h>
#include <string.h>

static bool overflow(struct chat_run *r)
{
	return chat_fail(r, "an integer beyond 64 bits");
}

static bool power_int(struct chat_run *r, i64 a, i64 b, struct chat_val *ret)
{
	i64 x = 1;
	for (; b > 0 && a != 0 && a != 1; b--) {
		if (a == -1 && b > 1)
			b = 2 - b % 2; /* the same sign */
		if (__builtin_mul_overflow(x, a, &x))
			return overflow(r);
	}
	*ret = chat_int(a == 0 && b > 0 ? 0 : x);
	return true;
}

static bool arith_int(struct chat_run *r, u8 op, i64 a, i64 b, struct chat_val *ret)
{
	i64 x = 0;
	if ((op == OP_FLOORDIV || op == '%') && b == 0)
		return chat_fail(r, "a division by zero");
	switch (op) {
	case '+':
		if (__builtin_add_overflow(a, b, &x))
			return overflow(r);
		break;
	case '-':
		if (__builtin_sub_overflow(a, b, &x))
			return overflow(r);
		break;
	case '*':
		if (__builtin_mul_overflow(a, b, &x))
			return overflow(r);
		break;
	case OP_POW:
		return power_int(r, a, b, ret);
	default:
		if (b == -1)
			return op == '%' ? (*ret = chat_int(0), true) : arith_int(r, '-', 0, a, ret);
		x = op == '%' ? a % b : a / b;
		if (a % b && (a < 0) != (b < 0))
			x += op == '%' ? b : -1;
	}
	*ret = chat_int(x);
	return true;
}

static bool arith_float(struct chat_run *r, u8 op, f64 a, f64 b, struct chat_val *ret)
{
	if ((op == '/' || op == OP_FLOORDIV || op == '%') && b == 0)
		return chat_fail(r, "a division by zero");
	f64 m = op == '%' ? fmod(a, b) : 0;
	switch (op) {
	case '+':
		*ret = chat_float(a + b);
		break;
	case '-':
		*ret = chat_float(a - b);
		break;
	case '*':
		*ret = chat_float(a * b);
		break;
	case '/':
		*ret = chat_float(a / b);
		break;
	case OP_FLOORDIV:
		*ret = chat_float(floor(a / b));
		break;
	case OP_POW:
		*ret = chat_float(pow(a, b));
		break;
	default:
		*ret = chat_float(m != 0 && (m < 0) != (b < 0) ? m + b : m);
	}
	return true;
}

static bool add_lists(
	struct chat_run *r, const struct chat_val *a, const struct chat_val *b, struct chat_val *ret)
{
	if (!chat_list_new(r, a->kind, ret))
		return false;
	struct chat_list *l = ret->list;
	size_t n = (size_t)a->list->n + b->list->n;
	l->v = chat_charge(r, n) ? chat_alloc(r, n * sizeof *l->v) : NULL;
	if (!l->v)
		return false;
	if (a->list->n)
		memcpy(l->v, a->list->v, a->list->n * sizeof *l->v);
	if (b->list->n)
		memcpy(l->v + a->list->n, b->list->v, b->list->n * sizeof *l->v);
	l->n = l->cap = (u32)n;
	return true;
}

static bool repeat(struct chat_run *r, const struct chat_val *v, i64 times, struct chat_val *ret)
{
	struct chat_buf b = { 0 };
	if (v->kind != CHAT_STR && !chat_list_new(r, v->kind, ret))
		return false;
	u32 len = v->kind == CHAT_STR ? v->s.len : v->list->n;
	for (i64 i = 0; i < times && len; i++) {
		if (v->kind == CHAT_STR && !chat_buf_add(r, &b, v->s))
			return false;
		for (u32 k = 0; v->kind != CHAT_STR && k < len; k++)
			if (!chat_charge(r, 0) || !chat_list_add(r, ret->list, v->list->v[k]))
				return false;
	}
	if (v->kind == CHAT_STR)
		*ret = chat_text(chat_buf_str(&b));
	return true;
}

static bool is_sequence(const struct chat_val *v)
{
	return v->kind == CHAT_STR || v->kind == CHAT_LIST || v->kind == CHAT_TUPLE;
}

static bool unfit(struct chat_run *r, const struct chat_val *a, const struct chat_val *b)
{
	const struct chat_val *u = a->kind == CHAT_UNDEFINED ? a : b;
	if (u->kind == CHAT_UNDEFINED)
		return chat_fail(r, "'%.*s' is undefined", (int)MIN(u->s.len, 60u), u->s.p);
	return chat_fail(
		r, "%s and %s do not go together here", chat_kind_name(a->kind), chat_kind_name(b->kind));
}

bool chat_eval_binary(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val a, b;
	i64 i, j;
	f64 x, y;
	if (!chat_eval(r, n->a, &a) || !chat_eval(r, n->b, &b))
		return false;
	if (chat_integer(&a, &i) && chat_integer(&b, &j) && n->sub != '/' && !(n->sub == OP_POW && j < 0))
		return arith_int(r, n->sub, i, j, ret);
	if (chat_number(&a, &x) && chat_number(&b, &y))
		return arith_float(r, n->sub, x, y, ret);
	if (n->sub == '+' && a.kind == b.kind && a.kind == CHAT_STR) {
		struct chat_buf buf = { 0 };
		if (!chat_buf_add(r, &buf, a.s) || !chat_buf_add(r, &buf, b.s))
			return false;
		*ret = chat_text(chat_buf_str(&buf));
		return true;
	}
	if (n->sub == '+' && a.kind == b.kind && is_sequence(&a))
		return add_lists(r, &a, &b, ret);
	if (n->sub == '*' && is_sequence(&a) && chat_integer(&b, &j))
		return repeat(r, &a, j, ret);
	if (n->sub == '*' && is_sequence(&b) && chat_integer(&a, &i))
		return repeat(r, &b, i, ret);
	if (n->sub == '%' && a.kind == CHAT_STR)
		return chat_fail(r, "formatting with %% is outside the subset");
	return unfit(r, &a, &b);
}

bool chat_eval_sign(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val v, zero = chat_int(0);
	i64 i;
	if (!chat_eval(r, n->a, &v))
		return false;
	if (chat_integer(&v, &i))
		return arith_int(r, n->op == E_NEG ? '-' : '+', 0, i, ret);
	if (v.kind != CHAT_FLOAT)
		return unfit(r, &v, &zero);
	*ret = chat_float(n->op == E_NEG ? -v.f : v.f);
	return true;
}

bool chat_eval_concat(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_buf b = { 0 };
	for (u32 i = 0; i < n->n; i++) {
		struct chat_val v;
		if (!chat_eval(r, n->list[i], &v) || !chat_print(r, &b, &v, false))
			return false;
	}
	*ret = chat_text(chat_buf_str(&b));
	return true;
}
