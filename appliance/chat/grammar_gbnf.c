/* GBNF, the notation of llama.cpp: name ::= alternatives of literals "…", classes […], '.', names, (groups), with * + ? {m,n}. A rule
 * goes on across a line end inside of brackets, behind '|' and in front of one. "root" is the whole. */
#include "chat/grammar_build.h"

#include <stdio.h>
#include <string.h>

struct rule {
	struct chat_str name;
	u32 entry;
	bool defined;
	u32 line; /* of its first mention */
};

struct gbnf {
	struct chat_gb *b;
	struct chat_str s;
	u32 at, line, depth;
	struct rule *rule;
	u32 n, cap;
};

static u32 alternatives(struct gbnf *x, u32 from);

static bool refuse_at(struct gbnf *x, u32 line, const char *what, struct chat_str name)
{
	char where[32];
	snprintf(where, sizeof where, "line %u", line);
	return name.len ? chat_gb_fail(x->b, where, "%s \"%.*s\"", what, (int)MIN(name.len, 60u), name.p)
			: chat_gb_fail(x->b, where, "%s", what);
}

static bool refuse(struct gbnf *x, const char *what)
{
	return refuse_at(x, x->line, what, (struct chat_str){ 0 });
}

static char peek(const struct gbnf *x)
{
	return x->at < x->s.len ? x->s.p[x->at] : 0;
}

static bool more(const struct gbnf *x)
{
	return chat_gb_ok(x->b) && x->at < x->s.len;
}

static bool take(struct gbnf *x, char c)
{
	if (!more(x) || peek(x) != c)
		return false;
	x->line += c == '\n';
	x->at++;
	return true;
}

static void blanks(struct gbnf *x, bool lines)
{
	while (more(x)) {
		if (peek(x) == '#')
			while (more(x) && peek(x) != '\n')
				x->at++;
		else if (!take(x, ' ') && !take(x, '\t') && !take(x, '\r') && !(lines && take(x, '\n')))
			break;
	}
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

static struct chat_str name(struct gbnf *x)
{
	u32 from = x->at;
	while (more(x) && is_name(peek(x)))
		x->at++;
	if (x->at == from)
		refuse(x, "a name is missing");
	return chat_str_cut(x->s, from, x->at);
}

/* The rule of that name, made where it is not known yet. */
static struct rule *rule_of(struct gbnf *x, struct chat_str called)
{
	static struct rule none;
	if (!chat_charge(x->b->r, 64ull * x->n))
		return &none;
	for (u32 i = 0; i < x->n; i++)
		if (chat_str_eq(x->rule[i].name, called))
			return &x->rule[i];
	if (x->n == x->cap) {
		u32 cap = x->cap ? 2 * x->cap : 64;
		struct rule *p = chat_alloc(x->b->r, cap * sizeof *p);
		if (!p)
			return &none;
		if (x->n)
			memcpy(p, x->rule, x->n * sizeof *p);
		x->rule = p;
		x->cap = cap;
	}
	x->rule[x->n] = (struct rule){ .name = called, .entry = chat_gb_state(x->b), .line = x->line };
	return &x->rule[x->n++];
}

static u32 hex(struct gbnf *x, u32 n)
{
	u32 v = 0;
	for (u32 i = 0; i < n; i++) {
		char c = peek(x);
		const char *digits = "0123456789abcdef",
			   *p = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
		if (!p) {
			refuse(x, "an escape without its digits");
			return 0;
		}
		v = v << 4 | (u32)(p - digits);
		x->at++;
	}
	if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		refuse(x, "an escape that is no character");
	return v;
}

static u32 character(struct gbnf *x)
{
	static const char from[] = "nrt\"\\[]-^'", to[] = "\n\r\t\"\\[]-^'";
	u32 n, cp = chat_char_at(x->s, x->at, &n);
	if (cp == '\n')
		refuse(x, "a line end inside of quotes");
	x->at += n;
	if (cp != '\\')
		return cp;
	if (take(x, 'x'))
		return hex(x, 2);
	if (take(x, 'u'))
		return hex(x, 4);
	if (take(x, 'U'))
		return hex(x, 8);
	const char *p = peek(x) ? strchr(from, peek(x)) : NULL;
	if (!p) {
		refuse(x, "an unknown escape");
		return 0;
	}
	x->at++;
	return (u8)to[p - from];
}

static u32 literal(struct gbnf *x, u32 at)
{
	while (more(x) && peek(x) != '"') {
		u32 to = chat_gb_state(x->b), cp = character(x);
		chat_gb_chars(x->b, at, cp, cp, to);
		at = to;
	}
	if (chat_gb_ok(x->b) && !take(x, '"'))
		refuse(x, "a literal without its end");
	return at;
}

static u32 class(struct gbnf *x, u32 from)
{
	struct chat_set s = { .n = 0 };
	bool negated = take(x, '^');
	u32 to = chat_gb_state(x->b);
	while (more(x) && peek(x) != ']') {
		u32 lo = character(x), hi = lo;
		if (peek(x) == '-' && x->at + 1 < x->s.len && x->s.p[x->at + 1] != ']') {
			x->at++;
			hi = more(x) ? character(x) : 0;
		}
		if (hi < lo || !chat_set_add(&s, lo, hi))
			refuse(x, "a class with a range that is empty, or one too many");
	}
	if (chat_gb_ok(x->b) && !take(x, ']'))
		refuse(x, "a class without its end");
	chat_set_close(&s, negated);
	for (u32 i = 0; i < s.n; i++)
		chat_gb_chars(x->b, from, s.v[i].lo, s.v[i].hi, to);
	return to;
}

static u32 atom(struct gbnf *x, u32 from)
{
	u32 to;
	if (take(x, '"'))
		return literal(x, from);
	if (take(x, '['))
		return class(x, from);
	to = chat_gb_state(x->b);
	if (take(x, '.')) {
		chat_gb_chars(x->b, from, 0, 0x10ffff, to);
		return to;
	}
	if (take(x, '(')) {
		blanks(x, true);
		u32 end = alternatives(x, from);
		if (chat_gb_ok(x->b) && !take(x, ')'))
			refuse(x, "a ')' is missing");
		return end;
	}
	chat_gb_call(x->b, from, rule_of(x, name(x))->entry, to);
	return to;
}

static u32 number(struct gbnf *x)
{
	u32 v = 0, from = x->at;
	while (more(x) && peek(x) >= '0' && peek(x) <= '9' && v <= GRAMMAR_REPEAT_MAX)
		v = v * 10 + (u32)(x->s.p[x->at++] - '0');
	if (x->at == from || v > GRAMMAR_REPEAT_MAX)
		refuse(x, "a repetition without a number, or beyond GRAMMAR_REPEAT_MAX");
	return v;
}

static void counts(struct gbnf *x, u32 *min, u32 *max)
{
	*min = *max = 1;
	if (take(x, '*')) {
		*min = 0;
		*max = CHAT_GB_NO_MAX;
	} else if (take(x, '+')) {
		*max = CHAT_GB_NO_MAX;
	} else if (take(x, '?')) {
		*min = 0;
	} else if (take(x, '{')) {
		blanks(x, false);
		*min = *max = number(x);
		blanks(x, false);
		if (take(x, ',')) {
			blanks(x, false);
			*max = peek(x) == '}' ? CHAT_GB_NO_MAX : number(x);
			blanks(x, false);
		}
		if (chat_gb_ok(x->b) && (!take(x, '}') || *max < *min))
			refuse(x, "a repetition that is none");
	}
}

static u32 sequence(struct gbnf *x, u32 from)
{
	u32 at = chat_gb_state(x->b);
	bool nested = x->depth > 1;
	chat_gb_skip(x->b, from, at);
	while (more(x) && (is_name(peek(x)) || strchr("\"[.(", peek(x)))) {
		u32 min, max, begin = chat_gb_state(x->b), end = atom(x, begin);
		counts(x, &min, &max);
		at = chat_gb_times(x->b, at, begin, end, min, max);
		blanks(x, nested);
	}
	return at;
}

/* A '|' here, or at the beginning of a line below. */
static bool another(struct gbnf *x)
{
	u32 at = x->at, line = x->line;
	blanks(x, true);
	if (take(x, '|')) {
		blanks(x, true);
		return true;
	}
	x->at = at;
	x->line = line;
	return false;
}

static u32 alternatives(struct gbnf *x, u32 from)
{
	u32 to = chat_gb_state(x->b);
	if (++x->depth > GRAMMAR_NEST_MAX)
		refuse(x, "groups deeper than GRAMMAR_NEST_MAX");
	do
		chat_gb_skip(x->b, sequence(x, from), to);
	while (another(x));
	x->depth--;
	return to;
}

static void definition(struct gbnf *x)
{
	struct chat_str called = name(x);
	blanks(x, false);
	if (chat_gb_ok(x->b) && !(take(x, ':') && take(x, ':') && take(x, '=')))
		refuse_at(x, x->line, "\"::=\" is missing behind", called);
	blanks(x, true);
	struct rule *r = rule_of(x, called);
	if (chat_gb_ok(x->b) && r->defined)
		refuse_at(x, x->line, "a second definition of", called);
	r->defined = true;
	chat_gb_return(x->b, alternatives(x, r->entry));
	blanks(x, false);
	if (more(x) && !take(x, '\n'))
		refuse(x, "something else than a rule");
}

u32 chat_gb_gbnf(struct chat_gb *b, struct chat_str source)
{
	struct gbnf x = { .b = b, .s = source, .line = 1 };
	if (source.len && memchr(source.p, 0, source.len))
		refuse(&x, "a 0 byte");
	for (blanks(&x, true); more(&x); blanks(&x, true))
		definition(&x);
	for (u32 i = 0; i < x.n && chat_gb_ok(b); i++)
		if (!x.rule[i].defined)
			refuse_at(&x, x.rule[i].line, "no definition of", x.rule[i].name);
	u32 n = x.n;
	u32 root = chat_gb_ok(b) ? rule_of(&x, chat_cstr("root"))->entry : 0;
	if (chat_gb_ok(b) && x.n > n)
		chat_gb_fail(b, "the grammar", "it has no rule \"root\"");
	return root;
}
