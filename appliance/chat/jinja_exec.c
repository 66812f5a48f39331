/* Statements. */
#include "chat/jinja.h"

#include <string.h>

/* ---- scopes -------------------------------------------------------------------------------------------------------------- */

bool chat_var_set(struct chat_run *r, struct chat_frame *f, struct chat_str name, struct chat_val v)
{
	for (u32 i = 0; i < f->n; i++)
		if (chat_str_eq(f->var[i].name, name)) {
			f->var[i].val = v;
			return true;
		}
	if (f->n == f->cap) {
		u32 cap = f->cap ? 2 * f->cap : 4;
		struct chat_var *p = chat_alloc(r, cap * sizeof *p);
		if (!p)
			return false;
		if (f->n)
			memcpy(p, f->var, f->n * sizeof *p);
		f->var = p;
		f->cap = cap;
	}
	f->var[f->n++] = (struct chat_var){ name, v };
	return true;
}

static struct chat_frame *frame_new(struct chat_run *r, struct chat_frame *up)
{
	struct chat_frame *f = chat_alloc(r, sizeof *f);
	if (f)
		f->up = up;
	return f;
}

static bool unpack(struct chat_run *r, const struct chat_node *target, const struct chat_val *v)
{
	const struct chat_val *e;
	u32 n;
	if (!chat_elements(r, v, &e, &n))
		return false;
	if (n != target->n)
		return chat_fail(r, "%u values for %u names", n, target->n);
	for (u32 i = 0; i < n; i++)
		if (!chat_var_set(r, r->frame, target->list[i]->name, e[i]))
			return false;
	return true;
}

static bool assign(struct chat_run *r, const struct chat_node *target, struct chat_val v)
{
	struct chat_val ns;
	if (target->op == E_NAME)
		return chat_var_set(r, r->frame, target->name, v);
	if (target->op == E_TUPLE)
		return unpack(r, target, &v);
	if (!chat_eval(r, target->a, &ns))
		return false;
	if (ns.kind != CHAT_NAMESPACE)
		return chat_fail(r, "only a namespace's names can be set from outside");
	return chat_dict_set(r, ns.dict, chat_text(target->name), v);
}

/* ---- statements ---------------------------------------------------------------------------------------------------------- */

static bool data(struct chat_run *r, const struct chat_node *n)
{
	return chat_buf_add(r, r->out, n->name);
}

static bool output(struct chat_run *r, const struct chat_node *n)
{
	struct chat_val v;
	return chat_eval(r, n->a, &v) && chat_print(r, r->out, &v, false);
}

static bool if_else(struct chat_run *r, const struct chat_node *n)
{
	for (u32 i = 0; i < n->n; i++) {
		struct chat_val v;
		if (!chat_eval(r, n->list[i]->a, &v))
			return false;
		if (chat_truth(&v))
			return chat_exec(r, n->list[i]->body, n->list[i]->n_body);
	}
	return chat_exec(r, n->other, n->n_other);
}

/* Elements of the loop for which its condition holds. */
static bool chosen(struct chat_run *r, const struct chat_node *n, const struct chat_val **v, u32 *n_v)
{
	struct chat_frame *outer = r->frame;
	struct chat_val keep, c;
	bool ok = chat_list_new(r, CHAT_LIST, &keep);
	for (u32 i = 0; ok && i < *n_v; i++) {
		r->frame = frame_new(r, outer);
		ok = r->frame && assign(r, n->a, (*v)[i]) && chat_eval(r, n->c, &c) &&
		     (!chat_truth(&c) || chat_list_add(r, keep.list, (*v)[i]));
	}
	r->frame = outer;
	if (ok) {
		*v = keep.list->v;
		*n_v = keep.list->n;
	}
	return ok;
}

/* *ret_whole: an iteration came to the end of the body; Jinja runs the else where none did. */
static bool iterate(
	struct chat_run *r, const struct chat_node *n, const struct chat_val *v, u32 n_v, bool *ret_whole)
{
	struct chat_loop *loop = chat_alloc(r, sizeof *loop);
	struct chat_frame *outer = r->frame, *f = NULL;
	bool ok = loop != NULL;
	if (ok)
		*loop = (struct chat_loop){ .v = v, .n = n_v };
	for (u32 i = 0; ok && i < n_v && r->jump != CHAT_BREAK; i++) {
		/* a scope of its own for every iteration, in the same memory if nobody kept it */
		if (!f || f->kept)
			f = frame_new(r, outer);
		if (!f)
			return false;
		f->n = 0;
		loop->i = i;
		r->frame = f;
		r->jump = CHAT_GO;
		ok = chat_charge(r, 0) &&
		     chat_var_set(
			     r, f, CHAT_S("loop"), (struct chat_val){ .kind = CHAT_LOOP, .loop = loop }) &&
		     assign(r, n->a, v[i]) && chat_exec(r, n->body, n->n_body);
		*ret_whole |= r->jump == CHAT_GO;
	}
	r->jump = CHAT_GO;
	r->frame = outer;
	return ok;
}

static bool for_each(struct chat_run *r, const struct chat_node *n)
{
	const struct chat_val *v = NULL;
	struct chat_val in;
	u32 n_v = 0;
	if (!chat_eval(r, n->b, &in) || !chat_elements(r, &in, &v, &n_v))
		return false;
	if (n->c && !chosen(r, n, &v, &n_v))
		return false;
	bool whole = false;
	return iterate(r, n, v, n_v, &whole) && (whole || chat_exec(r, n->other, n->n_other));
}

static bool set(struct chat_run *r, const struct chat_node *n)
{
	struct chat_val v;
	return chat_eval(r, n->b, &v) && assign(r, n->a, v);
}

/* What the body prints, in a scope of its own. */
static bool capture(
	struct chat_run *r, const struct chat_node *n, struct chat_frame *up, struct chat_val *ret)
{
	struct chat_buf b = { 0 }, *out = r->out;
	struct chat_frame *outer = r->frame;
	r->frame = frame_new(r, up);
	r->out = &b;
	bool ok = r->frame && chat_exec(r, n->body, n->n_body);
	r->frame = outer;
	r->out = out;
	*ret = chat_text(chat_buf_str(&b));
	return ok;
}

static bool filtered(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	const struct chat_val *outer = r->body;
	struct chat_val body;
	if (!capture(r, n, r->frame, &body))
		return false;
	r->body = &body;
	bool ok = chat_eval(r, n->b, ret);
	r->body = outer;
	return ok;
}

static bool set_block(struct chat_run *r, const struct chat_node *n)
{
	struct chat_val v;
	return filtered(r, n, &v) && assign(r, n->a, v);
}

static bool filter_block(struct chat_run *r, const struct chat_node *n)
{
	struct chat_val v;
	return filtered(r, n, &v) && chat_print(r, r->out, &v, false);
}

static bool generation(struct chat_run *r, const struct chat_node *n)
{
	struct chat_val v;
	return capture(r, n, r->frame, &v) && chat_buf_add(r, r->out, v.s);
}

static bool evaluate(struct chat_run *r, const struct chat_node *n)
{
	struct chat_val v;
	return chat_eval(r, n->a, &v);
}

static bool jump(struct chat_run *r, const struct chat_node *n)
{
	r->jump = n->op == N_BREAK ? CHAT_BREAK : CHAT_CONTINUE;
	return true;
}

/* ---- macros -------------------------------------------------------------------------------------------------------------- */

static bool macro(struct chat_run *r, const struct chat_node *n)
{
	struct chat_macro *m = chat_alloc(r, sizeof *m);
	if (!m)
		return false;
	*m = (struct chat_macro){ n, r->frame };
	for (struct chat_frame *f = r->frame; f; f = f->up)
		f->kept = true;
	return chat_var_set(r, r->frame, n->name, (struct chat_val){ .kind = CHAT_MACRO, .macro = m });
}

/* Value of parameter i: given by position or name, its default, or undefined. */
static bool parameter(struct chat_run *r, const struct chat_node *param, u32 i, const struct chat_call *c)
{
	struct chat_val v = i < c->n ? c->v[i] : chat_undefined(param->key);
	bool given = i < c->n;
	for (u32 k = 0; k < c->n_kw; k++)
		if (chat_str_eq(c->kw_name[k], param->key)) {
			if (given)
				return chat_fail(r, "an argument is given twice");
			given = true;
			v = c->kw[k];
		}
	if (!given && param->a && !chat_eval(r, param->a, &v))
		return false;
	return chat_var_set(r, r->frame, param->key, v);
}

static bool names_known(struct chat_run *r, const struct chat_node *n, const struct chat_call *c)
{
	for (u32 k = 0; k < c->n_kw; k++) {
		bool known = false;
		for (u32 i = 0; i < n->n; i++)
			known |= chat_str_eq(n->list[i]->key, c->kw_name[k]);
		if (!known)
			return chat_fail(r, "the macro has no parameter '%.*s'",
				(int)MIN(c->kw_name[k].len, 40u), c->kw_name[k].p);
	}
	return c->n <= n->n || chat_fail(r, "the macro takes %u arguments, not %u", n->n, c->n);
}

bool chat_macro_call(
	struct chat_run *r, const struct chat_macro *m, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_frame *outer = r->frame, *params;
	if (!names_known(r, m->node, c))
		return false;
	params = frame_new(r, m->frame);
	if (!params)
		return false;
	r->frame = params;
	bool ok = chat_enter(r);
	for (u32 i = 0; ok && i < m->node->n; i++)
		ok = parameter(r, m->node->list[i], i, c);
	ok = ok && capture(r, m->node, params, ret);
	chat_leave(r);
	r->frame = outer;
	return ok;
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

bool chat_exec(struct chat_run *r, struct chat_node *const *body, u32 n)
{
	static bool (*const table[])(struct chat_run *, const struct chat_node *) = {
		[N_DATA] = data,
		[N_OUTPUT] = output,
		[N_IF] = if_else,
		[N_FOR] = for_each,
		[N_SET] = set,
		[N_SET_BLOCK] = set_block,
		[N_MACRO] = macro,
		[N_BREAK] = jump,
		[N_CONTINUE] = jump,
		[N_FILTER] = filter_block,
		[N_GENERATION] = generation,
		[N_DO] = evaluate,
	};
	bool ok = chat_enter(r);
	for (u32 i = 0; ok && i < n && r->jump == CHAT_GO; i++) {
		assert(body[i]->op < ARRAY_LEN(table) && table[body[i]->op]);
		r->line = body[i]->line;
		ok = chat_charge(r, 0) && table[body[i]->op](r, body[i]);
		if (r->out->n > REQUEST_BYTES_MAX)
			ok = chat_fail(r, "it prints more than %u bytes", REQUEST_BYTES_MAX);
	}
	chat_leave(r);
	return ok;
}
