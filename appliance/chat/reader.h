/* Inside of chat: the reader of answers. reader.c holds text, reasoning and the frame around calls, reader_call.c what is inside. */
#pragma once

#include "chat/format.h"

enum chat_tag {
	TAG_THINK,
	TAG_THINK_END,
	TAG_SECTION,
	TAG_SECTION_END,
	TAG_CALL,
	TAG_CALL_END,
	TAG_NAME_END,
	TAG_ID_END,
	TAG_KEY,
	TAG_KEY_END,
	TAG_VALUE,
	TAG_VALUE_END,
	TAG_DROP,
	TAG_DROP_END,
	TAG_COUNT,
	TAG_NONE
};

enum chat_reader_state {
	S_TEXT,
	S_THINK,
	S_SECTION, /* around calls, in front of one */
	S_CLOSE,   /* behind a call */
	S_BROKEN,  /* behind what was no call */
	S_NAME,
	S_ID,
	S_ARGS,	  /* a JSON object */
	S_OBJECT, /* a JSON object that is the call */
	S_KEY,
	S_KEY_NAME,
	S_VALUE_BEGIN,
	S_VALUE,
	S_GEMMA,
	S_PYTHON,
	S_HEAD, /* CHAT_CHANNELS */
	S_BODY,
	S_BETWEEN,
};

struct chat_tag_text {
	const u8 *p;
	size_t len;
};

/* Text of one kind as it is said: blanks wait for a word behind them. */
struct chat_text_run {
	bool any;
	struct chat_out blanks;
};

/* A call that is one JSON object, while it is read. */
struct chat_object {
	enum { FIELD_OTHER, FIELD_NAME, FIELD_ID, FIELD_ARGS } field; /* whose value is being read */
	size_t from;	/* of the key or value; all of these count from raw */
	size_t shown;	/* arguments were shown up to here */
	size_t args_to; /* their end; 0: not reached */
	bool args_seen;
};

enum chat_body { BODY_TEXT, BODY_REASONING, BODY_CALL };

struct chat_reader {
	const struct chat_format *f;
	const struct chat_tools *tools;
	void (*on)(void *ctx, const struct chat_event *e);
	void *ctx;
	struct chat_tag_text tag[TAG_COUNT];
	bool calls; /* may there be any */
	u32 first_call;

	enum chat_reader_state state;
	u8 *buf;
	size_t n, at, cap; /* read up to at */
	size_t scan;	   /* looked at up to here, in the state */
	size_t raw;	   /* where the call began that is being read */
	bool ended, bad, in_call, told;
	u32 n_calls, n_in_section;
	struct chat_text_run text, reasoning;

	char name[CHAT_NAME_BYTES_MAX + 1], id[CHAT_NAME_BYTES_MAX + 1];
	struct chat_json json;
	struct chat_object object;
	struct chat_out args;
	u32 n_keys;
	size_t key_from, key_len; /* behind raw */
	bool attr_string;
	bool in_string; /* S_GEMMA: between quotes */
	u8 quote;	/* S_PYTHON: 0 or the quote that is open */
	enum chat_body body;
};

struct chat_reader_params {
	const struct chat_format *format;
	const struct chat_think_tags *think; /* NULL: none */
	bool inside;			     /* the prompt has opened it */
	bool calls;
	const struct chat_tools *tools;
	u32 first_call; /* calls of the conversation so far: ids go on from there */
	struct chat_vocab vocab;
};
/* The tags are in the arena. 0; -ENOMEM. */
_must_use_ int chat_reader_create(const struct chat_reader_params *p, struct arena *a, struct chat_reader *r);
void chat_reader_fini(struct chat_reader *r);

/* 1 the tag stands at `at`; 0 it does not; -1 what is there begins it. */
int chat_reader_match(const struct chat_reader *r, enum chat_tag t, size_t at);

/* ---- a call: begins, is told of by its name, its arguments, ends ---------------------------------------------------------- */

void chat_call_begin(struct chat_reader *r);
void chat_call_tell(struct chat_reader *r);
void chat_call_args(struct chat_reader *r, const void *text, size_t len);
void chat_call_end(struct chat_reader *r);

/* ---- reader_call.c: steps; false: nothing more is certain. bad: it is no call ----------------------------------------------- */

bool chat_step_name(struct chat_reader *r);
bool chat_step_id(struct chat_reader *r);
bool chat_step_args(struct chat_reader *r);
bool chat_step_object(struct chat_reader *r);
bool chat_step_key(struct chat_reader *r);
bool chat_step_key_name(struct chat_reader *r);
bool chat_step_value_begin(struct chat_reader *r);
bool chat_step_value(struct chat_reader *r);
bool chat_step_gemma(struct chat_reader *r);
bool chat_step_python(struct chat_reader *r);
bool chat_step_head(struct chat_reader *r);
/* reader.c */
bool chat_step_body(struct chat_reader *r);
bool chat_step_between(struct chat_reader *r);
