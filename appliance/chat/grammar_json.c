/* What JSON is made of, written so that every reader takes it: no escaped NUL, no half of a surrogate pair, at most 15 digits. */
#include "chat/grammar_build.h"

#include <string.h>

#define DIGITS_MAX 15u /* of a number, in front of the point and behind: exact in every reader */
#define BLANKS_MAX 4u  /* between the parts of a call: models write two line ends at most */
#define INDENT_MAX 20u /* blanks behind a line end; a model that likes blanks comes to an end */

/* Optional white space: nothing, a blank, or a line end and some blanks. */
static void make_ws(struct chat_gb *b, u32 at)
{
	u32 end = chat_gb_state(b);
	chat_gb_byte(b, at, ' ', ' ', end);
	chat_gb_return(b, at);
	chat_gb_return(b, end);
	u32 line = chat_gb_state(b);
	chat_gb_byte(b, at, '\n', '\n', line);
	chat_gb_return(b, line);
	for (u32 i = 0; i < INDENT_MAX; i++) {
		u32 next = chat_gb_state(b);
		chat_gb_byte(b, line, ' ', ' ', next);
		chat_gb_return(b, next);
		line = next;
	}
}

static void hex_digit(struct chat_gb *b, u32 from, char lo, char hi, u32 to)
{
	if (lo <= '9')
		chat_gb_byte(b, from, (u8)lo, (u8)MIN(hi, '9'), to);
	if (hi >= 'a') {
		char from_letter = MAX(lo, 'a');
		chat_gb_byte(b, from, (u8)from_letter, (u8)hi, to);
		chat_gb_byte(b, from, (u8)(from_letter - 32), (u8)(hi - 32), to);
	}
}

/* Four digits, each of its range: "0f 8b 0f 0f" is 4 pairs of lowest and highest. */
static void hex4(struct chat_gb *b, u32 from, const char *ranges, u32 to)
{
	for (u32 i = 0; i < 4; i++) {
		u32 next = i < 3 ? chat_gb_state(b) : to;
		hex_digit(b, from, ranges[2 * i], ranges[2 * i + 1], next);
		from = next;
	}
}

/* Behind "\u": everything but 0000 and lone surrogates. */
static void make_unicode(struct chat_gb *b, u32 at, u32 end)
{
	static const char *const one[] = { "1c0f0f0f", "ef0f0f0f", "dd070f0f", "001f0f0f", "00001f0f",
		"0000001f" };
	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		hex4(b, at, one[i], end);
	u32 low = chat_gb_state(b);
	hex4(b, at, "dd8b0f0f", low);
	hex4(b, chat_gb_str(b, low, "\\u"), "ddcf0f0f", end);
}

static void make_char(struct chat_gb *b, u32 at)
{
	u32 end = chat_gb_state(b), esc = chat_gb_state(b), u = chat_gb_state(b);
	chat_gb_chars(b, at, 0x20, 0x21, end);
	chat_gb_chars_but(b, at, 0x23, 0x5b, chat_gb_stop_char(b), end);
	chat_gb_chars(b, at, 0x5d, 0x10ffff, end);
	chat_gb_byte(b, at, '\\', '\\', esc);
	for (const char *c = "\"\\/bfnrt"; *c; c++)
		chat_gb_byte(b, esc, (u8)*c, (u8)*c, end);
	chat_gb_byte(b, esc, 'u', 'u', u);
	make_unicode(b, u, end);
	chat_gb_return(b, end);
}

static void make_text(struct chat_gb *b, u32 at)
{
	chat_gb_call(b, at, chat_gb_rule(b, RULE_CHAR), at);
	chat_gb_return(b, at);
}

static void make_string(struct chat_gb *b, u32 at)
{
	u32 in = chat_gb_call_rule(b, chat_gb_str(b, at, "\""), RULE_TEXT);
	chat_gb_return(b, chat_gb_str(b, in, "\""));
}

/* Up to n more digits; the state behind. */
static u32 digits(struct chat_gb *b, u32 at, u32 n)
{
	u32 to = chat_gb_state(b);
	chat_gb_skip(b, at, to);
	for (u32 i = 0; i < n; i++) {
		u32 next = chat_gb_state(b);
		chat_gb_byte(b, at, '0', '9', next);
		chat_gb_skip(b, next, to);
		at = next;
	}
	return to;
}

static void make_integer(struct chat_gb *b, u32 at)
{
	u32 first = chat_gb_state(b), more = chat_gb_state(b);
	chat_gb_skip(b, at, first);
	chat_gb_byte(b, at, '-', '-', first);
	chat_gb_byte(b, first, '1', '9', more);
	u32 to = digits(b, more, DIGITS_MAX - 1);
	chat_gb_byte(b, first, '0', '0', to);
	chat_gb_return(b, to);
}

static void make_number(struct chat_gb *b, u32 at)
{
	u32 whole = chat_gb_call_rule(b, at, RULE_INTEGER), point = chat_gb_str(b, whole, ".");
	u32 one = chat_gb_state(b), mantissa = chat_gb_state(b), e = chat_gb_state(b),
	    sign = chat_gb_state(b);
	chat_gb_byte(b, point, '0', '9', one);
	chat_gb_skip(b, digits(b, one, DIGITS_MAX - 1), mantissa);
	chat_gb_skip(b, whole, mantissa);
	chat_gb_return(b, mantissa);
	chat_gb_byte(b, mantissa, 'e', 'e', e);
	chat_gb_byte(b, mantissa, 'E', 'E', e);
	chat_gb_skip(b, e, sign);
	chat_gb_byte(b, e, '+', '+', sign);
	chat_gb_byte(b, e, '-', '-', sign);
	u32 power = chat_gb_state(b);
	chat_gb_byte(b, sign, '0', '9', power);
	chat_gb_return(b, digits(b, power, 1));
}

/* open, elements with commas between, close; an element begins and ends at the given states. */
static void make_container(
	struct chat_gb *b, u32 at, const char *open, const char *close, bool pairs, u32 end)
{
	u32 in = chat_gb_call_rule(b, chat_gb_str(b, at, open), RULE_WS), element = chat_gb_state(b),
	    v = element;
	chat_gb_skip(b, in, element);
	if (pairs) {
		v = chat_gb_str(b, chat_gb_call_rule(b, element, RULE_STRING), ":");
		v = chat_gb_call_rule(b, v, RULE_WS);
	}
	u32 behind = chat_gb_call_rule(b, v, RULE_VALUE);
	chat_gb_skip(b, chat_gb_call_rule(b, chat_gb_str(b, behind, ","), RULE_WS), element);
	u32 last = chat_gb_call_rule(b, behind, RULE_WS);
	chat_gb_skip(b, chat_gb_str(b, last, close), end);
	chat_gb_skip(b, chat_gb_str(b, in, close), end);
}

static void make_value(struct chat_gb *b, u32 at)
{
	u32 end = chat_gb_state(b);
	static const char *const word[] = { "true", "false", "null" };
	for (size_t i = 0; i < ARRAY_LEN(word); i++)
		chat_gb_skip(b, chat_gb_str(b, at, word[i]), end);
	chat_gb_skip(b, chat_gb_call_rule(b, at, RULE_STRING), end);
	chat_gb_skip(b, chat_gb_call_rule(b, at, RULE_NUMBER), end);
	make_container(b, at, "{", "}", true, end);
	make_container(b, at, "[", "]", false, end);
	chat_gb_return(b, end);
}

/* ---- raw text ------------------------------------------------------------------------------------------------------------ */

u32 chat_gb_stop_char(const struct chat_gb *b)
{
	return b->stop.len && (u8)b->stop.p[0] < 0x80 ? (u8)b->stop.p[0] : 0;
}

/* Characters of text that no model needs a name for: no control characters but tab and line ends. */
static void text_chars(struct chat_gb *b, u32 from, u32 but, u32 to)
{
	chat_gb_chars(b, from, '\t', '\n', to);
	chat_gb_chars(b, from, '\r', '\r', to);
	chat_gb_chars_but(b, from, 0x20, 0x10ffff, but, to);
}

/* How many characters of the tag stop[n] are at the end of its first `at` and cp (Knuth, Morris and Pratt). */
static u32 matched(const u32 *stop, u32 n, u32 at, u32 cp)
{
	for (u32 k = MIN(at + 1, n); k > 0; k--) {
		bool same = stop[k - 1] == cp;
		for (u32 i = 0; same && i + 1 < k; i++)
			same = stop[i] == stop[at - (k - 1) + i];
		if (same)
			return k;
	}
	return 0;
}

/* From the state where n_in characters of the tag are read: each character that the tag has, and all others, to where they lead. */
static void raw_state(struct chat_gb *b, const u32 *stop, u32 n, u32 at, u32 first)
{
	struct chat_set other = { .n = 0 };
	chat_gb_return(b, first + at);
	for (u32 i = 0; i < n; i++) {
		bool seen = false;
		for (u32 k = 0; k < i; k++)
			seen = seen || stop[k] == stop[i];
		u32 to = matched(stop, n, at, stop[i]);
		if (seen || to == 0)
			continue;
		if (to < n)
			chat_gb_chars(b, first + at, stop[i], stop[i], first + to);
		(void)chat_set_add(&other, stop[i], stop[i]);
	}
	(void)(chat_set_add(&other, 0, '\b') && chat_set_add(&other, '\v', '\f') &&
		chat_set_add(&other, 0x0e, 0x1f));
	chat_set_close(&other, true);
	for (u32 i = 0; i < other.n; i++)
		chat_gb_chars(b, first + at, other.v[i].lo, other.v[i].hi, first);
}

/* Text without the tag `stop` in it. A tag that is a control token stands in no text. */
static void make_raw(struct chat_gb *b, u32 at)
{
	u32 stop[64], n = 0, len;
	if (!chat_gb_stop_char(b)) {
		text_chars(b, at, 0, at);
		chat_gb_return(b, at);
		return;
	}
	for (u32 i = 0; i < b->stop.len && n < ARRAY_LEN(stop) && (u8)b->stop.p[i] != 0xff; i += len)
		stop[n++] = chat_char_at((struct chat_str){ .p = b->stop.p, .len = b->stop.len }, i, &len);
	u32 first = b->n_states;
	for (u32 i = 0; i < n; i++)
		(void)chat_gb_state(b);
	chat_gb_skip(b, at, first);
	for (u32 i = 0; i < n && chat_gb_ok(b); i++)
		raw_state(b, stop, n, i, first);
}

static void make_blanks(struct chat_gb *b, u32 at)
{
	for (u32 i = 0; i < BLANKS_MAX; i++) {
		u32 next = chat_gb_state(b);
		chat_gb_byte(b, at, ' ', ' ', next);
		chat_gb_byte(b, at, '\n', '\n', next);
		chat_gb_return(b, at);
		at = next;
	}
	chat_gb_return(b, at);
}

u32 chat_gb_rule(struct chat_gb *b, enum chat_rule rule)
{
	static void (*const make[RULE_COUNT])(struct chat_gb *, u32) = { [RULE_WS] = make_ws,
		[RULE_CHAR] = make_char,
		[RULE_TEXT] = make_text,
		[RULE_STRING] = make_string,
		[RULE_INTEGER] = make_integer,
		[RULE_NUMBER] = make_number,
		[RULE_VALUE] = make_value,
		[RULE_RAW] = make_raw,
		[RULE_BLANKS] = make_blanks };
	if (!b->rule[rule]) {
		u32 at = chat_gb_state(b);
		b->rule[rule] = at + 1;
		make[rule](b, at);
	}
	return b->rule[rule] - 1;
}

u32 chat_gb_call_rule(struct chat_gb *b, u32 from, enum chat_rule rule)
{
	u32 to = chat_gb_state(b);
	chat_gb_call(b, from, chat_gb_rule(b, rule), to);
	return to;
}

void chat_gb_string_char(struct chat_gb *b, u32 from, u32 to)
{
	if (b->flat)
		chat_gb_chars(b, from, 1, 0x10ffff, to);
	else if (b->raw)
		text_chars(b, from, chat_gb_stop_char(b), to);
	else
		chat_gb_call(b, from, chat_gb_rule(b, RULE_CHAR), to);
}

/* Characters lo..hi that JSON writes as they are. */
static void plain_chars(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 to)
{
	static const u32 plain[][2] = { { 0x20, 0x21 }, { 0x23, 0x5b }, { 0x5d, 0x10ffff } };
	u32 but = chat_gb_stop_char(b);
	for (u32 k = 0; k < ARRAY_LEN(plain); k++)
		if (MAX(lo, plain[k][0]) <= MIN(hi, plain[k][1]))
			chat_gb_chars_but(b, from, MAX(lo, plain[k][0]), MIN(hi, plain[k][1]), but, to);
}

void chat_gb_string_set(struct chat_gb *b, u32 from, const struct chat_set *s, u32 to)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	for (u32 i = 0; i < s->n && chat_gb_ok(b); i++) {
		u32 lo = s->v[i].lo, hi = s->v[i].hi;
		if (b->flat) {
			chat_gb_chars(b, from, MAX(lo, 1u), hi, to);
			continue;
		}
		if (b->raw) {
			chat_gb_chars_but(b, from, MAX(lo, '\t'), hi, chat_gb_stop_char(b), to);
			continue;
		}
		plain_chars(b, from, lo, hi, to);
		for (const char *c = named; *c; c += 2)
			if ((u8)*c >= lo && (u8)*c <= hi) {
				u32 esc = chat_gb_str(b, from, "\\");
				chat_gb_byte(b, esc, (u8)c[1], (u8)c[1], to);
			}
	}
}

void chat_gb_string_bytes(struct chat_gb *b, u32 from, u8 lo, u8 hi, u32 to)
{
	struct chat_set ascii = { .n = 0 };
	if (lo < 0x80) {
		(void)chat_set_add(&ascii, lo, MIN(hi, 0x7f));
		chat_gb_string_set(b, from, &ascii, to);
	}
	if (hi >= 0x80)
		chat_gb_byte(b, from, MAX(lo, 0x80), hi, to);
}
