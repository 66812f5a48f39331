/* Inside of chat: how models write calls of tools and reasoning. One row a format; a template belongs to the first row whose marks all
 * stand in it. The reader (reader.c) and the grammar of calls (grammar_tools.c) both go by the row, and by nothing else.
 *
 * Tags in a row are written TAG("…"). Whether such a tag is a control token is the vocabulary's affair: where it is one, only the token
 * is the tag and the same characters as text are text; where it is none, the characters are the tag. Inside of chat, in grammars and in
 * what reasoning is marked with, a control token is the byte 0xff, its name, 0xff: no text holds that byte. */
#pragma once

#include "chat/chat.h"
#include "chat/jinja.h"

#define TAG(s) "\1" s "\1"

enum chat_syntax {
	CHAT_NO_CALLS = 0,
	CHAT_JSON_CALL, /* {"name": …, "arguments": {…}}, alone or in a list */
	CHAT_JSON_ARGS, /* the name between tags, then {…} */
	CHAT_XML,	/* the name between tags, then a key and a value at a time */
	CHAT_GEMMA,	/* NAME{key:value,…}, strings between tags of their own */
	CHAT_PYTHON,	/* [name(key=value, …), …] */
	CHAT_CHANNELS,	/* every part has a head that says for whom it is */
};

enum chat_format_flags {
	CHAT_BARE = 1,		  /* a '{' that begins the answer begins a call */
	CHAT_ID_IN_NAME = 2,	  /* "functions.NAME:7" is the call's id */
	CHAT_NEWLINES = 4,	  /* a line end on both sides of a value is not of the value */
	CHAT_STRING_ATTR = 8,	  /* a key is followed by string="true" or string="false" */
	CHAT_ONE_LIST = 16,	  /* the calls of a section are one JSON list */
	CHAT_SECTION_EACH = 64,	  /* every call has a section of its own */
	CHAT_BEGINS_IN_HEAD = 32, /* the prompt ends inside of a head */
};

struct chat_format {
	const char *name;
	const char *mark[3]; /* that all stand in the template */
	enum chat_syntax syntax;
	const char *section[2]; /* around all calls; "" */
	const char *call[2];	/* around each; "". CHAT_CHANNELS: begins a head, ends a part */
	const char *name_end;	/* behind the name; "" where whatever follows ends it */
	const char *id_end;	/* an id follows the name, up to here; NULL: none */
	const char *key, *key_end, *value, *value_end; /* CHAT_XML: value stands in front of a value */
	const char *name_key, *args_key;	       /* CHAT_JSON_CALL */
	const char *drop[2];			       /* around what is said otherwise: no text */
	u32 flags;				       /* enum chat_format_flags */
};

/* The row of a template; the last has no calls. */
const struct chat_format *chat_format_of(const char *source, size_t len);
/* Rows, for tables and tests. */
const struct chat_format *chat_format_at(size_t i); /* NULL behind the last */

struct chat_think_tags {
	const char *open, *close; /* a template that writes close has reasoning */
	const char *
		end; /* what ends reasoning that has run long enough: close, and the white space that models put around it */
};
/* NULL: the template knows no reasoning. */
const struct chat_think_tags *chat_think_of(const char *source, size_t len);

/* A text of a row with its tags as the vocabulary has them, in the arena; NULL: no memory. */
const char *chat_format_text(const char *text, const struct chat_vocab *v, struct arena *a, size_t *ret_len);

/* ---- JSON, byte by byte (reader_json.c) ---------------------------------------------------------------------------------- */

struct chat_json {
	u8 state, n_hex;
	u32 depth, cp;
	const char *word;	      /* rest of true, false, null */
	u8 kind[CHAT_JSON_DEPTH_MAX]; /* '{' or '[' of each level */
};
/* 0 go on; 1 the value is complete; -1 no JSON. The first byte must begin an object: nothing else is ever arguments. */
int chat_json_byte(struct chat_json *j, u8 c);
/* The same; and what the byte did on the level of the object itself. Numbers end unnoted. */
enum chat_json_note {
	CHAT_JSON_NOTHING,
	CHAT_JSON_KEY_BEGINS, /* its quote */
	CHAT_JSON_KEY_ENDS,
	CHAT_JSON_VALUE_BEGINS, /* its first byte */
	CHAT_JSON_VALUE_ENDS,	/* its last */
};
int chat_json_noted(struct chat_json *j, u8 c, enum chat_json_note *ret);
/* Is the whole text one JSON value of any kind? */
bool chat_json_ok(const void *text, size_t len);

/* ---- values that are no JSON become JSON (reader_value.c) ------------------------------------------------------------------ */

/* Text that grows. */
struct chat_out {
	char *p;
	size_t n, cap;
	bool failed; /* no memory */
};
void chat_out_fini(struct chat_out *o);
void chat_out_add(struct chat_out *o, const void *text, size_t n);
void chat_out_string(struct chat_out *o, const char *text, size_t n); /* as a JSON string */

/* All of these: false, the text is no such value; what was written so far is of no use. */

/* What kinds of values fit a schema (NULL: unknown); both where that cannot be said. */
enum { CHAT_WANTS_STRING = 1, CHAT_WANTS_OTHER = 2 };
u32 chat_wants(const struct chat_val *schema);
/* A raw value by the schema of its parameter (NULL: unknown): a string where the schema wants nothing else, JSON where it is some. */
bool chat_value_xml(struct chat_out *o, const struct chat_val *schema, const char *s, size_t n);
/* key:value,… between '{' and '}', strings between `quote`. */
bool chat_value_gemma(struct chat_out *o, const char *s, size_t n, const char *quote, size_t quote_len);
/* key=value, … up to the ')' of one call: *ret_n bytes are read, with it. */
bool chat_value_python(struct chat_out *o, const char *s, size_t n, size_t *ret_n);

/* ---- tools (tools.c) ----------------------------------------------------------------------------------------------------- */

struct chat_tool {
	struct chat_str name;
	const struct chat_val *parameters; /* a schema; NULL: none is given */
};
struct chat_tools {
	const struct chat_tool *v;
	u32 n;
	struct chat_val list; /* as templates get it */
};
/* Read OpenAI's tools: a list of {"type":"function","function":{"name","description","parameters"}}. False: noted in the run. */
bool chat_tools_read(struct chat_run *r, const char *json, size_t len, struct chat_tools *ret);
const struct chat_tool *chat_tool_find(const struct chat_tools *t, struct chat_str name); /* NULL: none */
/* The schema of one parameter; NULL: unknown. */
const struct chat_val *chat_tool_parameter(const struct chat_tool *t, struct chat_str key);
