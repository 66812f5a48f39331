#include "attest/spdx.h"
#include "base/bytes.h"

#include <strings.h>

static bool is_id(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == ':';
}

struct word {
	const char *p;
	size_t len;
};

static bool is(const struct word *w, const char *upper, const char *lower)
{
	size_t n = strlen(upper);
	return w->len == n && (!memcmp(w->p, upper, n) || !memcmp(w->p, lower, n));
}

static bool is_operator(const struct word *w)
{
	return is(w, "AND", "and") || is(w, "OR", "or") || is(w, "WITH", "with");
}

/* The next word: an id (with its '+'), or one parenthesis. len 0: the end. 0; 1 a character that nothing begins with. */
static int next(const char **at, const char *end, struct word *ret)
{
	const char *p = *at;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	*ret = (struct word){ p, 0 };
	if (p < end && (*p == '(' || *p == ')')) {
		ret->len = 1;
	} else {
		while (p + ret->len < end && is_id(p[ret->len]))
			ret->len++;
		if (ret->len && p + ret->len < end && p[ret->len] == '+')
			ret->len++;
		if (!ret->len && p < end)
			return 1;
	}
	*at = p + ret->len;
	return 0;
}

/* ---- terms ---------------------------------------------------------------------------------------------------------------- */

static bool cut_end(struct spdx_term *t, const char *end)
{
	size_t n = strlen(end);
	if (t->id_len <= n || strncasecmp(t->id + t->id_len - n, end, n))
		return false;
	t->id_len -= n;
	return true;
}

static int term_of(const struct word *w, struct spdx_term *ret)
{
	*ret = (struct spdx_term){ .id = w->p, .id_len = w->len };
	if (w->p[w->len - 1] == '+') {
		ret->later = true;
		ret->id_len--;
	}
	if (cut_end(ret, "-or-later"))
		ret->later = true;
	else
		(void)cut_end(ret, "-only");
	return ret->id_len ? 0 : 1;
}

/* The term that begins with *w; *w becomes the word behind it. */
static int term_take(
	const char **at, const char *end, struct word *w, struct spdx_term *ret, const char **ret_why)
{
	*ret_why = "a licence is missing";
	if (!w->len || *w->p == '(' || *w->p == ')' || is_operator(w) || term_of(w, ret))
		return 1;
	*ret_why = "a character that stands in no licence expression";
	if (next(at, end, w))
		return 1;
	if (!is(w, "WITH", "with"))
		return 0;
	if (next(at, end, w))
		return 1;
	*ret_why = "WITH needs an exception behind it";
	if (!w->len || *w->p == '(' || *w->p == ')' || is_operator(w) || w->p[w->len - 1] == '+')
		return 1;
	ret->exception = w->p;
	ret->exception_len = w->len;
	*ret_why = "a character that stands in no licence expression";
	return next(at, end, w);
}

int spdx_term_parse(const char *text, size_t len, struct spdx_term *ret, const char **ret_why)
{
	const char *at = text;
	struct word w;
	*ret_why = "a character that stands in no licence expression";
	if (len > SPDX_BYTES_MAX || next(&at, text + len, &w) || term_take(&at, text + len, &w, ret, ret_why))
		return 1;
	*ret_why = "more than one licence";
	return w.len ? 1 : 0;
}

/* Where the version at the end of an id begins: "Apache-2.0" at 7; len when there is none. */
static size_t version_at(const struct spdx_term *t)
{
	size_t i = t->id_len;
	while (i && ((t->id[i - 1] >= '0' && t->id[i - 1] <= '9') || t->id[i - 1] == '.'))
		i--;
	return i && t->id[i - 1] == '-' && i < t->id_len && t->id[i] != '.' ? i : t->id_len;
}

/* <0, 0, >0: dotted decimal numbers, missing parts are 0. */
static int version_compare(const char *a, size_t n, const char *b, size_t m)
{
	size_t i = 0, j = 0;
	while (i < n || j < m) {
		u64 x = 0, y = 0;
		for (; i < n && a[i] != '.'; i++)
			x = MIN(x * 10 + (u64)(a[i] - '0'), (u64)1 << 40);
		for (; j < m && b[j] != '.'; j++)
			y = MIN(y * 10 + (u64)(b[j] - '0'), (u64)1 << 40);
		if (x != y)
			return x < y ? -1 : 1;
		i++;
		j++;
	}
	return 0;
}

static bool ids_reach(const struct spdx_term *allowed, const struct spdx_term *asked)
{
	size_t a = version_at(allowed), b = version_at(asked);
	if (a != b || strncasecmp(allowed->id, asked->id, a))
		return false;
	if (a == allowed->id_len || b == asked->id_len)
		return allowed->id_len == asked->id_len;
	int c = version_compare(allowed->id + a, allowed->id_len - a, asked->id + b, asked->id_len - b);
	/* the licensor offers later versions too; or the officer allows them */
	return c == 0 || (c > 0 && asked->later) || (c < 0 && allowed->later);
}

bool spdx_term_allows(const struct spdx_term *allowed, const struct spdx_term *asked)
{
	if (!allowed->exception != !asked->exception)
		return false;
	if (asked->exception &&
		(allowed->exception_len != asked->exception_len ||
			strncasecmp(allowed->exception, asked->exception, asked->exception_len)))
		return false;
	return ids_reach(allowed, asked);
}

/* ---- expressions: values and operators on two stacks (Dijkstra) -------------------------------------------------------------- */

static const char too_long[] = "longer, or of more licences, than Keep reads";

struct decide {
	const char *at, *end, *why;
	struct word w; /* the one that is looked at */
	bool values[SPDX_TERMS_MAX];
	char ops[2 * SPDX_TERMS_MAX]; /* '(', '|', '&' */
	u32 n_values, n_ops, n_terms;
};

static int wrong(struct decide *d, const char *why)
{
	d->why = why;
	return 1;
}

static int word_next(struct decide *d)
{
	return next(&d->at, d->end, &d->w) ? wrong(d, "a character that stands in no licence expression") : 0;
}

static void reduce(struct decide *d)
{
	char op = d->ops[--d->n_ops];
	bool b = d->values[--d->n_values], *a = &d->values[d->n_values - 1];
	*a = op == '&' ? *a && b : *a || b;
}

static int push_op(struct decide *d, char op)
{
	while (op != '(' && d->n_ops && d->ops[d->n_ops - 1] != '(' &&
		(op == '|' || d->ops[d->n_ops - 1] == '&'))
		reduce(d);
	if (d->n_ops == ARRAY_LEN(d->ops))
		return wrong(d, too_long);
	d->ops[d->n_ops++] = op;
	return word_next(d);
}

static int close_parenthesis(struct decide *d)
{
	while (d->n_ops && d->ops[d->n_ops - 1] != '(')
		reduce(d);
	if (!d->n_ops)
		return wrong(d, "a parenthesis that nothing opened");
	d->n_ops--;
	return word_next(d);
}

static int push_term(struct decide *d, bool (*allowed)(void *ctx, const struct spdx_term *term), void *ctx)
{
	struct spdx_term t;
	if (term_take(&d->at, d->end, &d->w, &t, &d->why))
		return 1;
	if (++d->n_terms > SPDX_TERMS_MAX)
		return wrong(d, too_long);
	d->values[d->n_values++] = allowed(ctx, &t);
	return 0;
}

static int push_and_or(struct decide *d)
{
	bool both = is(&d->w, "AND", "and");
	if (!both && !is(&d->w, "OR", "or"))
		return wrong(d, "AND or OR is missing between two licences");
	return push_op(d, both ? '&' : '|');
}

static int reduce_all(struct decide *d)
{
	while (d->n_ops) {
		if (d->ops[d->n_ops - 1] == '(')
			return wrong(d, "a parenthesis that nothing closed");
		reduce(d);
	}
	return 0;
}

static int decide(struct decide *d, bool (*allowed)(void *ctx, const struct spdx_term *term), void *ctx)
{
	int r = word_next(d);
	while (!r) {
		while (!r && d->w.len && *d->w.p == '(')
			r = push_op(d, '(');
		r = r ? r : push_term(d, allowed, ctx);
		while (!r && d->w.len && *d->w.p == ')')
			r = close_parenthesis(d);
		if (!r && !d->w.len)
			return reduce_all(d);
		r = r ? r : push_and_or(d);
	}
	return r;
}

int spdx_decide(const char *text, size_t len, bool (*allowed)(void *ctx, const struct spdx_term *term),
	void *ctx, bool *ret_ok, const char **ret_why)
{
	struct decide d = { .at = text, .end = text + len, .why = too_long };
	if (len > SPDX_BYTES_MAX || decide(&d, allowed, ctx)) {
		*ret_why = d.why;
		return 1;
	}
	*ret_ok = d.values[0];
	return 0;
}
