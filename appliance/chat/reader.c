/* An answer becomes events. What was pushed waits in buf from `at` on; each state takes what it can tell for certain and leaves the rest
 * until more comes, so where the answer was cut makes no difference. While a call is being read, buf keeps it from its first byte: what
 * turns out to be no call is shown as what it was. */
#include "chat/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- saying -------------------------------------------------------------------------------------------------------------- */

static void tell(struct chat_reader *r, const struct chat_event *e)
{
	if (r->on)
		r->on(r->ctx, e);
}

static void say(struct chat_reader *r, enum chat_event_kind kind, const void *text, size_t len)
{
	if (len)
		tell(r, &(struct chat_event){ .kind = kind, .call = r->n_calls, .text = text, .len = len });
}

/* Text as it is shown: of control tokens that are no tags, nothing. */
static void say_shown(struct chat_reader *r, enum chat_event_kind kind, size_t from, size_t to)
{
	while (from < to) {
		const u8 *ff = memchr(r->buf + from, 0xff, to - from);
		size_t end = ff ? (size_t)(ff - r->buf) : to;
		say(r, kind, r->buf + from, end - from);
		const u8 *close = ff && end + 1 < to ? memchr(ff + 1, 0xff, to - end - 1) : NULL;
		from = close ? (size_t)(close - r->buf) + 1 : end + (ff != NULL);
	}
}

/* What began as a call, shown with its tags. */
static void say_broken(struct chat_reader *r, size_t from, size_t to)
{
	for (size_t i = from; i <= to; i++)
		if (i == to || r->buf[i] == 0xff) {
			say(r, CHAT_BROKEN, r->buf + from, i - from);
			from = i + 1;
		}
}

/* ---- matching ------------------------------------------------------------------------------------------------------------ */

int chat_reader_match(const struct chat_reader *r, enum chat_tag t, size_t at)
{
	const struct chat_tag_text *x = &r->tag[t];
	size_t n = r->n - at, m = MIN(n, x->len);
	if (!x->len || !n || memcmp(r->buf + at, x->p, m) != 0)
		return 0;
	return m == x->len ? 1 : r->ended ? 0 : -1;
}

static bool blank(u8 c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip(struct chat_reader *r, const char *also)
{
	while (r->at < r->n && (blank(r->buf[r->at]) || (r->buf[r->at] && strchr(also, r->buf[r->at]))))
		r->at++;
}

/* ---- text ---------------------------------------------------------------------------------------------------------------- */

/* buf[from..to) was read as text: its blanks at the end wait, those in front of the first word are dropped. */
static void said(
	struct chat_reader *r, struct chat_text_run *x, enum chat_event_kind kind, size_t from, size_t to)
{
	size_t end = to;
	while (end > from && blank(r->buf[end - 1]))
		end--;
	while (!x->any && from < end && blank(r->buf[from]))
		from++;
	if (end > from) {
		say(r, kind, x->blanks.p, x->blanks.n);
		x->blanks.n = 0;
		x->any = true;
		say_shown(r, kind, from, end);
	}
	if (x->any && to > end)
		chat_out_add(&x->blanks, r->buf + end, to - end);
}

static enum chat_tag first_of(
	const struct chat_reader *r, const enum chat_tag *tags, size_t n, size_t at, bool *ret_part)
{
	for (size_t i = 0; i < n; i++) {
		int m = chat_reader_match(r, tags[i], at);
		if (m == 1)
			return tags[i];
		*ret_part = *ret_part || m < 0;
	}
	return TAG_NONE;
}

/* Text up to the first of the tags, which is taken. TAG_NONE: all that is certain was said. */
static enum chat_tag text_until(struct chat_reader *r, struct chat_text_run *x, enum chat_event_kind kind,
	const enum chat_tag *tags, size_t n)
{
	size_t from = r->at;
	enum chat_tag hit = TAG_NONE;
	while (r->at < r->n) {
		bool part = false;
		hit = first_of(r, tags, n, r->at, &part);
		if (hit != TAG_NONE || part)
			break;
		const u8 *close =
			r->buf[r->at] == 0xff ? memchr(r->buf + r->at + 1, 0xff, r->n - r->at - 1) : NULL;
		r->at = close ? (size_t)(close - r->buf) + 1 : r->at + 1; /* a control token is never cut */
	}
	if (x)
		said(r, x, kind, from, r->at);
	else
		say_broken(r, from, r->at);
	if (hit != TAG_NONE)
		r->at += r->tag[hit].len;
	return hit;
}

static void enter(struct chat_reader *r, enum chat_reader_state s)
{
	r->state = s;
	r->scan = r->at;
}

static void call_open(struct chat_reader *r, enum chat_tag t)
{
	if (r->f->syntax == CHAT_CHANNELS) { /* the tag begins a part, whose head says whether it is a call */
		r->in_call = false;
		enter(r, S_HEAD);
		return;
	}
	r->raw = r->at - (t == TAG_NONE ? 0 : r->tag[t].len);
	r->in_call = true;
	r->n_in_section = 0;
	if (t == TAG_CALL)
		chat_call_begin(r);
	else
		enter(r, S_SECTION);
}

static bool step_text(struct chat_reader *r)
{
	static const enum chat_tag tags[] = { TAG_THINK, TAG_SECTION, TAG_DROP, TAG_DROP_END, TAG_CALL };
	size_t n = ARRAY_LEN(tags) -
		   (r->f->section[0] != NULL); /* calls stand in sections, where there are sections */
	bool bare = r->f->flags & CHAT_BARE && r->calls && !r->text.any;
	if (bare) {
		skip(r, "");
		if (r->at < r->n && r->buf[r->at] == '{') {
			call_open(r, TAG_NONE);
			return true;
		}
	}
	enum chat_tag t = text_until(r, &r->text, CHAT_TEXT, tags, n);
	if (t == TAG_THINK)
		enter(r, S_THINK);
	else if (t == TAG_SECTION || t == TAG_CALL)
		call_open(r, t);
	return t != TAG_NONE;
}

static bool step_think(struct chat_reader *r)
{
	static const enum chat_tag tags[] = { TAG_THINK_END };
	enum chat_tag t = text_until(r, &r->reasoning, CHAT_REASONING, tags, 1);
	if (t != TAG_NONE)
		enter(r, S_TEXT);
	return t != TAG_NONE;
}

/* ---- calls --------------------------------------------------------------------------------------------------------------- */

/* What was read since raw is no call. */
static bool void_call(struct chat_reader *r)
{
	if (r->told)
		tell(r, &(struct chat_event){ .kind = CHAT_CALL_VOID, .call = r->n_calls });
	bool tagged = r->tag[TAG_SECTION].len == 0 || chat_reader_match(r, TAG_SECTION, r->raw) == 1 ||
		      r->n_in_section;
	r->told = r->in_call = false;
	if (!tagged && r->f->flags & CHAT_BARE) { /* an answer that begins with '{' was no call */
		said(r, &r->text, CHAT_TEXT, r->raw, r->at);
		enter(r, S_TEXT);
		return true;
	}
	say_broken(r, r->raw, r->at);
	enter(r, S_BROKEN);
	return true;
}

/* Behind a call that is none: to its end, or the next one. */
static bool step_broken(struct chat_reader *r)
{
	static const enum chat_tag tags[] = { TAG_SECTION_END, TAG_CALL_END, TAG_SECTION, TAG_CALL };
	size_t n = ARRAY_LEN(tags) - (r->f->section[0] != NULL);
	enum chat_tag t = text_until(r, NULL, CHAT_BROKEN, tags, n);
	if (t == TAG_SECTION || t == TAG_CALL) {
		call_open(r, t);
	} else if (t != TAG_NONE) {
		say_broken(r, r->at - r->tag[t].len, r->at);
		enter(r, S_TEXT);
	}
	return t != TAG_NONE;
}

void chat_call_begin(struct chat_reader *r)
{
	static const enum chat_reader_state first[] = { [CHAT_JSON_CALL] = S_OBJECT,
		[CHAT_JSON_ARGS] = S_NAME,
		[CHAT_XML] = S_NAME,
		[CHAT_GEMMA] = S_NAME,
		[CHAT_PYTHON] = S_PYTHON,
		[CHAT_CHANNELS] = S_ARGS };
	r->in_call = true;
	r->name[0] = r->id[0] = 0;
	r->args.n = 0;
	r->n_keys = 0;
	r->json = (struct chat_json){ 0 };
	r->object = (struct chat_object){ 0 };
	enter(r, first[r->f->syntax]);
}

void chat_call_tell(struct chat_reader *r)
{
	static const char digits[] = "0123456789";
	if (!r->id[0]) { /* nine letters and digits: what the strictest template takes */
		u32 n = r->first_call + r->n_calls;
		memcpy(r->id, "call00000", 10);
		for (u32 i = 9; i-- > 4; n /= 10)
			r->id[i] = digits[n % 10];
	}
	r->told = true;
	tell(r, &(struct chat_event){ .kind = CHAT_CALL, .call = r->n_calls, .name = r->name, .id = r->id });
}

void chat_call_args(struct chat_reader *r, const void *text, size_t len)
{
	say(r, CHAT_ARGUMENTS, text, len);
}

void chat_call_end(struct chat_reader *r)
{
	tell(r, &(struct chat_event){ .kind = CHAT_CALL_END, .call = r->n_calls });
	r->n_calls++;
	r->n_in_section++;
	r->told = false;
	r->raw = r->at;
	enter(r, r->f->syntax == CHAT_CHANNELS ? S_BETWEEN
		 : r->f->syntax == CHAT_PYTHON ? S_SECTION
					       : S_CLOSE);
	r->in_call = r->f->syntax != CHAT_CHANNELS;
}

/* Between calls: another one, or the section's end. */
static bool step_section(struct chat_reader *r)
{
	bool part = false;
	static const enum chat_tag tags[] = { TAG_SECTION_END, TAG_CALL };
	bool object = r->f->syntax == CHAT_JSON_CALL;
	skip(r, object && r->tag[TAG_SECTION].len ? ",;[]" : object || r->n_in_section ? ",;" : "");
	if (r->at == r->n)
		return false;
	enum chat_tag t = first_of(r, tags, ARRAY_LEN(tags), r->at, &part);
	if (t == TAG_NONE && part)
		return false;
	if (t == TAG_SECTION_END && r->n_in_section) {
		r->at += r->tag[t].len;
		r->in_call = false;
		enter(r, S_TEXT);
	} else if (t == TAG_CALL) {
		r->raw = r->n_in_section ? r->at : r->raw;
		r->at += r->tag[t].len;
		chat_call_begin(r);
	} else if ((object && r->buf[r->at] == '{') ||
		   (r->f->syntax == CHAT_PYTHON && r->buf[r->at] == '[')) {
		r->raw = r->n_in_section ? r->at : r->raw;
		chat_call_begin(r);
	} else if (r->n_in_section) {
		r->in_call = false;
		enter(r, S_TEXT);
	} else {
		return void_call(r);
	}
	return true;
}

/* The tag that ends one call, where there is one; an answer may end without. */
static bool step_close(struct chat_reader *r)
{
	skip(r, "");
	if (r->at == r->n)
		return false;
	int m = chat_reader_match(r, TAG_CALL_END, r->at);
	if (m < 0)
		return false;
	if (m > 0)
		r->at += r->tag[TAG_CALL_END].len;
	r->raw = r->at;
	bool more = r->tag[TAG_SECTION].len || r->f->flags & CHAT_BARE;
	r->in_call = more;
	enter(r, more ? S_SECTION : S_TEXT);
	return true;
}

static bool step(struct chat_reader *r)
{
	static bool (*const steps[])(struct chat_reader *) = { [S_TEXT] = step_text,
		[S_THINK] = step_think,
		[S_SECTION] = step_section,
		[S_CLOSE] = step_close,
		[S_BROKEN] = step_broken,
		[S_NAME] = chat_step_name,
		[S_ID] = chat_step_id,
		[S_ARGS] = chat_step_args,
		[S_OBJECT] = chat_step_object,
		[S_KEY] = chat_step_key,
		[S_KEY_NAME] = chat_step_key_name,
		[S_VALUE_BEGIN] = chat_step_value_begin,
		[S_VALUE] = chat_step_value,
		[S_GEMMA] = chat_step_gemma,
		[S_PYTHON] = chat_step_python,
		[S_HEAD] = chat_step_head,
		[S_BODY] = chat_step_body,
		[S_BETWEEN] = chat_step_between };
	bool more = steps[r->state](r);
	if (!r->bad)
		return more;
	r->bad = false;
	return void_call(r);
}

/* ---- pushing ------------------------------------------------------------------------------------------------------------- */

static void run(struct chat_reader *r)
{
	while (step(r))
		;
	size_t keep = r->in_call ? r->raw : r->at;
	if (keep > r->n / 2) {
		memmove(r->buf, r->buf + keep, r->n - keep);
		r->n -= keep;
		r->at -= keep;
		r->scan -= MIN(keep, r->scan);
		r->raw -= MIN(keep, r->raw);
	}
}

static int room(struct chat_reader *r, size_t n)
{
	if (n <= r->cap - r->n)
		return 0;
	size_t cap = MAX(2 * r->cap, r->n + n + 1024);
	u8 *p = realloc(r->buf, cap);
	if (!p)
		return -ENOMEM;
	r->buf = p;
	r->cap = cap;
	return 0;
}

static int outcome(const struct chat_reader *r)
{
	return r->args.failed || r->text.blanks.failed || r->reasoning.blanks.failed ? -ENOMEM : 0;
}

int chat_reader_push(struct chat_reader *r, const char *text, size_t len)
{
	if (room(r, len))
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) /* text is UTF-8; the mark of a control token is none */
		r->buf[r->n++] = (u8)text[i] == 0xff ? '?' : (u8)text[i];
	run(r);
	return outcome(r);
}

int chat_reader_control(struct chat_reader *r, const char *name, size_t len)
{
	if (memchr(name, 0xff, len) || len == 0)
		return 0;
	if (room(r, len + 2))
		return -ENOMEM;
	r->buf[r->n++] = 0xff;
	memcpy(r->buf + r->n, name, len);
	r->n += len;
	r->buf[r->n++] = 0xff;
	run(r);
	return outcome(r);
}

/* Parts with heads: the text of one, up to its end or the next. */
bool chat_step_body(struct chat_reader *r)
{
	static const enum chat_tag tags[] = { TAG_CALL_END, TAG_CALL };
	struct chat_text_run *x = r->body == BODY_REASONING ? &r->reasoning : &r->text;
	enum chat_tag t = text_until(
		r, x, r->body == BODY_REASONING ? CHAT_REASONING : CHAT_TEXT, tags, ARRAY_LEN(tags));
	if (t == TAG_CALL)
		enter(r, S_HEAD);
	else if (t == TAG_CALL_END)
		enter(r, S_BETWEEN);
	return t != TAG_NONE;
}

/* Up to the next head; what stands there is of no part. */
bool chat_step_between(struct chat_reader *r)
{
	bool part = false;
	static const enum chat_tag tags[] = { TAG_CALL };
	while (r->at < r->n) {
		enum chat_tag t = first_of(r, tags, 1, r->at, &part);
		if (t != TAG_NONE) {
			r->at += r->tag[t].len;
			enter(r, S_HEAD);
			return true;
		}
		if (part)
			return false;
		r->at++;
	}
	return false;
}

/* Nothing more comes: half a tag is text, half a call is none. */
int chat_reader_end(struct chat_reader *r)
{
	r->ended = true;
	run(r);
	bool between = r->state == S_CLOSE || (r->state == S_SECTION && r->n_in_section);
	if (r->in_call && !between) {
		r->at = r->n;
		(void)void_call(r);
	} else if (r->state == S_HEAD) {
		said(r, &r->text, CHAT_TEXT, r->at, r->n);
		r->at = r->n;
	}
	run(r);
	return outcome(r);
}

/* ---- beginning and end --------------------------------------------------------------------------------------------------- */

int chat_reader_create(const struct chat_reader_params *p, struct arena *a, struct chat_reader *r)
{
	const struct chat_format *f = p->format;
	const char *const text[TAG_COUNT] = { [TAG_THINK] = p->think ? p->think->open : NULL,
		[TAG_THINK_END] = p->think ? p->think->close : NULL,
		[TAG_SECTION] = p->calls ? f->section[0] : NULL,
		[TAG_SECTION_END] = f->section[1],
		[TAG_CALL] = p->calls ? f->call[0] : NULL,
		[TAG_CALL_END] = f->call[1],
		[TAG_NAME_END] = f->name_end,
		[TAG_ID_END] = f->id_end,
		[TAG_KEY] = f->key,
		[TAG_KEY_END] = f->key_end,
		[TAG_VALUE] = f->value,
		[TAG_VALUE_END] = f->value_end,
		[TAG_DROP] = f->drop[0],
		[TAG_DROP_END] = f->drop[1] };
	*r = (struct chat_reader){
		.f = f, .tools = p->tools, .calls = p->calls, .first_call = p->first_call
	};
	for (u32 i = 0; i < TAG_COUNT; i++) {
		r->tag[i].p = (const u8 *)chat_format_text(text[i], &p->vocab, a, &r->tag[i].len);
		if (!r->tag[i].p)
			return -ENOMEM;
	}
	r->state = f->flags & CHAT_BEGINS_IN_HEAD ? S_HEAD : p->inside ? S_THINK : S_TEXT;
	return 0;
}

void chat_reader_on(struct chat_reader *r, void (*handler)(void *ctx, const struct chat_event *e), void *ctx)
{
	r->on = handler;
	r->ctx = ctx;
}

void chat_reader_fini(struct chat_reader *r)
{
	free(r->buf);
	chat_out_fini(&r->args);
	chat_out_fini(&r->text.blanks);
	chat_out_fini(&r->reasoning.blanks);
}
