/* What is inside of a call: its name, and arguments in one of the ways that models write them. */
#include "chat/reader.h"

#include <string.h>

static bool bad(struct chat_reader *r)
{
	r->bad = true;
	return false;
}

static bool blank(u8 c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void enter(struct chat_reader *r, enum chat_reader_state s)
{
	r->state = s;
	r->scan = r->at;
}

/* May buf[..at) still belong to the call? */
static bool fits(const struct chat_reader *r, size_t at)
{
	return at - r->raw < CHAT_CALL_BYTES_MAX;
}

/* Look for the tag from scan on. 1 it stands at scan; 0 more is needed; -1 it cannot come any more. */
static int find(struct chat_reader *r, enum chat_tag t, size_t max)
{
	for (; r->scan < r->n; r->scan++) {
		int m = chat_reader_match(r, t, r->scan);
		if (m)
			return m > 0;
		if (r->scan - r->at >= max || !fits(r, r->scan))
			return -1;
	}
	return 0;
}

/* ---- names --------------------------------------------------------------------------------------------------------------- */

/* buf[at..end) without its blanks. A name is one word of what names are made of. */
static bool take_name(struct chat_reader *r, size_t end, char *out)
{
	size_t from = r->at;
	while (from < end && blank(r->buf[from]))
		from++;
	while (end > from && blank(r->buf[end - 1]))
		end--;
	size_t n = end - from;
	if (n == 0 || n > CHAT_NAME_BYTES_MAX)
		return false;
	for (size_t i = from; i < end; i++)
		if (r->buf[i] <= ' ' || r->buf[i] >= 0x7f || strchr("\"'<>{}()[]\\`", r->buf[i]))
			return false;
	memcpy(out, r->buf + from, n);
	out[n] = 0;
	return true;
}

/* "functions.NAME:7": the whole is the id. */
static void split_id(struct chat_reader *r)
{
	char *name = r->name, *colon = strrchr(name, ':');
	memcpy(r->id, name, sizeof r->id);
	if (colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1))
		*colon = 0;
	if (strncmp(name, "functions.", 10) == 0)
		memmove(name, name + 10, strlen(name + 10) + 1);
}

static bool named(struct chat_reader *r, size_t end)
{
	if (!take_name(r, end, r->name))
		return bad(r);
	if (r->f->flags & CHAT_ID_IN_NAME)
		split_id(r);
	if (!r->name[0])
		return bad(r);
	return true;
}

/* Where no tag ends the name: a line end does, a key, or the end of the call. */
static bool name_alone(struct chat_reader *r)
{
	static const enum chat_tag ends[] = { TAG_KEY, TAG_CALL_END };
	for (; r->scan < r->n; r->scan++) {
		if (r->scan - r->at > CHAT_NAME_BYTES_MAX + 8)
			return bad(r);
		bool here = r->buf[r->scan] == '\n' && r->scan > r->at;
		for (size_t i = 0; i < ARRAY_LEN(ends) && !here; i++) {
			int m = chat_reader_match(r, ends[i], r->scan);
			if (m < 0)
				return false;
			here = m > 0;
		}
		if (!here)
			continue;
		if (!named(r, r->scan))
			return false;
		r->at = r->scan;
		chat_call_tell(r);
		enter(r, S_KEY);
		return true;
	}
	return false;
}

bool chat_step_name(struct chat_reader *r)
{
	static const enum chat_reader_state next[] = {
		[CHAT_JSON_ARGS] = S_ARGS, [CHAT_XML] = S_KEY, [CHAT_GEMMA] = S_GEMMA
	};
	if (r->tag[TAG_NAME_END].len == 0)
		return name_alone(r);
	int m = find(r, TAG_NAME_END, CHAT_NAME_BYTES_MAX + 8);
	if (m <= 0)
		return m < 0 && bad(r);
	if (!named(r, r->scan))
		return false;
	r->at = r->scan + r->tag[TAG_NAME_END].len;
	if (r->f->id_end) {
		enter(r, S_ID);
		return true;
	}
	if (r->f->syntax != CHAT_GEMMA)
		chat_call_tell(r);
	r->in_string = false;
	enter(r, next[r->f->syntax]);
	return true;
}

bool chat_step_id(struct chat_reader *r)
{
	int m = find(r, TAG_ID_END, CHAT_NAME_BYTES_MAX + 8);
	if (m <= 0)
		return m < 0 && bad(r);
	if (!take_name(r, r->scan, r->id))
		return bad(r);
	r->at = r->scan + r->tag[TAG_ID_END].len;
	chat_call_tell(r);
	enter(r, S_ARGS);
	return true;
}

/* ---- arguments as JSON --------------------------------------------------------------------------------------------------- */

bool chat_step_args(struct chat_reader *r)
{
	int m = 0;
	while (r->at < r->n && r->json.depth == 0 && blank(r->buf[r->at]) && fits(r, r->at))
		r->at++;
	size_t from = r->at;
	while (m == 0 && r->at < r->n && fits(r, r->at)) {
		m = chat_json_byte(&r->json, r->buf[r->at]);
		r->at += m >= 0;
	}
	chat_call_args(r, r->buf + from, r->at - from);
	if (m < 0 || !fits(r, r->at))
		return bad(r);
	if (m > 0)
		chat_call_end(r);
	return m > 0;
}

/* ---- a call that is an object -------------------------------------------------------------------------------------------- */

static bool text_is(const struct chat_reader *r, size_t from, size_t to, const char *word)
{
	return to - from == strlen(word) && memcmp(r->buf + from, word, to - from) == 0;
}

/* Whose value follows the key buf[from..to). */
static u32 field_of(const struct chat_reader *r, size_t from, size_t to)
{
	static const struct {
		const char *key;
		u32 field;
	} keys[] = { { "arguments", FIELD_ARGS }, { "parameters", FIELD_ARGS }, { "id", FIELD_ID },
		{ "tool_call_id", FIELD_ID } };
	if (text_is(r, from, to, r->f->name_key ? r->f->name_key : "name"))
		return FIELD_NAME;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (text_is(r, from, to, keys[i].key))
			return keys[i].field;
	return FIELD_OTHER;
}

/* The value of name or id is buf[from..at], with its quotes. */
static bool take_field(struct chat_reader *r, size_t from, char *out)
{
	size_t at = r->at;
	if (r->buf[from] != '"' || r->buf[at] != '"')
		return false;
	r->at = from + 1;
	bool ok = take_name(r, at, out);
	r->at = at;
	return ok;
}

static bool value_begins(struct chat_reader *r)
{
	struct chat_object *o = &r->object;
	o->from = r->at - r->raw;
	if (o->field != FIELD_ARGS)
		return true;
	if (o->args_seen || r->buf[r->at] != '{')
		return false;
	o->args_seen = true;
	o->shown = o->from;
	if (r->name[0])
		chat_call_tell(r);
	return true;
}

static bool value_ends(struct chat_reader *r)
{
	struct chat_object *o = &r->object;
	if (o->field == FIELD_ARGS)
		o->args_to = r->at + 1 - r->raw;
	if (o->field == FIELD_NAME) {
		if (r->name[0] || !take_field(r, r->raw + o->from, r->name))
			return false;
		if (o->args_seen)
			chat_call_tell(r);
	}
	if (o->field == FIELD_ID && !r->told && !take_field(r, r->raw + o->from, r->id))
		r->id[0] = 0; /* a number, say: we give one */
	return true;
}

static bool object_byte(struct chat_reader *r, enum chat_json_note note)
{
	struct chat_object *o = &r->object;
	switch (note) {
	case CHAT_JSON_KEY_BEGINS:
		o->from = r->at - r->raw;
		return true;
	case CHAT_JSON_KEY_ENDS:
		o->field = field_of(r, r->raw + o->from + 1, r->at);
		return true;
	case CHAT_JSON_VALUE_BEGINS:
		return value_begins(r);
	case CHAT_JSON_VALUE_ENDS:
		return value_ends(r);
	default:
		return true;
	}
}

/* Arguments are shown as soon as the name is known. */
static void show_args(struct chat_reader *r)
{
	struct chat_object *o = &r->object;
	if (!r->told || !o->args_seen)
		return;
	size_t to = o->args_to ? o->args_to : r->at - r->raw;
	if (to > o->shown)
		chat_call_args(r, r->buf + r->raw + o->shown, to - o->shown);
	o->shown = MAX(o->shown, to);
}

static bool object_end(struct chat_reader *r)
{
	if (!r->name[0])
		return bad(r);
	show_args(r);
	if (!r->object.args_seen) {
		chat_call_tell(r);
		chat_call_args(r, "{}", 2);
	}
	chat_call_end(r);
	return true;
}

bool chat_step_object(struct chat_reader *r)
{
	int m = 0;
	while (m == 0 && r->at < r->n && fits(r, r->at)) {
		enum chat_json_note note;
		m = chat_json_noted(&r->json, r->buf[r->at], &note);
		if (m < 0 || !object_byte(r, note)) {
			show_args(r); /* as if it had come in pieces */
			return bad(r);
		}
		r->at++;
	}
	if (m > 0)
		return object_end(r);
	show_args(r);
	return fits(r, r->at) ? false : bad(r);
}

/* ---- keys and values ----------------------------------------------------------------------------------------------------- */

bool chat_step_key(struct chat_reader *r)
{
	while (r->at < r->n && blank(r->buf[r->at]))
		r->at++;
	if (r->at == r->n)
		return fits(r, r->at) ? false : bad(r);
	int key = chat_reader_match(r, TAG_KEY, r->at), end = chat_reader_match(r, TAG_CALL_END, r->at);
	if (key > 0) {
		r->at += r->tag[TAG_KEY].len;
		enter(r, S_KEY_NAME);
	} else if (end > 0) {
		chat_call_args(r, r->n_keys ? "}" : "{}", r->n_keys ? 1 : 2);
		chat_call_end(r);
	} else {
		return key < 0 || end < 0 ? false : bad(r);
	}
	return true;
}

bool chat_step_key_name(struct chat_reader *r)
{
	int m = find(r, TAG_KEY_END, CHAT_NAME_BYTES_MAX);
	if (m <= 0)
		return m < 0 && bad(r);
	if (r->scan == r->at || memchr(r->buf + r->at, 0xff, r->scan - r->at))
		return bad(r);
	r->key_from = r->at - r->raw;
	r->key_len = r->scan - r->at;
	r->at = r->scan + r->tag[TAG_KEY_END].len;
	enter(r, S_VALUE_BEGIN);
	return true;
}

/* string="true"> or string="false">; or the tag in front of a value; or nothing. */
bool chat_step_value_begin(struct chat_reader *r)
{
	static const char *const attr[] = { " string=\"false\">", " string=\"true\">" };
	bool wait = false;
	for (u32 i = 0; i < 2 && r->f->flags & CHAT_STRING_ATTR; i++) {
		size_t len = strlen(attr[i]), m = MIN(len, r->n - r->at);
		if (memcmp(r->buf + r->at, attr[i], m) != 0)
			continue;
		wait = true;
		if (m < len)
			continue;
		r->attr_string = i;
		r->at += len;
		enter(r, S_VALUE);
		return true;
	}
	if (r->f->flags & CHAT_STRING_ATTR)
		return wait ? false : bad(r);
	while (r->tag[TAG_VALUE].len && r->at < r->n && blank(r->buf[r->at]))
		r->at++;
	int m = r->tag[TAG_VALUE].len == 0 ? 1 : r->at == r->n ? -1 : chat_reader_match(r, TAG_VALUE, r->at);
	if (m <= 0)
		return m < 0 && fits(r, r->at) ? false : bad(r);
	r->at += r->tag[TAG_VALUE].len;
	enter(r, S_VALUE);
	return true;
}

static bool add_value(struct chat_reader *r, const char *s, size_t n)
{
	struct chat_str key = { .p = (const char *)r->buf + r->raw + r->key_from, .len = (u32)r->key_len };
	struct chat_str name = chat_cstr(r->name);
	const struct chat_tool *t = chat_tool_find(r->tools, name);
	if (r->f->flags & CHAT_STRING_ATTR && r->attr_string) {
		if (n && memchr(s, 0xff, n))
			return false;
		chat_out_string(&r->args, s, n);
		return true;
	}
	if (r->f->flags & CHAT_STRING_ATTR) {
		chat_out_add(&r->args, s, n);
		return chat_json_ok(s, n);
	}
	return chat_value_xml(&r->args, chat_tool_parameter(t, key), s, n);
}

bool chat_step_value(struct chat_reader *r)
{
	int m = find(r, TAG_VALUE_END, CHAT_CALL_BYTES_MAX);
	if (m <= 0)
		return m < 0 && bad(r);
	const char *s = (const char *)r->buf + r->at;
	size_t n = r->scan - r->at;
	if (r->f->flags & CHAT_NEWLINES && n && s[0] == '\n') {
		s++;
		n--;
	}
	if (r->f->flags & CHAT_NEWLINES && n && s[n - 1] == '\n')
		n--;
	r->args.n = 0;
	chat_out_add(&r->args, r->n_keys++ ? "," : "{", 1);
	chat_out_string(&r->args, (const char *)r->buf + r->raw + r->key_from, r->key_len);
	chat_out_add(&r->args, ":", 1);
	if (!add_value(r, s, n))
		return bad(r);
	chat_call_args(r, r->args.p, r->args.n);
	r->at = r->scan + r->tag[TAG_VALUE_END].len;
	enter(r, S_KEY);
	return true;
}

/* ---- gemma, python: the arguments whole ---------------------------------------------------------------------------------- */

/* key:value,…} and the end of the call, which stands in no string. */
bool chat_step_gemma(struct chat_reader *r)
{
	for (; r->scan < r->n && fits(r, r->scan); r->scan++) {
		int quote = chat_reader_match(r, TAG_KEY, r->scan);
		int end = r->in_string ? 0 : chat_reader_match(r, TAG_CALL_END, r->scan);
		if (quote < 0 || end < 0)
			return false;
		if (quote) {
			r->in_string = !r->in_string;
			r->scan += r->tag[TAG_KEY].len - 1;
		}
		if (!end)
			continue;
		size_t to = r->scan;
		while (to > r->at && blank(r->buf[to - 1]))
			to--;
		if (to == r->at || r->buf[to - 1] != '}' ||
			!chat_value_gemma(&r->args, (const char *)r->buf + r->at, to - 1 - r->at,
				(const char *)r->tag[TAG_KEY].p, r->tag[TAG_KEY].len))
			return bad(r);
		chat_call_tell(r);
		chat_call_args(r, r->args.p, r->args.n);
		r->at = r->scan; /* the tag is taken behind the call */
		chat_call_end(r);
		return true;
	}
	return fits(r, r->scan) ? false : bad(r);
}

/* [name(…), name(…)]: told of when all of it is there and all of it is right. */
static bool python_calls(struct chat_reader *r, size_t end, bool tell)
{
	size_t at = r->at + 1, n;
	for (bool more = true; more;) {
		size_t open = at, home = r->at;
		while (open < end && r->buf[open] != '(')
			open++;
		r->at = at;
		bool ok = open < end && take_name(r, open, r->name);
		r->at = home;
		r->args.n = 0;
		if (!ok || !chat_value_python(&r->args, (const char *)r->buf + open + 1, end - open - 1, &n))
			return false;
		at = open + 1 + n;
		while (at < end && blank(r->buf[at]))
			at++;
		more = at < end && r->buf[at] == ',';
		at++;
		if (!tell)
			continue;
		r->id[0] = 0;
		chat_call_tell(r);
		chat_call_args(r, r->args.p, r->args.n);
		chat_call_end(r);
	}
	return at == end + 1 && r->buf[end] == ']';
}

bool chat_step_python(struct chat_reader *r)
{
	for (; r->scan < r->n && fits(r, r->scan); r->scan++) {
		u8 c = r->buf[r->scan];
		if (r->quote && c == '\\') {
			if (r->scan + 1 == r->n && !r->ended)
				return false;
			r->scan++;
			continue;
		}
		if (c == '"' || c == '\'')
			r->quote = !r->quote ? c : r->quote == c ? 0 : r->quote;
		int m = r->quote ? 0 : chat_reader_match(r, TAG_SECTION_END, r->scan);
		if (m < 0)
			return false;
		if (m == 0)
			continue;
		size_t end = r->scan;
		while (end > r->at && blank(r->buf[end - 1]))
			end--;
		end -= end > r->at;
		if (!python_calls(r, end, false))
			return bad(r);
		(void)python_calls(r, end, true);
		r->at = r->raw = end + 1;
		return true;
	}
	return fits(r, r->scan) ? false : bad(r);
}

/* ---- parts with a head --------------------------------------------------------------------------------------------------- */

/* For whom the part is: "to=functions.NAME" or, where heads are names, any name but "all". */
static void read_head(struct chat_reader *r, size_t end)
{
	static const char to[] = "to=";
	const char *s = (const char *)r->buf + r->at, *p = NULL;
	size_t n = end - r->at;
	bool plain = !r->tag[TAG_CALL_END].len; /* heads are names */
	r->body = BODY_TEXT;
	for (size_t i = 0; i + 8 <= n; i++)
		if (memcmp(s + i, "analysis", 8) == 0)
			r->body = BODY_REASONING;
	for (size_t i = 0; i + 3 <= n && !p && !plain; i++)
		if (memcmp(s + i, to, 3) == 0)
			p = s + i + 3;
	if (plain)
		p = s;
	if (!p || !r->calls)
		return;
	size_t len = 0;
	while (p + len < s + n && (u8)p[len] > ' ' && (u8)p[len] < 0x7f)
		len++;
	if (len == 0 || len > CHAT_NAME_BYTES_MAX || (plain && len == 3 && memcmp(p, "all", 3) == 0))
		return;
	bool functions = len > 10 && memcmp(p, "functions.", 10) == 0;
	memcpy(r->name, p + (functions ? 10 : 0), len - (functions ? 10 : 0));
	r->name[len - (functions ? 10 : 0)] = 0;
	r->body = BODY_CALL;
}

bool chat_step_head(struct chat_reader *r)
{
	int m = find(r, TAG_NAME_END, CHAT_HEAD_BYTES_MAX);
	if (m == 0)
		return false;
	if (m < 0) { /* no head after all */
		r->body = BODY_TEXT;
		enter(r, S_BODY);
		return true;
	}
	size_t raw = r->at;
	char name[sizeof r->name];
	read_head(r, r->scan);
	r->at = r->scan + r->tag[TAG_NAME_END].len;
	if (r->body != BODY_CALL) {
		enter(r, S_BODY);
		return true;
	}
	memcpy(name, r->name, sizeof name);
	r->raw = raw;
	chat_call_begin(r);
	memcpy(r->name, name, sizeof name);
	chat_call_tell(r);
	enter(r, S_ARGS);
	return true;
}
