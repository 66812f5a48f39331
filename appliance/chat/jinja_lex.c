/* A template to tokens. Blanks around tags go as with Jinja's trim_blocks and lstrip_blocks: the newline behind a block is not
 * text, nor are the blanks in front of one on its line; "-" takes all blanks on its side, "+" keeps them. */
#include "chat/jinja.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lex {
	struct chat_run *r;
	const char *s;
	u32 len, at, line;
	struct chat_token *t;
	u32 n, cap;
	u32 n_open; /* brackets */
	char open[TEMPLATE_DEPTH_MAX];
	bool line_starting; /* the last token ended a line */
};

static bool add(struct lex *x, struct chat_token t)
{
	if (x->n == x->cap) {
		u32 cap = x->cap ? 2 * x->cap : 256;
		struct chat_token *p = chat_alloc(x->r, cap * sizeof *p);
		if (!p)
			return false;
		if (x->n)
			memcpy(p, x->t, x->n * sizeof *p);
		x->t = p;
		x->cap = cap;
	}
	t.line = x->line;
	x->t[x->n++] = t;
	return true;
}

static bool bad(struct lex *x, const char *what)
{
	x->r->line = x->line;
	return chat_fail(x->r, "%s", what);
}

static char look(const struct lex *x, u32 ahead)
{
	return x->at + ahead < x->len ? x->s[x->at + ahead] : 0;
}

static void skip(struct lex *x, u32 n)
{
	for (; n; n--)
		x->line += x->s[x->at++] == '\n';
}

static void skip_spaces(struct lex *x)
{
	struct chat_str s = { .p = x->s, .len = x->len };
	while (x->at < x->len && chat_is_space(s, x->at))
		skip(x, chat_char_len(s, x->at));
}

/* ---- text between tags --------------------------------------------------------------------------------------------------- */

/* Where the next tag begins. */
static u32 tag_find(const struct lex *x)
{
	for (u32 i = x->at; i + 1 < x->len; i++)
		if (x->s[i] == '{' && (x->s[i + 1] == '{' || x->s[i + 1] == '%' || x->s[i + 1] == '#'))
			return i;
	return x->len;
}

/* The text in front of a tag without the blanks that go. */
static struct chat_str text_before(const struct lex *x, u32 end, char tag, char sign)
{
	struct chat_str text = { .p = x->s + x->at, .len = end - x->at };
	if (sign == '-')
		return chat_str_strip(text, NULL, false, true);
	if (sign == '+' || tag == '{')
		return text;
	u32 line = text.len;
	while (line && text.p[line - 1] != '\n')
		line--;
	if (line == 0 && !x->line_starting)
		return text;
	for (u32 i = line; i < text.len; i += chat_char_len(text, i))
		if (!chat_is_space(text, i))
			return text;
	return chat_str_cut(text, 0, line);
}

static bool text(struct lex *x, u32 end)
{
	char tag = end < x->len ? x->s[end + 1] : 0, sign = end + 2 < x->len ? x->s[end + 2] : 0;
	struct chat_str s = tag ? text_before(x, end, tag, sign)
				: (struct chat_str){ .p = x->s + x->at, .len = end - x->at };
	if (s.len && !add(x, (struct chat_token){ .type = T_DATA, .text = s }))
		return false;
	skip(x, end - x->at);
	return true;
}

/* Behind "%}" or "#}": trim_blocks. */
static void newline_skip(struct lex *x)
{
	x->line_starting = look(x, 0) == '\n';
	if (x->line_starting)
		skip(x, 1);
}

static void spaces_skip_after(struct lex *x)
{
	skip_spaces(x);
	x->line_starting = x->at && x->s[x->at - 1] == '\n';
}

static bool comment(struct lex *x)
{
	skip(x, look(x, 2) == '-' || look(x, 2) == '+' ? 3 : 2);
	for (u32 from = x->at; x->at < x->len; skip(x, 1)) {
		if (look(x, 0) != '#' || look(x, 1) != '}')
			continue;
		char sign = x->at > from ? x->s[x->at - 1] : 0;
		skip(x, 2);
		if (sign == '-')
			spaces_skip_after(x);
		else if (sign == '+')
			x->line_starting = false;
		else
			newline_skip(x);
		return true;
	}
	return bad(x, "a comment without an end");
}

/* ---- tokens inside tags -------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
	return c == '_' || is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool number(struct lex *x)
{
	char buf[64];
	u32 n = 0;
	bool is_float = false, after_dot = x->at && x->s[x->at - 1] == '.';
	for (; n < sizeof buf - 1; skip(x, 1)) {
		char c = look(x, 0);
		if (c == '_' && is_digit(look(x, 1)))
			continue;
		if (c == '.' && !is_float && !after_dot && is_digit(look(x, 1)))
			is_float = true;
		else if ((c == 'e' || c == 'E') && !after_dot &&
			 (is_digit(look(x, 1)) ||
				 (strchr("+-", look(x, 1)) && look(x, 1) && is_digit(look(x, 2))))) {
			is_float = true;
			buf[n++] = c;
			skip(x, 1);
			c = look(x, 0);
		} else if (!is_digit(c))
			break;
		buf[n++] = c;
	}
	buf[n] = 0;
	if (is_digit(look(x, 0)) || is_name(look(x, 0)))
		return bad(x, "a malformed number");
	struct chat_token t = { .type = is_float ? T_FLOAT : T_INT };
	errno = 0;
	if (is_float)
		t.f = strtod(buf, NULL);
	else
		t.i = strtoll(buf, NULL, 10);
	if (errno && !is_float)
		return bad(x, "a number too large");
	return add(x, t);
}

static u32 utf8_put(u32 cp, char *out)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	u32 n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (u32 i = n; i-- > 1; cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | cp);
	return n;
}

/* \xHH, \uHHHH, \UHHHHHHHH behind the letter; false: malformed. */
static bool hex_escape(const char *s, u32 left, u32 digits, u32 *ret_cp)
{
	u32 cp = 0;
	if (left < digits)
		return false;
	for (u32 i = 0; i < digits; i++) {
		char c = s[i];
		u32 v = is_digit(c)				   ? (u32)(c - '0')
			: ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') ? (u32)((c | 0x20) - 'a' + 10)
								   : 16;
		if (v == 16 || cp >> 28)
			return false;
		cp = cp << 4 | v;
	}
	*ret_cp = cp;
	return cp < 0x110000 && !(cp >= 0xd800 && cp < 0xe000);
}

/* One escape of a string, s[0] behind the backslash: bytes read, 0 malformed. */
static u32 escape(const char *s, u32 left, char *out, u32 *n)
{
	static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
	const char *p = strchr(from, s[0]);
	u32 cp = 0, digits = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : s[0] == 'U' ? 8 : 0;
	if (p && *p) {
		out[(*n)++] = to[p - from];
		return 1;
	}
	if (digits) {
		if (!hex_escape(s + 1, left - 1, digits, &cp))
			return 0;
		*n += utf8_put(cp, out + *n);
		return 1 + digits;
	}
	if (s[0] >= '0' && s[0] <= '7') {
		u32 k = 0;
		for (; k < 3 && k < left && s[k] >= '0' && s[k] <= '7'; k++)
			cp = cp * 8 + (u32)(s[k] - '0');
		*n += utf8_put(cp, out + *n);
		return k;
	}
	if (s[0] == 'N')
		return 0;
	if (s[0] != '\n')
		out[(*n)++] = '\\'; /* Python keeps what it does not know */
	else
		return 1;
	out[(*n)++] = s[0];
	return 1;
}

static bool string(struct lex *x)
{
	char quote = look(x, 0);
	u32 end = x->at + 1, n = 0;
	while (end < x->len && x->s[end] != quote)
		end += x->s[end] == '\\' ? 2 : 1;
	if (end >= x->len)
		return bad(x, "a string without an end");
	char *out = chat_alloc(x->r, 2 * (size_t)(end - x->at) + 8);
	if (!out)
		return false;
	for (u32 i = x->at + 1; i < end;) {
		if (x->s[i] != '\\') {
			out[n++] = x->s[i++];
			continue;
		}
		u32 k = escape(x->s + i + 1, end - i - 1, out, &n);
		if (!k)
			return bad(x, "an escape in a string that Keep does not know");
		i += 1 + k;
	}
	bool ok = add(x, (struct chat_token){ .type = T_STRING, .text = { .p = out, .len = n } });
	skip(x, end + 1 - x->at);
	return ok;
}

static bool bracket(struct lex *x, char c)
{
	const char *pair = strchr("()[]{}", c);
	if (!pair)
		return true;
	if (strchr("([{", c)) {
		if (x->n_open == sizeof x->open)
			return bad(x, "brackets are nested too deep");
		x->open[x->n_open++] = pair[1];
	} else if (x->n_open == 0 || x->open[--x->n_open] != c) {
		return bad(x, "a bracket that does not fit");
	}
	return true;
}

static bool operator(struct lex *x)
{
	static const struct {
		char text[3];
		u8 op;
	} two[] = { { "==", OP_EQ }, { "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE }, { "//", OP_FLOORDIV },
		{ "**", OP_POW } };
	char c = look(x, 0);
	struct chat_token t = { .type = T_OP, .op = (u8)c };
	u32 n = 1;
	for (size_t i = 0; i < ARRAY_LEN(two); i++)
		if (c == two[i].text[0] && look(x, 1) == two[i].text[1]) {
			t.op = two[i].op;
			n = 2;
		}
	if (n == 1 && (!c || !strchr("+-*/%~<>=.,:|()[]{}", c)))
		return bad(x, "a character that has no meaning in a tag");
	if (!bracket(x, n == 1 ? c : ' '))
		return false;
	skip(x, n);
	return add(x, t);
}

/* The end of a tag, if it is here. *ret_done says so. */
static bool tag_end(struct lex *x, char tag, bool *ret_done)
{
	char close = tag == '{' ? '}' : '%', sign = look(x, 0);
	u32 n = sign == '-' || (sign == '+' && tag == '%') ? 1 : 0;
	*ret_done = x->n_open == 0 && look(x, n) == close && look(x, n + 1) == '}';
	if (!*ret_done)
		return true;
	if (!add(x, (struct chat_token){ .type = tag == '{' ? T_VAR_END : T_BLOCK_END }))
		return false;
	skip(x, n + 2);
	x->line_starting = false;
	if (n && sign == '-')
		spaces_skip_after(x);
	else if (!n && tag == '%')
		newline_skip(x);
	return true;
}

static bool token(struct lex *x)
{
	char c = look(x, 0);
	if (is_digit(c))
		return number(x);
	if (c == '\'' || c == '"')
		return string(x);
	if (!is_name(c))
		return operator(x);
	u32 n = 1;
	while (is_name(look(x, n)))
		n++;
	bool ok = add(x, (struct chat_token){ .type = T_NAME, .text = { .p = x->s + x->at, .len = n } });
	skip(x, n);
	return ok;
}

static bool tag(struct lex *x)
{
	char kind = look(x, 1), sign = look(x, 2);
	if (kind == '#')
		return comment(x);
	if (!add(x, (struct chat_token){ .type = kind == '{' ? T_VAR_BEGIN : T_BLOCK_BEGIN }))
		return false;
	skip(x, sign == '-' || sign == '+' ? 3 : 2);
	for (bool done = false;;) {
		skip_spaces(x);
		if (x->at >= x->len)
			return bad(x, "a tag without an end");
		if (!tag_end(x, kind, &done))
			return false;
		if (done)
			return true;
		if (!token(x))
			return false;
	}
}

/* With "\n" for every kind of line end and without the last one. */
static bool normalise(struct lex *x, const char *source, size_t len)
{
	char *s = chat_alloc(x->r, len + 1);
	if (!s)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (source[i] == '\r' && i + 1 < len && source[i + 1] == '\n')
			continue;
		s[x->len++] = source[i] == '\r' ? '\n' : source[i];
	}
	if (x->len && s[x->len - 1] == '\n')
		x->len--;
	x->s = s;
	return true;
}

bool chat_lex(struct chat_run *r, const char *source, size_t len, struct chat_token **ret)
{
	struct lex x = { .r = r, .line = 1, .line_starting = true };
	if (len > TEMPLATE_BYTES_MAX)
		return chat_fail(r, "it is longer than %u bytes", TEMPLATE_BYTES_MAX);
	if (!normalise(&x, source, len))
		return false;
	while (x.at < x.len) {
		u32 end = tag_find(&x);
		if (!text(&x, end))
			return false;
		if (end < x.len && !tag(&x))
			return false;
	}
	if (!add(&x, (struct chat_token){ .type = T_END }))
		return false;
	*ret = x.t;
	return true;
}
