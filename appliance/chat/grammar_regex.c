/* Patterns: what ECMA-262 and JSON schemas share, less what no finite automaton can do. The pattern describes the text of a JSON
 * string; each of its characters is written as JSON writes it. A pattern that is not held by ^ and $ may stand anywhere in the text. */
#include "chat/grammar_texts.h"

#include <string.h>

struct regex {
	struct chat_gb *b;
	struct chat_str s;
	u32 at, depth;
	const char *where;
	bool held;  /* '^' has been read: every alternative begins where the text does */
	bool looks; /* this is what a pattern looks ahead for: it ends at a ')' */
};

static u32 alternatives(struct regex *x, u32 from);

static bool refuse(struct regex *x, const char *what)
{
	return chat_gb_fail(x->b, x->where, "pattern: %s at byte %u is outside the subset", what, x->at);
}

static char peek(const struct regex *x, u32 ahead)
{
	return ahead < x->s.len - x->at ? x->s.p[x->at + ahead] : 0;
}

static bool more(const struct regex *x)
{
	return chat_gb_ok(x->b) && x->at < x->s.len;
}

static bool take(struct regex *x, char c)
{
	if (!more(x) || peek(x, 0) != c)
		return false;
	x->at++;
	return true;
}

static void add(struct regex *x, struct chat_set *s, u32 lo, u32 hi)
{
	if (!chat_set_add(s, lo, hi))
		refuse(x, "a class of more than 256 ranges");
}

/* \d \w \s and their opposites, added to s. */
static bool shorthand(struct regex *x, char c, struct chat_set *s)
{
	static const struct {
		char name;
		u32 n, v[5][2];
	} table[] = {
		{ 'd', 1, { { '0', '9' } } },
		{ 'w', 4, { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } } },
		{ 's', 5,
			{ { 9, 13 }, { ' ', ' ' }, { 0xa0, 0xa0 }, { 0x2028, 0x2029 }, { 0xfeff, 0xfeff } } }
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct chat_set own = { .n = 0 };
		if ((c | 0x20) != table[i].name)
			continue;
		for (u32 k = 0; k < table[i].n; k++)
			add(x, &own, table[i].v[k][0], table[i].v[k][1]);
		chat_set_close(&own, c != table[i].name);
		for (u32 k = 0; k < own.n; k++)
			add(x, s, own.v[k].lo, own.v[k].hi);
		return true;
	}
	return false;
}

static u32 hex(struct regex *x, u32 n)
{
	u32 v = 0;
	for (u32 i = 0; i < n; i++) {
		char c = peek(x, 0);
		const char *digits = "0123456789abcdef",
			   *p = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
		if (!p) {
			refuse(x, "an escape without its digits");
			return 0;
		}
		v = v << 4 | (u32)(p - digits);
		x->at++;
	}
	return v;
}

/* Behind a backslash: one character. */
static u32 escaped(struct regex *x)
{
	static const char from[] = "nrtfv0", to[] = "\n\r\t\f\v\0";
	u32 n, cp = chat_char_at(x->s, x->at, &n);
	const char *p = cp < 0x80 && cp ? strchr(from, (int)cp) : NULL;
	x->at += n;
	if (p)
		return (u8)to[p - from];
	if (cp == 'x')
		return hex(x, 2);
	if (cp == 'u')
		return hex(x, 4);
	if (cp < 0x80 && ((cp >= '1' && cp <= '9') || ((cp | 0x20) >= 'a' && (cp | 0x20) <= 'z'))) {
		x->at -= n;
		refuse(x, cp <= '9' ? "a back reference" : "this escape");
	}
	return cp;
}

/* One end of a range in a class; false: it was a shorthand, which is in the set now. */
static bool class_char(struct regex *x, struct chat_set *s, u32 *ret)
{
	u32 n;
	*ret = 0;
	if (!take(x, '\\')) {
		*ret = chat_char_at(x->s, x->at, &n);
		x->at += n;
		return true;
	}
	if (!more(x))
		return refuse(x, "a backslash at the end");
	if (shorthand(x, peek(x, 0), s)) {
		x->at++;
		return false;
	}
	if (take(x, 'b')) {
		*ret = 8;
		return true;
	}
	*ret = escaped(x);
	return true;
}

/* Behind '['. */
static void class(struct regex *x, struct chat_set *s)
{
	bool negated = take(x, '^');
	u32 lo, hi;
	while (more(x) && peek(x, 0) != ']') {
		if (!class_char(x, s, &lo))
			continue;
		hi = lo;
		if (peek(x, 0) == '-' && peek(x, 1) && peek(x, 1) != ']') {
			x->at++;
			if (!class_char(x, s, &hi) || hi < lo)
				refuse(x, "this range of a class");
		}
		add(x, s, lo, hi);
	}
	if (chat_gb_ok(x->b) && !take(x, ']'))
		refuse(x, "a class without its end");
	chat_set_close(s, negated);
}

static void group_head(struct regex *x)
{
	if (!take(x, '?'))
		return;
	if (take(x, ':'))
		return;
	if (peek(x, 0) == '<' && peek(x, 1) != '=' && peek(x, 1) != '!') {
		while (more(x) && !take(x, '>'))
			x->at++;
		return;
	}
	refuse(x, "looking ahead or behind");
}

/* One character, class or group from `from` on; the state behind. */
static u32 atom(struct regex *x, u32 from)
{
	struct chat_set s = { .n = 0 };
	u32 n;
	if (take(x, '(')) {
		group_head(x);
		u32 to = alternatives(x, from);
		if (chat_gb_ok(x->b) && !take(x, ')'))
			refuse(x, "a group without its end");
		return to;
	}
	if (take(x, '[')) {
		class(x, &s);
	} else if (take(x, '.')) {
		add(x, &s, '\n', '\n');
		add(x, &s, '\r', '\r');
		add(x, &s, 0x2028, 0x2029);
		chat_set_close(&s, true);
	} else if (take(x, '\\')) {
		if (!more(x))
			refuse(x, "a backslash at the end");
		else if (shorthand(x, peek(x, 0), &s))
			x->at++;
		else {
			u32 cp = escaped(x);
			add(x, &s, cp, cp);
		}
		chat_set_close(&s, false);
	} else if (strchr("*+?{^$", peek(x, 0))) {
		refuse(x, peek(x, 0) == '^' || peek(x, 0) == '$' ? "^ or $ in the middle"
								 : "a repetition of nothing");
	} else {
		u32 cp = chat_char_at(x->s, x->at, &n);
		x->at += n;
		add(x, &s, cp, cp);
	}
	u32 to = chat_gb_state(x->b);
	chat_gb_string_set(x->b, from, &s, to);
	return to;
}

static u32 number(struct regex *x)
{
	u32 v = 0;
	if (!more(x) || peek(x, 0) < '0' || peek(x, 0) > '9')
		refuse(x, "this repetition");
	while (more(x) && peek(x, 0) >= '0' && peek(x, 0) <= '9' && v <= GRAMMAR_REPEAT_MAX)
		v = v * 10 + (u32)(x->s.p[x->at++] - '0');
	if (v > GRAMMAR_REPEAT_MAX)
		refuse(x, "a repetition beyond GRAMMAR_REPEAT_MAX");
	return v;
}

static void counts(struct regex *x, u32 *min, u32 *max)
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
		*min = *max = number(x);
		if (take(x, ','))
			*max = peek(x, 0) == '}' ? CHAT_GB_NO_MAX : number(x);
		if (chat_gb_ok(x->b) && (!take(x, '}') || *max < *min))
			refuse(x, "this repetition");
	} else {
		return;
	}
	(void)take(x, '?'); /* as few as possible: the same texts */
}

static u32 any_text(struct chat_gb *b, u32 from)
{
	u32 in = chat_gb_state(b);
	chat_gb_skip(b, from, in);
	chat_gb_string_char(b, in, in);
	return in;
}

static u32 sequence(struct regex *x, u32 from)
{
	bool top = x->depth == 1, held = top && (take(x, '^') || x->held);
	u32 at = chat_gb_state(x->b);
	chat_gb_skip(x->b, from, at);
	if (top && !held)
		at = any_text(x->b, at);
	while (more(x) && peek(x, 0) != '|' && peek(x, 0) != ')') {
		u32 min, max, begin = chat_gb_state(x->b);
		bool last = x->at + 1 == x->s.len || peek(x, 1) == '|' || (x->looks && peek(x, 1) == ')');
		if (top && peek(x, 0) == '$' && last) {
			x->at++;
			return at;
		}
		u32 end = atom(x, begin);
		counts(x, &min, &max);
		at = chat_gb_times(x->b, at, begin, end, min, max);
	}
	return top ? any_text(x->b, at) : at;
}

static u32 alternatives(struct regex *x, u32 from)
{
	u32 to = chat_gb_state(x->b);
	if (++x->depth > GRAMMAR_NEST_MAX)
		refuse(x, "a group deeper than GRAMMAR_NEST_MAX");
	do
		chat_gb_skip(x->b, sequence(x, from), to);
	while (take(x, '|'));
	x->depth--;
	return to;
}

/* ---- what a pattern looks ahead for where the text begins: it holds the whole text as the pattern does ---- */

static bool looks_ahead(const struct regex *x)
{
	return peek(x, 0) == '(' && peek(x, 1) == '?' && (peek(x, 2) == '=' || peek(x, 2) == '!');
}

bool chat_regex_looks(struct chat_str pattern)
{
	const struct regex x = { .s = pattern, .at = 1 };
	return pattern.len > 3 && pattern.p[0] == '^' && looks_ahead(&x);
}

static bool look(struct regex *x, struct chat_texts *t)
{
	bool not = peek(x, 2) == '!';
	x->at += 3;
	if (!chat_texts_begin(t, not, x->where))
		return false;
	x->looks = true;
	chat_texts_end(t, alternatives(x, t->side[t->n].start));
	x->looks = false;
	return take(x, ')') || refuse(x, "a group without its end");
}

bool chat_texts_pattern(struct chat_texts *t, struct chat_str pattern, bool not, const char *where)
{
	struct regex x = { .b = &t->nfa, .s = pattern, .where = where };
	bool looks = chat_regex_looks(pattern);
	if (looks && not )
		return refuse(&x, "looking ahead in a pattern that names must not fit");
	x.held = looks && take(&x, '^');
	while (looks && looks_ahead(&x))
		if (!look(&x, t))
			return false;
	if (!chat_texts_begin(t, not, where))
		return false;
	u32 start = t->side[t->n].start, to = chat_gb_state(x.b);
	x.depth = 1;
	chat_gb_skip(x.b, sequence(&x, start), to);
	if (looks && more(&x) && peek(&x, 0) == '|')
		return refuse(&x, "looking ahead in one of several alternatives");
	while (take(&x, '|'))
		chat_gb_skip(x.b, sequence(&x, start), to);
	if (chat_gb_ok(x.b) && x.at < x.s.len)
		return refuse(&x, "a ')' without its '('");
	chat_texts_end(t, to);
	return chat_gb_ok(x.b);
}

u32 chat_gb_regex(struct chat_gb *b, u32 from, struct chat_str pattern, const char *where)
{
	struct regex x = { .b = b, .s = pattern, .where = where };
	u32 to = alternatives(&x, from);
	if (chat_gb_ok(b) && x.at < x.s.len)
		refuse(&x, "a ')' without its '('");
	return to;
}
