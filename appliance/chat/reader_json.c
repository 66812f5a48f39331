/* JSON by RFC 8259, a byte at a time. Half of a surrogate pair is refused: no reader can make text of it. */
#include "chat/format.h"

#include <string.h>

enum state {
	BEGIN, /* nothing yet */
	VALUE,
	FIRST_VALUE, /* or ']' */
	FIRST_KEY,   /* or '}' */
	KEY,
	COLON,
	BEHIND, /* a value: a comma, or the end of what it is in */
	STRING,
	KEY_STRING,
	ESCAPE,
	KEY_ESCAPE,
	HEX,
	KEY_HEX,
	LOW, /* a low surrogate must follow: its backslash */
	KEY_LOW,
	LOW_U,
	KEY_LOW_U,
	WORD,
	MINUS,
	ZERO,
	DIGITS,
	POINT,
	FRACTION,
	EXP,
	EXP_SIGN,
	EXP_DIGITS,
};

static bool blank(u8 c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool digit(u8 c)
{
	return c >= '0' && c <= '9';
}

static int go(struct chat_json *j, u8 state)
{
	j->state = state;
	return 0;
}

static int open_level(struct chat_json *j, u8 c)
{
	if (j->depth == CHAT_JSON_DEPTH_MAX)
		return -1;
	j->kind[j->depth++] = c;
	return go(j, c == '{' ? FIRST_KEY : FIRST_VALUE);
}

static int close_level(struct chat_json *j, u8 c)
{
	if (j->depth == 0 || j->kind[j->depth - 1] != (c == '}' ? '{' : '['))
		return -1;
	j->state = BEHIND;
	return --j->depth == 0;
}

static int value(struct chat_json *j, u8 c)
{
	static const char *const words[] = { "true", "false", "null" };
	if (blank(c))
		return 0;
	if (c == '{' || c == '[')
		return open_level(j, c);
	if (c == '"')
		return go(j, STRING);
	if (c == '-')
		return go(j, MINUS);
	if (digit(c))
		return go(j, c == '0' ? ZERO : DIGITS);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (c == (u8)words[i][0]) {
			j->word = words[i] + 1;
			return go(j, WORD);
		}
	return -1;
}

static int behind(struct chat_json *j, u8 c)
{
	if (blank(c))
		return go(j, BEHIND);
	if (c == ',' && j->depth)
		return go(j, j->kind[j->depth - 1] == '{' ? KEY : VALUE);
	return c == '}' || c == ']' ? close_level(j, c) : -1;
}

static int hex(struct chat_json *j, u8 c, bool key)
{
	u32 low = c | 0x20u, v = digit(c) ? c - (u32)'0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : 16;
	if (v == 16)
		return -1;
	bool due = j->cp >> 16;
	j->cp = (j->cp & ~0xffffu) | ((j->cp << 4 | v) & 0xffff);
	if (++j->n_hex < 4)
		return 0;
	u32 cp = j->cp & 0xffff;
	bool high = cp >= 0xd800 && cp < 0xdc00, is_low = cp >= 0xdc00 && cp < 0xe000;
	if (is_low != due)
		return -1;
	return go(j, high ? (key ? KEY_LOW : LOW) : key ? KEY_STRING : STRING);
}

static int string(struct chat_json *j, u8 c, bool key)
{
	if (c == '"')
		return key ? go(j, COLON) : go(j, BEHIND);
	if (c == '\\')
		return go(j, key ? KEY_ESCAPE : ESCAPE);
	return c < 0x20 || c == 0xff ? -1 : 0;
}

static int escape(struct chat_json *j, u8 c, bool key)
{
	if (c == 'u') {
		j->n_hex = 0;
		j->cp = 0;
		return go(j, key ? KEY_HEX : HEX);
	}
	return c && strchr("\"\\/bfnrt", c) ? go(j, key ? KEY_STRING : STRING) : -1;
}

/* Behind the backslash and the u of a low surrogate. */
static int low(struct chat_json *j, u8 c, bool key, bool u)
{
	if (c != (u ? 'u' : '\\'))
		return -1;
	j->n_hex = 0;
	j->cp = 1u << 16;
	return go(j, !u ? (key ? KEY_LOW_U : LOW_U) : key ? KEY_HEX : HEX);
}

static int number(struct chat_json *j, u8 c)
{
	u8 s = j->state;
	if (digit(c)) {
		if (s == ZERO)
			return -1;
		return go(j, s == MINUS			 ? (c == '0' ? ZERO : DIGITS)
			     : s == POINT		 ? FRACTION
			     : s == EXP || s == EXP_SIGN ? EXP_DIGITS
							 : s);
	}
	if (c == '.' && (s == ZERO || s == DIGITS))
		return go(j, POINT);
	if ((c | 0x20) == 'e' && (s == ZERO || s == DIGITS || s == FRACTION))
		return go(j, EXP);
	if ((c == '+' || c == '-') && s == EXP)
		return go(j, EXP_SIGN);
	return s == ZERO || s == DIGITS || s == FRACTION || s == EXP_DIGITS ? behind(j, c) : -1;
}

static int word(struct chat_json *j, u8 c)
{
	if (c != (u8)*j->word)
		return -1;
	return *++j->word ? 0 : go(j, BEHIND);
}

static int any_byte(struct chat_json *j, u8 c)
{
	switch (j->state) {
	case BEGIN:
	case VALUE:
		return value(j, c);
	case FIRST_VALUE:
		return c == ']' ? close_level(j, c) : value(j, c);
	case FIRST_KEY:
		if (c == '}')
			return close_level(j, c);
		return blank(c) ? 0 : c == '"' ? go(j, KEY_STRING) : -1;
	case KEY:
		return blank(c) ? 0 : c == '"' ? go(j, KEY_STRING) : -1;
	case COLON:
		return blank(c) ? 0 : c == ':' ? go(j, VALUE) : -1;
	case BEHIND:
		return behind(j, c);
	case STRING:
	case KEY_STRING:
		return string(j, c, j->state == KEY_STRING);
	case ESCAPE:
	case KEY_ESCAPE:
		return escape(j, c, j->state == KEY_ESCAPE);
	case HEX:
	case KEY_HEX:
		return hex(j, c, j->state == KEY_HEX);
	case LOW:
	case KEY_LOW:
		return low(j, c, j->state == KEY_LOW, false);
	case LOW_U:
	case KEY_LOW_U:
		return low(j, c, j->state == KEY_LOW_U, true);
	case WORD:
		return word(j, c);
	default:
		return number(j, c);
	}
}

int chat_json_byte(struct chat_json *j, u8 c)
{
	return j->state == BEGIN && c != '{' ? -1 : any_byte(j, c);
}

int chat_json_noted(struct chat_json *j, u8 c, enum chat_json_note *ret)
{
	u8 was = j->state;
	u32 depth = j->depth;
	int m = chat_json_byte(j, c);
	*ret = CHAT_JSON_NOTHING;
	if (depth == 1 && (was == FIRST_KEY || was == KEY) && j->state == KEY_STRING)
		*ret = CHAT_JSON_KEY_BEGINS;
	else if (depth == 1 && was == KEY_STRING && j->state == COLON)
		*ret = CHAT_JSON_KEY_ENDS;
	else if (depth == 1 && was == VALUE && !blank(c))
		*ret = CHAT_JSON_VALUE_BEGINS;
	else if (j->depth == 1 && (depth == 2 || (j->state == BEHIND && was != BEHIND && !blank(c))))
		*ret = CHAT_JSON_VALUE_ENDS;
	return m;
}

bool chat_json_ok(const void *text, size_t len)
{
	struct chat_json j = {
		.state = FIRST_VALUE, .depth = 1, .kind = { '[' }
	}; /* as the one element of a list */
	const u8 *s = text;
	bool some = false;
	for (size_t i = 0; i < len; i++) {
		some = some || !blank(s[i]);
		if (any_byte(&j, s[i]) || (j.depth == 1 && j.state == VALUE))
			return false;
	}
	return some && any_byte(&j, ']') == 1;
}
