/* Inside of chat: putting a grammar together. The first failure is noted in the run and every later call does nothing, so whoever
 * builds looks at chat_gb_ok() where it loops. A fragment is a pair of states: where it begins and where it has ended. */
#pragma once

#include "base/grammar.h"
#include "chat/grammar.h"
#include "chat/jinja.h"

/* What JSON is made of; each is made once, on first use, and called. */
enum chat_rule {
	RULE_WS,
	RULE_CHAR, /* of a string, as JSON writes it */
	RULE_TEXT, /* any number of them */
	RULE_STRING,
	RULE_INTEGER,
	RULE_NUMBER,
	RULE_VALUE,
	RULE_RAW,    /* text up to `stop`, without it */
	RULE_BLANKS, /* up to four blanks or line ends, between the parts of a call */
	RULE_COUNT
};

struct chat_bytes {
	const char *p;
	u32 len; /* 0: none */
};

struct chat_gb {
	struct chat_run *r;
	struct grammar_edge *edge;
	u32 *from; /* state of each edge */
	u32 n_edges, cap_edges, n_states;
	u32 rule[RULE_COUNT]; /* entry + 1; 0: not made yet */
	/* In calls of tools. stop: the tag that ends a raw value; no string may hold it. quote: what strings stand between, in place of '"';
	 * then keys are bare words. raw: strings are written as they are, not as JSON. */
	struct chat_bytes stop, quote;
	bool raw;
	bool flat; /* a network over plain text (grammar_texts.h): nothing is called, what repeats is copied */
};

bool chat_gb_ok(const struct chat_gb *b);
/* Where: "line 3", "#/properties/a". Always false. */
_printf_(3, 4) bool chat_gb_fail(struct chat_gb *b, const char *where, const char *fmt, ...);

u32 chat_gb_state(struct chat_gb *b);
void chat_gb_byte(struct chat_gb *b, u32 from, u8 lo, u8 hi, u32 to);
void chat_gb_skip(struct chat_gb *b, u32 from, u32 to);
void chat_gb_call(struct chat_gb *b, u32 from, u32 entry, u32 to);
void chat_gb_return(struct chat_gb *b, u32 from);
/* From here on over these bytes; the state behind. */
u32 chat_gb_text(struct chat_gb *b, u32 from, const void *text, size_t len);
u32 chat_gb_str(struct chat_gb *b, u32 from, const char *text);
/* One character of lo..hi, in UTF-8; surrogates are none. */
void chat_gb_chars(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 to);

#define CHAT_GB_NO_MAX 0xffffffffu
/* The same without one character. */
void chat_gb_chars_but(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 but, u32 to);
/* The fragment begin..end, which nothing leads to yet, min to max times behind `from`; the state behind. */
u32 chat_gb_times(struct chat_gb *b, u32 from, u32 begin, u32 end, u32 min, u32 max);

/* Sets of characters: sorted and merged by chat_set_close. */
#define CHAT_SET_MAX 256u
struct chat_set {
	struct {
		u32 lo, hi;
	} v[CHAT_SET_MAX];
	u32 n;
};
bool chat_set_add(struct chat_set *s, u32 lo, u32 hi); /* false: there is no room */
void chat_set_close(struct chat_set *s, bool negated);
/* The character at s[at], *ret_n bytes; broken UTF-8 is refused before. */
u32 chat_char_at(struct chat_str s, u32 at, u32 *ret_n);

/* ---- grammar_json.c ---- */
u32 chat_gb_rule(struct chat_gb *b, enum chat_rule rule); /* its entry */
u32 chat_gb_call_rule(struct chat_gb *b, u32 from, enum chat_rule rule);
/* The character that `stop` begins with, which strings do without; 0: they may hold any. */
u32 chat_gb_stop_char(const struct chat_gb *b);
/* One character of a string. */
void chat_gb_string_char(struct chat_gb *b, u32 from, u32 to);
/* Inside of a string: characters of the set as JSON writes them, or raw. */
void chat_gb_string_set(struct chat_gb *b, u32 from, const struct chat_set *s, u32 to);
/* One byte lo..hi of its text: an ASCII character as JSON writes it, or raw; or part of another. */
void chat_gb_string_bytes(struct chat_gb *b, u32 from, u8 lo, u8 hi, u32 to);

/* ---- grammar_number.c ---- */
struct chat_range {
	const struct chat_val *lo, *hi;	 /* NULL: no bound */
	const struct chat_val *multiple; /* of which it is one; NULL: any */
	bool lo_open, hi_open;		 /* the bound itself is outside */
	bool integer;
};
u32 chat_gb_range(struct chat_gb *b, u32 from, const struct chat_range *p, const char *where);

/* ---- grammar_regex.c: a pattern of ECMA-262 as the inside of a JSON string ---- */
u32 chat_gb_regex(struct chat_gb *b, u32 from, struct chat_str pattern, const char *where);
/* Does it look ahead where the text begins? Then chat_texts_pattern takes it, and this one does not. */
bool chat_regex_looks(struct chat_str pattern);

/* ---- grammar_schema.c, grammar_gbnf.c: the whole grammar; returns its start ---- */
u32 chat_gb_schema(struct chat_gb *b, const struct chat_val *schema);
u32 chat_gb_gbnf(struct chat_gb *b, struct chat_str source);

/* ---- grammar_build.c: what was put together, in its compiled form ---- */
/* 0; 1 noted in the run: nothing fits it; -ENOMEM. */
_must_use_ int chat_gb_finish(struct chat_gb *b, u32 start, struct chat_bytes trigger, struct arena *a,
	const void **ret, size_t *ret_len);
